# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Count the true objects that a model finds in scenes that are handed in in odd ways.

    python tools/benchmark_scans.py work_dirs/demo/data/scannet --model demo

Each held-out scene is turned, recoloured or moved (the names of `VARIANTS` in
insseg3d/apis/scan_variants.py) and segmented without any hint. For each variant the table has

* found: true objects of the right class with an IoU above 0.5,
* as reference: scenes with as many as the plain scene has, or as the scene without colours where
  the variant takes the colours away,
* refused if strict: scenes of which something was assumed, which --strict refuses; this includes
  those that cannot be used at all,
* wrong in silence: scenes that differ from the reference and would pass --strict. It should be 0.
"""

import argparse
import json
import sys
from pathlib import Path

from terminaltables import AsciiTable
from tqdm import tqdm

from insseg3d.apis import InstanceSeg3DInferencer
from insseg3d.datasets.info_files import read_info
from insseg3d.scans.errors import RawDataError
from insseg_lab.provenance import ROOT, command_line, commit, machine, shown, versions
from insseg_lab.scan_variants import VARIANTS, count_found, piece_of, read_truth, variant_of

COLUMNS = ('found', 'as_reference', 'refused_if_strict', 'wrong_in_silence')


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('data', type=Path, help='prepared data set in the layout of ScanNet, made or real')
    add('--model', help='name or config (default: that inside the checkpoint)')
    add('--weights', help='checkpoint (default: the last one of that name)')
    add('--device', default='cpu')
    add('--split', default='val', help='of the data set (%(default)s)')
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


def scenes_of(data, split):
    """Names of the scenes of a split."""
    path = data / f'scannet_infos_{split}.pkl'
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file; expected what prepare_scannet.py writes')
    return [
        Path(info['lidar_points']['lidar_path']).stem
        for info in read_info(path.read_bytes(), str(path))['data_list']
    ]


def handed_in(inferencer, name, points, truth):
    """True objects found, and whether --strict refuses the scan."""
    try:
        result = inferencer(variant_of(name, points))
    except RawDataError:
        return 0, True
    return count_found(result, truth), any(remark.guessed for remark in result.remarks)


def rows_of(inferencer, data, scenes, wanted, piece):
    """A row a variant, and the number of true objects."""
    names = list(dict.fromkeys([*(VARIANTS[name].reference for name in wanted), *wanted]))
    rows = {name: dict.fromkeys(COLUMNS, 0) for name in wanted}
    total = 0
    for scene in tqdm(scenes, unit=' scenes'):
        points, truth = piece_of(*read_truth(data, scene), piece)
        total += len(truth.labels)
        outcome = {name: handed_in(inferencer, name, points, truth) for name in names}
        for name, row in rows.items():
            (found, refused), same = outcome[name], outcome[VARIANTS[name].reference][0]
            for column, value in zip(
                COLUMNS, (found, found == same, refused, found != same and not refused)
            ):
                row[column] += int(value)
    return rows, total


def main(argv=None):
    args = parse_args(argv)
    try:
        scenes = scenes_of(args.data, args.split)[: args.scenes]
        inferencer = InstanceSeg3DInferencer(args.model, args.weights, args.device)
    except (OSError, ValueError) as error:
        print(f'benchmark_scans.py: {error}', file=sys.stderr)
        return 1
    rows, total = rows_of(inferencer, args.data, scenes, args.variants, args.piece)
    print(f'{len(scenes)} scenes, {total} true objects of 100 points or more')
    print(
        AsciiTable(
            [
                ['variant', *(name.replace('_', ' ') for name in COLUMNS)],
                *([name, *row.values()] for name, row in rows.items()),
            ]
        ).table
    )
    if args.json:
        Path(args.json).write_text(
            json.dumps(
                dict(
                    command=command_line(
                        [
                            'python',
                            'tools/benchmark_scans.py',
                            *(sys.argv[1:] if argv is None else argv),
                        ],
                        ROOT,
                    ),
                    weights=shown(Path(inferencer.weights).resolve()),
                    machine=machine(args.device),
                    commit=commit(),
                    versions=versions(),
                    scenes=len(scenes),
                    objects=total,
                    rows=rows,
                ),
                indent=2,
            )
            + '\n'
        )
    return 0


if __name__ == '__main__':
    sys.exit(main())
