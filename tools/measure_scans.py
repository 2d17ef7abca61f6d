# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Measure labelled scans, and print the figures beside those of real scans.

    python tools/measure_scans.py data/scannet --split val

FOLDER has the data of tools/prepare_scannet.py, made or real. A figure has the 10th, 50th and 90th
percentile: over scans (extents, shares, colours), over balls of a radius (roughness: distance from
the fitted plane, root mean square, millimetres; colour: standard deviation) or over objects (sides
of the tightest upright box, metres; bottom: height above the floor). "!" marks a median that
differs from the real one by more than a factor of 1.5.
"""

import json
import sys
from pathlib import Path

import insseg3d  # noqa: F401  (first: its cures let mmdet3d import with mmcv-lite)
from insseg3d.engine.command import command, command_parser
from insseg_lab.likeness.scene import read_scans
from insseg_lab.likeness.table import as_json, as_text, compare


def parse_args(argv=None):
    parser = command_parser(__doc__)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--split', default='val')
    parser.add_argument('--scans', type=int, help='measure at most so many (default: all)')
    parser.add_argument('--out', type=Path, help='also write the figures to this JSON file')
    return parser.parse_args(argv)


@command
def main(argv=None):
    args = parse_args(argv)
    rows = compare(read_scans(args.folder, args.split, args.scans))
    print(as_text(rows))
    if args.out:
        args.out.write_text(json.dumps(as_json(rows), indent=1) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
