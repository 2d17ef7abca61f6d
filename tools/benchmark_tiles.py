# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Measure what tiles do to objects and to memory, on prepared scenes with ground truth.

    python tools/synthesize.py --layout scannet --out raw --scenes 1 --splits val=1 --corridor 60
    python tools/prepare_scannet.py --raw raw --out floor --splits val
    python tools/benchmark_tiles.py floor --model demo --tile 8 --overlap 2

A model finds no more objects in a piece than it has queries, so that a floor cannot be had as a
whole to compare with. What is compared instead:

* put together: known masks (the true ones; those that the model found) are cut by the tiles and
  put together again, with two positions of the seams. This is the stitching alone. "In one part"
  are masks that are connected by steps of 30 cm; others hold several things apart from each other,
  and of those nothing says that they belong together if no tile shows them all.
* with other seams: the model's objects, and its objects with all seams half a tile further. Here
  the model sees other pieces; what it makes of those is part of the result.
* true objects: the same ones where a seam cuts them and where, with the other seams, none does.

With --whole, for scenes of no more objects than the model has queries, such as single rooms: the
model's objects in tiles against those in one piece.

Peak memory and seconds are those of the way from the file to all files of its objects.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from insseg3d.apis import InstanceSeg3DInferencer, Tiling
from insseg3d.apis.files import write_files
from insseg_lab.memory import forget_peak_memory, peak_memory_mb
from insseg_lab.provenance import ROOT, command_line, commit, machine, shown, versions
from insseg_lab.tile_agreement import (
    FOUND,
    SAME,
    compare_tilings,
    compare_with_whole,
    read_scene,
    share,
)


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('data', type=Path, help='prepared data set in the layout of ScanNet, made or real')
    add('--model', help='name or config (default: that inside the checkpoint)')
    add('--weights', help='checkpoint (default: the last one of that name)')
    add('--device', default='cpu')
    add('--tile', type=float, default=8.0, help='metres (%(default)g)')
    add('--overlap', type=float, default=2.0, help='metres (%(default)g)')
    add('--whole', action='store_true', help='compare with the scenes in one piece')
    add('--only-memory', action='store_true', help='nothing but peak memory and seconds')
    add('--scenes', type=int, help='only the first so many')
    add('--json', help='also write the figures to this file')
    return parser.parse_args(argv)


def from_file_to_files(inferencer, path):
    """Seconds and peak memory of all that tools/infer.py does with a scan."""
    device = next(inferencer.model.parameters()).device
    forget_peak_memory(device)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result = inferencer(path)
        write_files(Path(folder), result, {})
    row = dict(
        points=len(result.coords),
        objects=len(result),
        seconds=time.perf_counter() - start,
        peak_memory_gb=peak_memory_mb(device) / 1000,
    )
    print(
        f'{path.name}: {row["points"]:,} points, {row["objects"]} objects, '
        f'{row["seconds"]:.0f} s, peak memory {row["peak_memory_gb"]:.2f} GB'
    )
    return row


def print_rows(rows):
    for name, (count, total, least) in rows.items():
        percent = f'{100 * count / total:6.1f} %' if total else '     –  '
        print(f'{name:60s}{percent}  {count} of {total} at IoU {least:g}')


def whole_rows(scenes):
    """Figures of all scenes together."""
    found = {name: np.concatenate([scene[name] for scene in scenes]) for name in scenes[0]}
    return {
        'whole objects put together': share(found['together'], SAME),
        'whole objects the same in tiles': share(found['same'], SAME),
        'whole objects found again in tiles': share(found['same'], FOUND),
        'whole objects found again, across seams': share(found['same'][found['across']], FOUND),
        'true objects found in one piece': share(found['true_whole'], FOUND),
        'true objects found in tiles': share(found['true_tiled'], FOUND),
    }


def main(argv=None):
    args = parse_args(argv)
    tiling = Tiling(args.tile, args.overlap)
    try:
        inferencer = InstanceSeg3DInferencer(args.model, args.weights, args.device, tiling=tiling)
        paths = sorted((args.data / 'points').glob('*.bin'))[: args.scenes]
        if not paths:
            raise FileNotFoundError(
                f'{args.data / "points"}: no .bin files; expected what prepare_scannet.py writes'
            )
    except (OSError, ValueError) as error:
        print(f'benchmark_tiles.py: {error}', file=sys.stderr)
        return 1
    report = dict(
        command=command_line(
            ['python', 'tools/benchmark_tiles.py', *(sys.argv[1:] if argv is None else argv)], ROOT
        ),
        weights=shown(Path(inferencer.weights).resolve()),
        tile=args.tile,
        overlap=args.overlap,
        machine=machine(args.device),
        commit=commit(),
        versions=versions(),
        scenes=[],
    )
    wholes = []
    for path in paths:
        row = {} if args.whole else from_file_to_files(inferencer, path)
        if not args.only_memory:
            points, truth = read_scene(args.data, path.stem)
            if args.whole:
                wholes.append(compare_with_whole(inferencer, points, truth, tiling))
            else:
                row.update(compare_tilings(inferencer, points, truth, tiling))
                print(
                    f'{row["tiles"]} tiles; {row["true_objects"]} true objects of 100 points or '
                    f'more; {row["objects_across"]} of the found ones across seams'
                )
                print_rows(row['rows'])
        report['scenes'].append(row)
    if wholes:
        report['rows'] = whole_rows(wholes)
        print(f'{len(wholes)} scenes in one piece and in tiles')
        print_rows(report['rows'])
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=2) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
