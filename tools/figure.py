# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Scenes as several methods see them, in one picture, as in the paper's Fig. 3 and 5.

    python tools/figure.py queryis-s_1xb10-150k_scannet scene0011_00 scene0030_00 \\
        --method PointGroup work_dirs/pointgroup/iter_150000.pth \\
        --method 3D-QueryIS work_dirs/queryis/iter_150000.pth --out figure.png

CONFIG names the dataset of the scenes. One row per scene; views from left to right: input, classes
of each point (of methods that predict them), objects of each method, ground truth. Objects that
cover each other have one colour in all views. Predictions that lie in files, of any method, come
in by --pred NAME FOLDER, in a format of tools/evaluate.py. Needs no display. """

import argparse
import sys
from pathlib import Path

import numpy as np
from mmdet3d.registry import DATASETS
from mmengine.config import DictAction

from insseg3d.apis.batch import one_line
from insseg3d.apis.model_index import find_config
from insseg3d.engine.command import command, command_parser, load_config
from insseg3d.visualization import save_png
from insseg_analysis.figure import draw_figure
from insseg_analysis.figure_scenes import read_scene, results_of_checkpoint, results_of_folder
from insseg_analysis.label_sets import label_set_of


class InOrder(argparse.Action):
    """Keeps options of both kinds in the order in which they were given."""

    def __call__(self, parser, namespace, values, option_string=None):
        most = 3 if option_string == '--method' else 2
        if not 2 <= len(values) <= most:
            parser.error(f'{option_string}: found {" ".join(values)}; expected {self.metavar}')
        namespace.methods = [*(namespace.methods or []), (option_string, *values)]


def parse_args(argv=None):
    parser = command_parser(__doc__)
    add = parser.add_argument
    add('config', help='whose test set has the scenes; name or path')
    add('scenes', nargs='+', metavar='SCENE', help='name of a scene, e.g. scene0011_00')
    add(
        '--method',
        nargs='+',
        action=InOrder,
        dest='methods',
        metavar='NAME CHECKPOINT [CONFIG]',
        help='a method and its checkpoint; without CONFIG that inside the checkpoint',
    )
    add(
        '--pred',
        nargs='+',
        action=InOrder,
        dest='methods',
        metavar='NAME FOLDER',
        help='a method and its predictions, a folder or .zip',
    )
    add('--out', type=Path, default=Path('figure.png'), help='PNG (%(default)s)')
    add('--score-thr', type=float, default=0.3, help='least score of --pred (%(default)s)')
    add('--width', type=int, default=480, help='of a view, pixels (%(default)s)')
    add('--height', type=int, default=400, help='of a view, pixels (%(default)s)')
    add('--azimuth', type=float, default=-60.0, help='of the viewer, degrees (%(default)s)')
    add('--elevation', type=float, default=48.0, help='above the horizon (%(default)s)')
    add('--device', default='cpu')
    add('--cfg-options', nargs='+', action=DictAction, help='of the dataset; see test.py')
    return parser.parse_args(argv)


def results_of(method, scenes, labels, args):
    """Return a method's results of all scenes; only one model is in memory at a time."""
    option, name, source, *config = method
    if option == '--pred':
        return results_of_folder(name, Path(source), scenes, labels, score_thr=args.score_thr)
    return results_of_checkpoint(name, source, config[0] if config else None, scenes, args.device)


@command(failed=2, expected=(OSError, ValueError, RuntimeError), shown=one_line)
def main(argv=None):
    args = parse_args(argv)
    config = load_config(find_config(args.config), args.cfg_options)
    dataset = DATASETS.build(config.test_dataloader.dataset)
    scenes = [read_scene(dataset, name) for name in args.scenes]
    labels = label_set_of(dataset.metainfo)
    found = [results_of(method, scenes, labels, args) for method in args.methods or []]
    image = draw_figure(
        [(scene, [results[k] for results in found]) for k, (scene, _) in enumerate(scenes)],
        classes=labels.names,
        class_colors=np.array(dataset.metainfo['palette'], dtype=np.uint8),
        width=args.width,
        height=args.height,
        azimuth=args.azimuth,
        elevation=args.elevation,
    )
    save_png(args.out, image)
    print(f'{args.out}: {image.shape[1]} × {image.shape[0]} pixels')


if __name__ == '__main__':
    sys.exit(main())
