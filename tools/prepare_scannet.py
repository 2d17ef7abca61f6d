# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Convert raw ScanNet v2 (real or made by tools/synthesize.py) to mmdetection3d's format."""

import sys
from functools import partial

from insseg_preparation.command import new_parser, run
from insseg_preparation.scannet.labels import LABEL_SETS
from insseg_preparation.scannet.release import SPLITS, prepare_scannet


def main() -> int:
    parser = new_parser(__doc__, 'folder with scans, lists, tsv')
    parser.add_argument('--splits', nargs='+', choices=SPLITS, help='default: all with a list')
    parser.add_argument(
        '--label-set',
        choices=LABEL_SETS,
        default='scannet',
        help='18 classes, or the 198 of ScanNet200; each in a folder of its own',
    )
    parser.add_argument(
        '--superpoints',
        action='store_true',
        help='also write the over-segments, where there are any',
    )
    args = parser.parse_args()
    return run(
        partial(
            prepare_scannet,
            args.raw,
            args.out,
            splits=args.splits,
            label_set=args.label_set,
            superpoints=args.superpoints,
            workers=args.workers,
        )
    )


if __name__ == '__main__':
    sys.exit(main())
