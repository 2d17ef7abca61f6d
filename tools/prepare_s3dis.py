# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Convert raw S3DIS (real or made by tools/synthesize.py) to mmdetection3d's format.

The points of a room are those of its annotations, one file after the other, sorted by name.
"""

import sys
from functools import partial

from insseg3d.datasets.s3dis import AREAS
from insseg_preparation.command import new_parser, run
from insseg_preparation.s3dis.raw import RELEASES
from insseg_preparation.s3dis.release import prepare_s3dis


def main() -> int:
    parser = new_parser(__doc__, 'folder with Area_1 … Area_6')
    parser.add_argument('--areas', nargs='+', type=int, choices=AREAS, help='default: all there')
    parser.add_argument(
        '--release',
        choices=RELEASES,
        help='which one it is, for the info files; default: found out',
    )
    args = parser.parse_args()
    return run(
        partial(
            prepare_s3dis,
            args.raw,
            args.out,
            areas=args.areas,
            kind=args.release,
            workers=args.workers,
            on_remark=lambda remark: print(f'{args.raw}: {remark}'),
        )
    )


if __name__ == '__main__':
    sys.exit(main())
