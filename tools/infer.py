# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Segment a scan that has neither labels nor an info file; write a coloured PLY.

    python tools/infer.py scan.ply --config configs/queryis/queryis-s_demo.py \\
        --weights work_dirs/demo/iter_3000.pth --out scan_instances.ply
"""
import argparse
import sys
from pathlib import Path

import numpy as np
from mmengine.config import Config

from insseg3d.apis import class_names, load_model, predict_points
from insseg3d.visualization import InstanceMap, Scene, render_views, save_png, write_instance_ply


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('scan', type=Path, help='.ply, or .bin of float32 x y z r g b')
    parser.add_argument('--config', required=True)
    parser.add_argument('--weights', required=True)
    parser.add_argument('--out', type=Path, help='PLY to write (default: beside the scan)')
    parser.add_argument('--picture', type=Path, help='also write a PNG of input and objects')
    parser.add_argument('--device', default='cpu')
    parser.add_argument(
        '--min-points', type=int, help="drop smaller objects (default: the config's)")
    parser.add_argument(
        '--score-thr', type=float, help="keep objects from this score on (default: the config's)")
    return parser.parse_args(argv)


def read_scan(path):
    """Points ``(P, 6)`` of a scan: metres and colours in 0..255."""
    if path.suffix == '.bin':
        values = np.fromfile(path, dtype=np.float32)
        if len(values) == 0 or len(values) % 6:
            raise ValueError(
                f'{path}: {len(values)} float32 values, expected a multiple of 6 '
                '(x y z r g b a point).')
        return values.reshape(-1, 6)
    if path.suffix == '.ply':
        from plyfile import PlyData
        vertex = PlyData.read(path)['vertex']
        names = ('x', 'y', 'z', 'red', 'green', 'blue')
        missing = [name for name in names if name not in vertex.data.dtype.names]
        if missing:
            raise ValueError(
                f'{path}: the vertices have no {", ".join(missing)}; expected {", ".join(names)}.')
        return np.stack([np.asarray(vertex[name], dtype=np.float32) for name in names], 1)
    raise ValueError(f'{path}: unknown format {path.suffix!r}, expected .ply or .bin.')


def main(argv=None):
    args = parse_args(argv)
    config = Config.fromfile(args.config)
    ranking = config.model.decode_head.ranking
    if args.min_points is not None:
        ranking.min_points = args.min_points
    if args.score_thr is not None:
        ranking.map_score_thr = args.score_thr
    try:
        points = read_scan(args.scan)
        model, config = load_model(config, args.weights, args.device)
        result = predict_points(model, config, points, str(args.scan)).pred_pts_seg
    except (OSError, ValueError) as error:
        sys.exit(f'infer.py: {error}')
    objects = InstanceMap.of(
        result.pts_instance_mask, result.instance_labels, result.instance_scores)
    scene = Scene.of(args.scan.stem, points, pred=objects)
    classes = class_names(config)
    out = args.out or args.scan.with_name(f'{args.scan.stem}_instances.ply')
    write_instance_ply(out, scene, classes=classes)
    if args.picture:
        save_png(args.picture, render_views(scene))
    print(f'{args.scan}: {len(points)} points, {len(objects.labels)} objects, written to {out}')
    for label, score, size in zip(objects.labels, objects.scores, objects.sizes):
        print(f'  {classes[label]:20s} score {score:.2f} {size:8d} points')


if __name__ == '__main__':
    main()
