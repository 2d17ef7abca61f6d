# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Write a benchmark submission, or check anyone's.

    python tools/submit.py CONFIG CHECKPOINT --out submission.zip      # of the test split
    python tools/submit.py CONFIG --validate submission.zip

A submission that the benchmark would refuse is not finished: scenes missing, masks of a wrong
length, unknown label ids, paths that lead out, confidences that are not finite, too large.
"""

import os
import sys
from pathlib import Path

from mmdet3d.registry import DATASETS
from mmengine.config import DictAction
from mmengine.runner import Runner

from insseg3d.engine.command import command, command_parser, load_config
from insseg3d.evaluation.exchange import ExchangeError, check_predictions, open_source
from insseg_analysis.label_sets import label_set_of


def parse_args(argv=None):
    parser = command_parser(__doc__)
    parser.add_argument('config', type=Path)
    parser.add_argument('checkpoint', nargs='?')
    parser.add_argument('--out', type=Path, help='the archive to write')
    parser.add_argument('--validate', type=Path, metavar='ARCHIVE', help='only check this one')
    parser.add_argument('--split', choices=['val', 'test'], default='test')
    parser.add_argument('--ann-file', help='info file, if the config tests on another split')
    parser.add_argument('--most-megabytes', type=float, default=2000, help='largest archive')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='see test.py')
    args = parser.parse_args(argv)
    if args.validate is None and (args.checkpoint is None or args.out is None):
        parser.error('needs a checkpoint and --out, or --validate')
    return args


def num_points(dataset) -> dict[str, int]:
    """Return the points of each scene, by the size of its file."""
    found = {}
    for number in range(len(dataset)):
        info = dataset.get_data_info(number)
        path = Path(info['lidar_path'])
        found[path.stem] = path.stat().st_size // (4 * info.get('num_pts_feats', 6))
    return found


def write(args, config, labels, part: Path) -> None:
    """Test the checkpoint, and write its predictions to an archive."""
    config.test_dataloader = config[f'{args.split}_dataloader']
    config.test_evaluator = dict(type='WritePredictions', out_file=str(part), label_ids=labels.ids)
    config.load_from = args.checkpoint
    config.work_dir = config.get('work_dir') or str(Path('work_dirs', args.config.stem))
    Runner.from_cfg(config).test()


@command(expected=(ExchangeError, OSError))
def main(argv=None) -> int:
    args = parse_args(argv)
    config = load_config(args.config, args.cfg_options)
    data = config[f'{args.split}_dataloader'].dataset
    if args.ann_file:
        data.ann_file = args.ann_file
    dataset = DATASETS.build(data)
    labels = label_set_of(dataset.metainfo)
    archive = args.validate
    if archive is None:
        archive = args.out.with_name(f'.{args.out.name}.part')
        write(args, config, labels, archive)
    most_bytes = int(args.most_megabytes * 1e6)
    points = num_points(dataset)
    faults = check_predictions(open_source(archive), points, labels, most_bytes=most_bytes)
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        print(f'{len(faults)} faults: this is no valid submission', file=sys.stderr)
        return 1
    if args.validate is None:
        os.replace(archive, args.out)
    print(f'{args.validate or args.out}: {len(dataset)} scenes, valid')
    return 0


if __name__ == '__main__':
    sys.exit(main())
