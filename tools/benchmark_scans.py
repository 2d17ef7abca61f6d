# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Count the true objects that a model finds in scenes that are handed in in odd ways.

    python tools/benchmark_scans.py work_dirs/demo/data/scannet --model demo

Each held-out scene is turned, recoloured or moved (the names of `VARIANTS` in
projects/insseg_lab/scan_variants.py) and segmented without any hint. For each variant the table has

* found: true objects of the right class with an IoU above 0.5,
* as reference: scenes with as many as the plain scene has, or as the scene without colours where
  the variant takes the colours away,
* refused if strict: scenes of which something was assumed, which --strict refuses; this includes
  those that cannot be used at all,
* wrong in silence: scenes that differ from the reference and would pass --strict. It should be 0.
"""

import json
import sys
from pathlib import Path

from terminaltables import AsciiTable

from insseg3d.apis import InstanceSeg3DInferencer
from insseg3d.engine.command import command, command_parser
from insseg_lab.provenance import command_line, commit, machine, shown, versions
from insseg_lab.scan_counts import COLUMNS, rows_of, scenes_of
from insseg_lab.scan_variants import VARIANTS


def parse_args(argv=None):
    parser = command_parser(__doc__)
    add = parser.add_argument
    add('data', type=Path, help='prepared dataset in the layout of ScanNet, made or real')
    add('--model', help='name or config (default: that inside the checkpoint)')
    add('--weights', help='checkpoint (default: the last one of that name)')
    add('--device', default='cpu')
    add('--split', default='val', help='of the dataset (%(default)s)')
    add('--scenes', type=int, help='only the first so many')
    add(
        '--piece',
        type=float,
        default=1.0,
        metavar='SHARE',
        help='of each scene only its first so much along x, as if no more was scanned',
    )
    add('--variants', nargs='+', choices=VARIANTS, default=list(VARIANTS), metavar='NAME')
    add('--json', help='also write the figures to this file')
    return parser.parse_args(argv)


@command
def main(argv=None):
    args = parse_args(argv)
    scenes = scenes_of(args.data, args.split)[: args.scenes]
    inferencer = InstanceSeg3DInferencer(args.model, args.weights, args.device)
    rows, total = rows_of(inferencer, args.data, scenes, args.variants, args.piece)
    print(f'{len(scenes)} scenes, {total} true objects of 100 points or more')
    heads = ['variant', *(name.replace('_', ' ') for name in COLUMNS)]
    print(AsciiTable([heads, *([name, *row.values()] for name, row in rows.items())]).table)
    if args.json:
        words = sys.argv[1:] if argv is None else argv
        report = dict(
            command=command_line(['python', 'tools/benchmark_scans.py', *words]),
            weights=shown(Path(inferencer.weights).resolve()),
            machine=machine(args.device),
            commit=commit(),
            versions=versions(),
            scenes=len(scenes),
            objects=total,
            rows=rows,
        )
        Path(args.json).write_text(json.dumps(report, indent=2) + '\n')


if __name__ == '__main__':
    sys.exit(main())
