# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Measure speed and memory. Run it while nothing else runs.

    python tools/benchmark.py speed configs/queryis/queryis-s_1xb10-150k_scannet.py [CONFIG ...]

times predictions, batch 1, stage by stage as in the paper's Table 5, over made rooms of 150k points
(or the scans of --scans DIR), then over scenes of 25k points to 1M (400k on a CPU); counts
parameters and operations. Unless --forward-only, also the backbone's forward and forward + backward
by themselves, neighbour tables included. --json FILE writes one entry a config, and into
FILE.details.json what has no place there: spread, operations, the curve, machine and options.

    python tools/benchmark.py data configs/queryis/queryis-s_1xb10-150k_scannet.py

times the training and the test pipeline, transform by transform, on such a scan with made labels,
and what a data loader with several processes makes of the training pipeline.

    python tools/benchmark.py infer --model demo

times the way from a .ply of 150k points (a made room, or --scan FILE) to the labelled .ply, the
tables and the page, as tools/infer.py goes it, after loading the model.

    python tools/benchmark.py eval

times the metric on made predictions, beside mmdetection3d's own function on the same masks.

    python tools/benchmark.py view

turns a page with a made scene of 300k points in a headless Chromium that draws in software: frames
a second, with and without drawing fewer points in motion; size of the page; seconds to load it.
Needs Chromium, its driver and the extra "test".
"""

import argparse
import contextlib
import json
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger

from insseg3d.apis import InstanceSeg3DInferencer, load_model
from insseg_lab.provenance import ROOT, command_line, commit, machine, shown, versions
from insseg_lab.speed.measure import find_scans, measure
from insseg_lab.speed.pipelines import build_pipeline, loader_throughput, run_pipeline, write_scan
from insseg_lab.speed.report import component_table, draw_speed, speed_table
from insseg_lab.speed.stages import StageTimer
from made_rooms import KINDS
from made_rooms.large import make_large_points

CURVE = (25_000, 50_000, 100_000, 200_000, 400_000, 700_000, 1_000_000)
CURVE_ON_CPU = CURVE[:5]


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest='command', required=True)
    speed = commands.add_parser('speed', help='stages of a forward pass')
    speed.set_defaults(run=run_speed)
    speed.add_argument(
        '--weights',
        nargs='+',
        metavar='FILE',
        help=('checkpoint of each config, in their order (default: untrained)'),
    )
    speed.add_argument('--device', default='cpu')
    speed.add_argument(
        '--amp', action='store_true', help='under autocast: float16 on a GPU, bfloat16 on a CPU'
    )
    speed.add_argument('--scans', help='folder of .bin files, or a prepared data set')
    speed.add_argument('--rooms', type=int, default=3, help='made rooms, where no scans are given')
    speed.add_argument(
        '--kinds',
        type=lambda text: frozenset(text.split(',')),
        default=frozenset(KINDS),
        help='comma list of kinds of objects in the made rooms (default: all)',
    )
    speed.add_argument(
        '--scaling',
        type=int,
        nargs='*',
        metavar='POINTS',
        help=(
            'sizes of the scaling curve (default: 25k to 1M, on a CPU to 400k; without a number: '
            'no curve)'
        ),
    )
    speed.add_argument('--plot', metavar='PNG', help='draw stages and scaling curve')
    speed.add_argument(
        '--forward-only',
        action='store_true',
        help='without the backward pass, which needs the memory of a training',
    )
    data = commands.add_parser('data', help='transforms of the data pipelines')
    data.set_defaults(run=run_data)
    data.add_argument(
        '--workers',
        type=int,
        nargs='*',
        default=[0, 2],
        help='also load with so many processes (default: 0 and 2; none: do not)',
    )
    data.add_argument('--batches', type=int, default=6, help='batches that are loaded so')
    infer = commands.add_parser('infer', help='from a scan to the files of its objects')
    infer.set_defaults(run=run_infer)
    infer.add_argument('--model', help='name or config (default: that inside the checkpoint)')
    infer.add_argument('--weights', help='checkpoint (default: the last one of that name)')
    infer.add_argument('--device', default='cpu')
    infer.add_argument('--scan', help='any file that tools/infer.py reads; default: a made room')
    infer.add_argument('--points', type=int, default=150_000, help='of the made room')
    infer.add_argument('--seed', type=int, default=0, help='which made room')
    infer.add_argument('--repeat', type=int, default=5, help='timed runs, after a first one')
    infer.add_argument('--threads', type=int, help="torch's threads (default: all cores)")
    infer.add_argument('--json', help='also write the figures to this file')
    evaluation = commands.add_parser('eval', help="the metric, beside mmdetection3d's")
    evaluation.set_defaults(run=run_eval)
    evaluation.add_argument('--scenes', type=int, default=312)
    evaluation.add_argument('--masks', type=int, default=100, help='predictions a scene')
    evaluation.add_argument('--points', type=int, default=150_000)
    evaluation.add_argument(
        '--stock-scenes',
        type=int,
        default=20,
        help='for mmdetection3d, which holds all masks of all scenes',
    )
    evaluation.add_argument('--threads', type=int, default=1)
    evaluation.add_argument('--json', help='also write the figures to this file')
    view = commands.add_parser('view', help='a scene page in a browser')
    view.set_defaults(run=run_view, threads=None)
    view.add_argument('--points', type=int, default=300_000)
    view.add_argument('--seconds', type=float, default=10.0, help='of each turn')
    view.add_argument('--seed', type=int, default=0, help='which made room')
    view.add_argument('--json', help='also write the figures to this file')
    for command, threads in ((speed, None), (data, 1)):
        if command is speed:
            command.add_argument('configs', nargs='+', metavar='CONFIG')
        else:
            command.add_argument('config')
        command.add_argument('--scan', help='float32 file of x y z r g b; default: a made room')
        command.add_argument(
            '--points',
            type=int,
            default=150_000,
            help=(
                'points of the made room; above 150,000 several rooms side by side, scanned densely'
            ),
        )
        command.add_argument('--seed', type=int, default=0, help='which made room')
        command.add_argument('--repeat', type=int, default=5, help='timed runs, for medians')
        command.add_argument(
            '--warm-up', type=int, default=3 if command is speed else 1, help='runs before them'
        )
        command.add_argument(
            '--threads',
            type=int,
            default=threads,
            help=f"torch's threads (default: {threads or 'all cores'})",
        )
        command.add_argument('--json', help='also write the figures to this file')
    return parser.parse_args(argv)


def read_points(args):
    if args.scan:
        return np.fromfile(args.scan, dtype=np.float32).reshape(-1, 6)
    return make_large_points(seed=args.seed, num_points=args.points)


@contextlib.contextmanager
def chosen_scans(args):
    """Files of the scans to time; made rooms are written to a folder that vanishes."""
    if args.scans:
        yield find_scans(args.scans)
    elif args.scan:
        yield [Path(args.scan)]
    else:
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f'room{number}.bin' for number in range(args.rooms)]
            for number, path in enumerate(paths):
                make_large_points(
                    seed=args.seed + number, num_points=args.points, kinds=args.kinds
                ).tofile(path)
            yield paths


def time_backbone(model, data, backward):
    """Seconds of the backbone on one voxelised scene; coordinates are new, so are the tables."""
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


def run_speed(args):
    weights = args.weights or [None] * len(args.configs)
    if len(weights) != len(args.configs):
        raise SystemExit(
            f'--weights: found {len(weights)} for {len(args.configs)} configs; '
            'expected one for each, in their order, or none'
        )
    MMLogger.get_instance('benchmark', log_level='WARNING')  # not a word about initialisation
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
    print('Table 5: milliseconds a scan, with the data on the device')
    print(component_table(entries, paper_rows()))
    if args.plot:
        draw_speed(entries, details).savefig(args.plot, dpi=130)
    if args.json:
        Path(args.json + '.details.json').write_text(json.dumps(details, indent=2) + '\n')
    return entries


def speed_of(path, weights, scans, args):
    """The entry of one config for the list in --json, and what stands beside it."""
    model, config = load_model(path, weights, args.device)
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
        threads=torch.get_num_threads(),
        weights=weights and shown(Path(weights).resolve()),
    )
    return entry, more


def paper_rows():
    """The rows of the paper's Table 5."""
    table = json.loads((ROOT / 'docs' / 'paper_tables.json').read_text())['table5']
    return [
        dict(
            method=f'{row["method"]} (paper)',
            device=table['device'],
            ms=[row[column] for column in ('features', 'query_generation', 'masks', 'total')],
        )
        for row in table['rows']
    ]


def peak_memory(device):
    """Gigabytes: of the whole process on a CPU, of tensors on a GPU."""
    if device.startswith('cuda'):
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def run_data(args):
    config, points = Config.fromfile(args.config), read_points(args)
    report = dict(points=len(points), threads=torch.get_num_threads(), seconds={})
    with tempfile.TemporaryDirectory() as folder:
        info = write_scan(Path(folder), points, config)
        for name in ('train', 'test'):
            pipeline = build_pipeline(config[f'{name}_dataloader'].dataset.pipeline)
            rows = [
                run_pipeline(pipeline, info, draw)[1] for draw in range(args.warm_up + args.repeat)
            ][args.warm_up :]
            seconds = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
            seconds['in all'] = statistics.median(sum(row.values()) for row in rows)
            report['seconds'][name] = seconds
            print(
                f'{name} pipeline, {len(points)} points, {report["threads"]} threads, '
                f'median of {len(rows)} runs'
            )
            for key, value in seconds.items():
                print(f'{key:30s} {value * 1000:10.1f} ms')
        pipeline = build_pipeline(config.train_dataloader.dataset.pipeline)
        batch_size = config.train_dataloader.batch_size
        report['scenes_per_second'] = {}
        for workers in args.workers:
            rate = loader_throughput(
                pipeline, info, workers=workers, batch_size=batch_size, batches=args.batches
            )
            report['scenes_per_second'][workers] = rate
            print(
                f'training loader, {workers} processes, batches of {batch_size}: '
                f'{rate:.1f} scenes a second'
            )
    return report


def run_infer(args):
    from insseg_lab.speed.inference import time_inference, write_ply

    start = time.perf_counter()
    inferencer = InstanceSeg3DInferencer(args.model, args.weights, args.device)
    loading = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        scan = Path(args.scan or Path(folder) / 'room.ply')
        if not args.scan:
            write_ply(scan, make_large_points(seed=args.seed, num_points=args.points))
        report = time_inference(inferencer, scan, Path(folder) / 'found', repeat=args.repeat)
    print(
        f'{report["points"]} points, {report["objects"]} objects; median of {args.repeat} runs, '
        f'{torch.get_num_threads()} threads'
    )
    for name, seconds in report['seconds'].items():
        print(f'{name:20s}{seconds:8.2f} s')
    print(
        f'the first time {report["first_seconds"]:.2f} s, loading the model before {loading:.2f} '
        f's; peak memory {report["peak_memory_mb"]:.0f} MB'
    )
    return dict(
        report,
        weights=shown(Path(inferencer.weights).resolve()),
        loading_seconds=loading,
        device=args.device,
        threads=torch.get_num_threads(),
        machine=machine(args.device),
        command=args.command_line,
        commit=commit(),
        versions=versions(),
    )


def run_eval(args):
    # Seconds to import: not before the other commands.
    from insseg_lab.speed.metric import time_here, time_mmdet3d

    MMLogger.get_instance('benchmark', log_level='ERROR')  # the table of made classes
    size = args.masks, args.points
    ours = time_here(args.scenes, *size)
    ours['memory_gb_of_process'] = peak_memory('cpu')
    same, stock = time_here(args.stock_scenes, *size), time_mmdet3d(args.stock_scenes, *size)
    ours['AP25_of_the_same'] = same['AP25']
    stock['memory_gb_of_all_masks'] = args.scenes * args.masks * args.points / 1e9
    print(f'{args.masks} masks of {args.points} points a scene, one process')
    print(
        f'InsSegMetric, {args.scenes} scenes: {1000 * ours["seconds_a_scene"]:.1f} ms a scene, '
        f'{1000 * ours["memory_gb"]:.0f} MB beside the masks of one scene, '
        f'{1000 * ours["memory_gb_of_process"]:.0f} MB in all, torch included'
    )
    print(
        f'scannet_eval, {args.stock_scenes} scenes: {1000 * stock["seconds_a_scene"]:.1f} ms a '
        f"scene; the masks of {args.scenes} scenes, which mmdetection3d's metric keeps, are "
        f'{stock["memory_gb_of_all_masks"]:.1f} GB'
    )
    print(
        f'AP25 on the same {args.stock_scenes} scenes: {same["AP25"]:.6f} and {stock["AP25"]:.6f}'
    )
    report = {'InsSegMetric': ours, 'scannet_eval': stock}
    return report


def run_view(args):
    from insseg_lab.speed.page import time_view  # asks for more than the other commands do

    report = time_view(args.points, seconds=args.seconds, seed=args.seed)
    print(
        f'{args.points} points, {" × ".join(map(str, report["size"]))} pixels, {report["renderer"]}'
    )
    for key, name in (('orbit', 'turning'), ('orbit_all_points', 'turning, all points')):
        print(
            f'{name:34s}{report[key]["fps"]:.1f} frames a second, '
            f'{report[key]["points"]} points each'
        )
    print(f'{"page":34s}{report["page_mb"]:.1f} MB')
    print(f'{"written in":34s}{report["write_seconds"]:.1f} s')
    print(f'{"loaded in":34s}{report["load_seconds"]:.1f} s')
    return report


def main(argv=None):
    args = parse_args(argv)
    args.command_line = command_line(
        ['python', 'tools/benchmark.py', *(sys.argv[1:] if argv is None else argv)], ROOT
    )
    if args.threads:
        torch.set_num_threads(args.threads)
    for written in (args.json, getattr(args, 'plot', None)):
        if written:  # now, lest a long measurement end without a place
            Path(written).parent.mkdir(parents=True, exist_ok=True)
    report = args.run(args)
    if args.json:
        with open(args.json, 'w') as file:
            json.dump(report, file, indent=2)


if __name__ == '__main__':
    main()
