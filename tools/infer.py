# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Segment scans that have neither labels nor info files; write point clouds, tables and pages.

    python tools/infer.py scan.ply --model demo --out work_dirs/found
    python tools/infer.py scan.ply --weights published.pth --out work_dirs/found

A model's name selects its config and the last checkpoint trained under this name here
(`make demo` trains the one called demo); a checkpoint has its config inside.

Writes DIR/index.html and, for every scan, DIR/NAME/: labelled.ply, objects.json, objects.csv,
masks.npz, view.html. Finished scans are skipped. Under torchrun the processes share the scans.
Exit status: 0; 1 if a scan failed; 2 if nothing could begin.
"""

import sys
from pathlib import Path

from insseg3d.apis.batch import (
    INDEX,
    folder_names,
    gather,
    list_scans,
    one_line,
    process_rank,
    share_of,
    taken_in,
)
from insseg3d.apis.files import write_index
from insseg3d.apis.model_index import choose_model
from insseg3d.engine.command import command, command_parser
from insseg_lab.inference import (
    Finder,
    FindingOptions,
    add_finding_arguments,
    find_in_all,
    find_in_one,
    print_outcome,
)
from insseg_scans import ENDINGS
from insseg_scans.errors import visible


def parse_args(argv=None):
    parser = command_parser(__doc__)
    add = parser.add_argument
    add('scans', nargs='+', metavar='SCAN', help=f'file, folder or pattern; {" ".join(ENDINGS)}')
    add(
        '--model',
        '--config',
        dest='model',
        help='name, or path of a config (default: the config inside the checkpoint)',
    )
    add(
        '--weights',
        help='checkpoint, .pth or .safetensors, or its address (default: the last one '
        'in work_dirs/NAME)',
    )
    add(
        '--out',
        type=Path,
        default=Path('work_dirs/infer'),
        help='folder; or, for a single scan, a .ply to write (default: %(default)s)',
    )
    add('--picture', type=Path, help='also write a PNG of input and objects; single scans only')
    add('--device', help='default: a GPU if there is one')
    add_finding_arguments(parser)
    add('--again', action='store_true', help='also do what was done before')
    return parser.parse_args(argv)


@command(failed=2, expected=(OSError, ValueError, RuntimeError), shown=one_line)
def main(argv=None):
    args = parse_args(argv)
    sys.stdout.reconfigure(errors='backslashreplace')  # names may hold what is no text
    rank, world = process_rank()
    config, weights = choose_model(args.model, args.weights)
    options = FindingOptions.of(args)
    finder = Finder(
        model=args.model, config=config, weights=weights, device=args.device, options=options
    )
    scans, outcomes = list_scans(args.scans)
    if args.out.suffix.lower() == '.ply' or args.picture:
        if len(args.scans) != 1 or len(scans) != 1 or world != 1:
            raise ValueError('--picture, and a .ply as --out, take a single scan')
        if args.out.suffix.lower() != '.ply':
            args.out = args.out / f'{folder_names(scans)[scans[0]]}_instances.ply'
        find_in_one(finder, scans[0], args.out, args.picture)
        return 0
    names = folder_names(scans, taken_in(args.out))
    args.out.mkdir(parents=True, exist_ok=True)
    mine = share_of(scans, rank, world)
    done = find_in_all(finder, mine, args.out, names, again=args.again)
    for outcome in outcomes if rank == 0 else ():
        print_outcome(outcome, None)
    order = {visible(str(scan)): k for k, scan in enumerate(scans)}
    outcomes += sorted(gather(done), key=lambda outcome: order[outcome.scan])
    count = sum(outcome.state == 'failed' for outcome in outcomes)
    if rank == 0:
        title = f'Objects found by {args.model or Path(args.weights).name}'
        write_index(args.out / INDEX, outcomes, title)
        print(f'{len(outcomes) - count} scans done, {count} failed; see {args.out / INDEX}')
    return int(count > 0)


if __name__ == '__main__':
    sys.exit(main())
