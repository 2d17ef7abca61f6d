# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Segment scans that have neither labels nor info files; write point clouds, tables and pages.

    python tools/infer.py scan.ply --model demo --out work_dirs/found
    python tools/infer.py scan.ply --weights published.pth --out work_dirs/found

A model's name stands for its config and for the last checkpoint that was trained of it here
(`make demo` trains the one called demo); a checkpoint has its config inside.

Writes DIR/index.html and, for every scan, DIR/NAME/: labelled.ply, objects.json, objects.csv,
masks.npz, view.html. What was done before is not done again. Under torchrun the scans are shared
out. Exit status: 0; 1 if a scan failed; 2 if nothing could begin.
"""

import argparse
import functools
import hashlib
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from insseg3d.apis.batch import (
    INDEX,
    folder_names,
    gather,
    list_scans,
    one_line,
    process_rank,
    run_batch,
    share_of,
    taken_in,
)
from insseg3d.apis.files import Outcome, original_scene, summary, upright_scene, write_index
from insseg3d.apis.inferencer import InstanceSeg3DInferencer
from insseg3d.apis.model_index import choose_model
from insseg3d.apis.tiling import Tiling
from insseg3d.scans import COLOR_RANGES, ENDINGS, Assumptions
from insseg3d.scans.errors import visible
from insseg3d.scans.units import UNITS, UP_AXES
from insseg3d.visualization import render_views, save_png, write_instance_ply


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
    add('--min-voxels', type=int, default=30, help='leave out smaller objects (%(default)s)')
    add('--min-points', type=int, default=1, help='likewise, by points (%(default)s)')
    add('--score-thr', type=float, default=0.3, help='least score of an object (%(default)s)')
    add('--strict', action='store_true', help='refuse scans of which something must be guessed')
    add('--units', choices=UNITS, help='of the scans (default: by their extent)')
    add('--up', choices=UP_AXES, help='upward axis (default: by the geometry, z if it says little)')
    add(
        '--color-range',
        choices=[*COLOR_RANGES, 'none'],
        help='largest colour there could be; none: pass colours over (default: by most of them)',
    )
    add(
        '--columns',
        type=lambda text: tuple(text.split(',')),
        help='of tables without names, e.g. x,y,z,-,red,green,blue',
    )
    add(
        '--mesh-samples',
        type=int,
        default=0,
        help='of meshes, take so many points of the surfaces instead of the vertices',
    )
    add(
        '--tile',
        type=float,
        metavar='METRES',
        help='cut scans that are larger into tiles of this side, with all heights above them',
    )
    add('--overlap', type=float, metavar='METRES', help='of tiles (default: a quarter of --tile)')
    add('--again', action='store_true', help='also do what was done before')
    return parser.parse_args(argv)


def tiling_of(args):
    if args.tile is None:
        if args.overlap is not None:
            raise ValueError('--overlap is that of tiles; say their size with --tile')
        return None
    return Tiling(args.tile, args.tile / 4 if args.overlap is None else args.overlap)


def make_inferencer(args):
    device = args.device
    rank = process_rank()[0]
    if device in ('cuda', None) and torch.cuda.is_available():
        device = f'cuda:{rank % torch.cuda.device_count()}'
    return InstanceSeg3DInferencer(
        *args.chosen,
        device,
        assumptions=Assumptions(args.units, args.up, args.color_range, args.strict),
        score_thr=args.score_thr,
        min_voxels=args.min_voxels,
        min_points=args.min_points,
        columns=args.columns,
        mesh_samples=args.mesh_samples,
        tiling=tiling_of(args),
    )


def made_from(args):
    """What results depend on, beside the scan."""
    config, weights = args.chosen
    known = [weights.path]  # an address
    if '://' not in weights.path:
        file = Path(weights.path).stat()
        known = [str(Path(weights.path).absolute()), file.st_size, file.st_mtime_ns]
    options = {
        name: value
        for name, value in vars(args).items()
        if name not in ('scans', 'out', 'picture', 'device', 'again', 'model', 'weights', 'chosen')
    }
    return {
        'model': args.model,
        'config': hashlib.sha256(config.pretty_text.encode()).hexdigest(),
        'weights': known,
        'options': {k: list(v) if isinstance(v, tuple) else v for k, v in options.items()},
    }


def tell(outcome, result):
    """Print what became of a scan."""
    if outcome.state == 'failed':
        tqdm.write(f'infer.py: {outcome.message}', file=sys.stderr)
        return
    again = ' (done before)' if outcome.state == 'kept' else ''
    tqdm.write(f'{outcome.scan}: {outcome.message}{again}')
    if result is not None:
        for remark in result.remarks:
            tqdm.write(f'  {remark}')
        for name, score, size in zip(result.names, result.scores, result.sizes):
            tqdm.write(f'  {name:20s} score {score:.2f} {size:8d} points')


def infer_one(args, scan):
    """A single scan into a single file."""
    result = make_inferencer(args)(scan)
    write_instance_ply(args.out, original_scene(result), classes=result.classes)
    if args.picture:
        save_png(args.picture, render_views(upright_scene(result)))
    message = f'{summary(result)}; written to {args.out}'
    tell(Outcome(visible(str(scan)), '', 'done', message), result)


def main(argv=None):
    args = parse_args(argv)
    sys.stdout.reconfigure(errors='backslashreplace')  # names may hold what is no text
    rank, world = process_rank()
    try:
        args.chosen = choose_model(args.model, args.weights)
        source = made_from(args)
        scans, outcomes = list_scans(args.scans)
        if args.out.suffix.lower() == '.ply' or args.picture:
            if len(args.scans) != 1 or len(scans) != 1 or world != 1:
                raise ValueError('--picture, and a .ply as --out, take a single scan')
            if args.out.suffix.lower() != '.ply':
                args.out = args.out / f'{folder_names(scans)[scans[0]]}_instances.ply'
            infer_one(args, scans[0])
            return 0
        names = folder_names(scans, taken_in(args.out))
        mine = share_of(scans, rank, world)
        args.out.mkdir(parents=True, exist_ok=True)
        quiet = None if rank == 0 and len(mine) > 1 else True  # None: shown on a terminal only
        with tqdm(total=len(mine), unit=' scans', disable=quiet) as bar:

            def report(outcome, result):
                tell(outcome, result)
                bar.update()

            done = run_batch(
                mine,
                args.out,
                functools.cache(lambda: make_inferencer(args)),
                source,
                again=args.again,
                names=names,
                report=report,
            )
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(failed(args, error))
    for outcome in outcomes if rank == 0 else ():
        tell(outcome, None)
    order = {visible(str(scan)): k for k, scan in enumerate(scans)}
    outcomes += sorted(gather(done), key=lambda outcome: order[outcome.scan])
    if rank == 0:
        title = f'Objects found by {args.model or Path(args.weights).name}'
        try:
            write_index(args.out / INDEX, outcomes, title)
        except OSError as error:
            sys.exit(failed(args, error))
        count = sum(outcome.state == 'failed' for outcome in outcomes)
        print(f'{len(outcomes) - count} scans done, {count} failed; see {args.out / INDEX}')
    return int(any(outcome.state == 'failed' for outcome in outcomes))


def failed(args, error):
    print(f'infer.py: {one_line(error)}', file=sys.stderr)
    return 2


if __name__ == '__main__':
    sys.exit(main())
