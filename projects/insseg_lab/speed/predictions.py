# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Time predictions stage by stage, over scans and over their size: ``benchmark.py speed``."""

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.logging import MMLogger

from insseg3d.apis import load_model
from insseg3d.engine.command import load_config
from insseg3d.layers.backends import BACKENDS, MODULES, available
from made_rooms import KINDS

from ..provenance import ROOT, commit, machine, shown, versions
from .measure import measure
from .report import component_table, draw_speed, speed_table
from .scenes import add_scan_arguments, chosen_scans
from .stages import StageTimer

HELP = 'stages of a forward pass'
CURVE = (25_000, 50_000, 100_000, 200_000, 400_000, 700_000, 1_000_000)
CURVE_ON_CPU = CURVE[:5]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        '--weights',
        nargs='+',
        metavar='FILE',
        help=('checkpoint of each config, in their order (default: untrained)'),
    )
    parser.add_argument('--device', default='cpu')
    parser.add_argument(
        '--amp', action='store_true', help='under autocast: float16 on a GPU, bfloat16 on a CPU'
    )
    parser.add_argument(
        '--backend',
        choices=BACKENDS,
        help='of the sparse convolutions (default: the config names it)',
    )
    parser.add_argument(
        '--tf32', action='store_true', help='on a GPU: products of float32 with 10 bits of mantissa'
    )
    parser.add_argument('--scans', help='folder of .bin files, or a prepared dataset')
    parser.add_argument('--rooms', type=int, default=3, help='made rooms, where no scans are given')
    parser.add_argument(
        '--kinds',
        type=lambda text: frozenset(text.split(',')),
        default=frozenset(KINDS),
        help='comma list of kinds of objects in the made rooms (default: all)',
    )
    parser.add_argument(
        '--scaling',
        type=int,
        nargs='*',
        metavar='POINTS',
        help=(
            'sizes of the scaling curve (default: 25k to 1M, on a CPU to 400k; without a number: '
            'no curve)'
        ),
    )
    parser.add_argument('--plot', metavar='PNG', help='draw stages and scaling curve')
    parser.add_argument(
        '--forward-only',
        action='store_true',
        help='without the backward pass, which needs the memory of a training',
    )
    parser.add_argument('configs', nargs='+', metavar='CONFIG')
    add_scan_arguments(parser, warm_up=3, threads=None)


def run(args: argparse.Namespace) -> list[dict]:
    """Time the configs, print tables, and write the plot and the details.

    Raises:
        SystemExit: If the numbers of weights and configs differ.
    """
    weights = args.weights or [None] * len(args.configs)
    if len(weights) != len(args.configs):
        raise SystemExit(
            f'--weights: found {len(weights)} for {len(args.configs)} configs; '
            'expected one for each, in their order, or none'
        )
    MMLogger.get_instance('benchmark', log_level='WARNING')  # not a word about initialisation
    if args.tf32:
        allow_tf32()
    entries, details = [], []
    with chosen_scans(args) as scans:
        for path, checkpoint in zip(args.configs, weights):
            entry, more = speed_of(path, checkpoint, scans, args)
            entries.append(entry)
            details.append(more)
            print(speed_table(entry, more))
            for name, milliseconds in more['backbone_ms'].items():
                print(f'{name:34s}{milliseconds:.1f} ms')
            print(flush=True)
    print('Table 5: milliseconds per scan, with the data on the device')
    print(component_table(entries, paper_rows()))
    if args.plot:
        draw_speed(entries, details).savefig(args.plot, dpi=130)
    if args.json:
        Path(args.json + '.details.json').write_text(json.dumps(details, indent=2) + '\n')
    return entries


def speed_of(
    path: str, weights: str | None, scans: Sequence[Path], args: argparse.Namespace
) -> tuple[dict, dict]:
    """Return the entry of one config for the list in ``--json``, and its details."""
    config = load_config(path)
    if args.backend:
        config.model.backbone.backend = args.backend
    model, config = load_model(config, weights, args.device)
    sizes = args.scaling
    if sizes is None:
        sizes = CURVE if args.device.startswith('cuda') else CURVE_ON_CPU
    figures, more = measure(
        model,
        config,
        scans,
        repeat=args.repeat,
        warm_up=args.warm_up,
        amp=args.amp,
        sizes=sizes,
        seed=args.seed,
        kinds=args.kinds,
    )
    more['backbone_ms'] = {}
    if not args.forward_only:
        data = model.data_preprocessor(StageTimer(model, config).pack(scans[0]), False)
        for name, backward in (('backbone alone', False), ('backbone, forward + backward', True)):
            seconds = [time_backbone(model, data, backward) for _ in range(args.repeat)]
            more['backbone_ms'][name] = 1000 * statistics.median(seconds)
    entry = dict(
        config=shown(Path(path).resolve()),
        device=args.device,
        **figures,
        commit=commit(),
        versions=versions(),
    )
    more.update(
        config=entry['config'],
        command=args.command_line,
        machine=machine(args.device),
        amp=args.amp,
        tf32=args.tf32,
        backend=config.model.backbone.get('backend', 'auto'),
        threads=torch.get_num_threads(),
        weights=weights and shown(Path(weights).resolve()),
    )
    return entry, more


def allow_tf32() -> None:
    """Let products of float32 matrices on a GPU be computed in TF32, also by other packages."""
    torch.set_float32_matmul_precision('high')
    for name in ('spconv', 'triton'):
        if available(name):
            package = MODULES[name].split('.')[0]
            importlib.import_module(f'{package}.constants').SPCONV_ALLOW_TF32 = True


def time_backbone(model: torch.nn.Module, data: dict, backward: bool) -> float:
    """Return the seconds of the backbone on one voxelised scene, neighbour tables included."""
    inputs, samples = data['inputs'], data['data_samples']
    model.backbone.train(backward)
    start = time.perf_counter()
    with torch.set_grad_enabled(backward):
        levels = model.extract_feat(inputs, samples)
        if backward:
            sum(level.features.square().mean() for level in levels.values()).backward()
    if inputs['points'][0].is_cuda:
        torch.cuda.synchronize()
    model.zero_grad()
    model.eval()
    return time.perf_counter() - start


def paper_rows() -> list[dict]:
    """Return the rows of the paper's Table 5."""
    table = json.loads((ROOT / 'docs' / 'paper_tables.json').read_text())['table5']
    return [
        dict(
            method=f'{row["method"]} (paper)',
            device=table['device'],
            ms=[row[column] for column in ('features', 'query_generation', 'masks', 'total')],
        )
        for row in table['rows']
    ]
