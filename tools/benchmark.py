# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Measure speed and memory. Run it while nothing else runs.

    python tools/benchmark.py speed configs/queryis/queryis-s_1xb10-150k_scannet.py

times a forward pass, stage by stage, over a made room of 150k points (or --scan FILE.bin), and the
backbone's forward and forward + backward by themselves, neighbour tables included.

    python tools/benchmark.py data configs/queryis/queryis-s_1xb10-150k_scannet.py

times the training and the test pipeline, transform by transform, on such a scan with made labels,
and what a data loader with several processes makes of the training pipeline.

    python tools/benchmark.py eval

times the metric on made predictions, beside mmdetection3d's own function on the same masks.
"""
import argparse
import json
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger

from insseg3d.apis import (
    STAGES,
    build_pipeline,
    load_model,
    loader_throughput,
    pack_points,
    run_pipeline,
    time_stages,
    write_scan,
)


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    speed = commands.add_parser('speed', help='stages of a forward pass')
    speed.set_defaults(run=run_speed)
    speed.add_argument('--weights', help='checkpoint (default: untrained)')
    speed.add_argument('--device', default='cpu')
    speed.add_argument('--forward-only', action='store_true',
                       help='without the backward pass, which needs the memory of a training')
    data = commands.add_parser('data', help='transforms of the data pipelines')
    data.set_defaults(run=run_data)
    data.add_argument('--workers', type=int, nargs='*', default=[0, 2],
                      help='also load with so many processes (default: 0 and 2; none: do not)')
    data.add_argument('--batches', type=int, default=6, help='batches that are loaded so')
    evaluation = commands.add_parser('eval', help="the metric, beside mmdetection3d's")
    evaluation.set_defaults(run=run_eval)
    evaluation.add_argument('--scenes', type=int, default=312)
    evaluation.add_argument('--masks', type=int, default=100, help='predictions a scene')
    evaluation.add_argument('--points', type=int, default=150_000)
    evaluation.add_argument('--stock-scenes', type=int, default=20,
                            help='for mmdetection3d, which holds all masks of all scenes')
    evaluation.add_argument('--threads', type=int, default=1)
    evaluation.add_argument('--json', help='also write the figures to this file')
    for command, threads in ((speed, None), (data, 1)):
        command.add_argument('config')
        command.add_argument('--scan', help='float32 file of x y z r g b; default: a made room')
        command.add_argument('--points', type=int, default=150_000, help=(
            'points of the made room; above 150,000 several rooms side by side, scanned densely'))
        command.add_argument('--seed', type=int, default=0, help='which made room')
        command.add_argument('--repeat', type=int, default=5, help='timed runs, for medians')
        command.add_argument('--warm-up', type=int, default=1, help='runs before them')
        command.add_argument('--threads', type=int, default=threads,
                             help=f"torch's threads (default: {threads or 'all cores'})")
        command.add_argument('--json', help='also write the figures to this file')
    return parser.parse_args(argv)


def read_points(args):
    if args.scan:
        return np.fromfile(args.scan, dtype=np.float32).reshape(-1, 6)
    from insseg3d.synthesis.large import make_large_points
    return make_large_points(seed=args.seed, num_points=args.points)


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
    points = read_points(args)
    MMLogger.get_instance('benchmark', log_level='WARNING')  # not a word about initialisation
    model, config = load_model(args.config, args.weights, args.device)
    data = model.data_preprocessor(pack_points(points, config), False)
    rows = []
    for _ in range(args.warm_up + args.repeat):
        row = time_stages(model, config, points)
        row['forward pass'] = sum(row[stage] for stage in STAGES[1:])
        row['head'] = sum(row[stage] for stage in STAGES[2:])
        rows.append(row)
    memory = dict(forward=peak_memory(args.device))
    if not args.forward_only:
        for row in rows:
            row['backbone alone'] = time_backbone(model, data, backward=False)
            row['backbone, forward + backward'] = time_backbone(model, data, backward=True)
        memory.update(training=peak_memory(args.device))
    rows = rows[args.warm_up:]
    report = dict(
        points=len(points), voxels=len(data['data_samples'][0].voxels.coors), device=args.device,
        threads=torch.get_num_threads(), torch=torch.__version__,
        seconds={key: statistics.median(row[key] for row in rows) for key in rows[0]},
        peak_memory_gb=memory)
    print_report(report, len(rows))
    return report


def peak_memory(device):
    """Gigabytes: of the whole process on a CPU, of tensors on a GPU."""
    if device.startswith('cuda'):
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def print_report(report, runs):
    print(f"{report['points']} points, {report['voxels']} voxels, {report['device']}, "
          f"{report['threads']} threads, torch {report['torch']}, median of {runs} runs")
    for name, seconds in report['seconds'].items():
        print(f'{name:30s} {seconds * 1000:10.1f} ms')
    share = report['seconds']['head'] / report['seconds']['forward pass']
    print(f'head (query generation, masks, post-processing): {share:.0%} of the forward pass, '
          'which holds all but voxelise')
    for name, size in report['peak_memory_gb'].items():
        print(f'peak memory, {name:17s} {size:10.2f} GB')


def run_data(args):
    config, points = Config.fromfile(args.config), read_points(args)
    report = dict(points=len(points), threads=torch.get_num_threads(), seconds={})
    with tempfile.TemporaryDirectory() as folder:
        info = write_scan(Path(folder), points, config)
        for name in ('train', 'test'):
            pipeline = build_pipeline(config[f'{name}_dataloader'].dataset.pipeline)
            rows = [run_pipeline(pipeline, info, draw)[1]
                    for draw in range(args.warm_up + args.repeat)][args.warm_up:]
            seconds = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
            seconds['in all'] = statistics.median(sum(row.values()) for row in rows)
            report['seconds'][name] = seconds
            print(f'{name} pipeline, {len(points)} points, {report["threads"]} threads, '
                  f'median of {len(rows)} runs')
            for key, value in seconds.items():
                print(f'{key:30s} {value * 1000:10.1f} ms')
        pipeline = build_pipeline(config.train_dataloader.dataset.pipeline)
        batch_size = config.train_dataloader.batch_size
        report['scenes_per_second'] = {}
        for workers in args.workers:
            rate = loader_throughput(pipeline, info, workers=workers, batch_size=batch_size,
                                     batches=args.batches)
            report['scenes_per_second'][workers] = rate
            print(f'training loader, {workers} processes, batches of {batch_size}: '
                  f'{rate:.1f} scenes a second')
    return report


def run_eval(args):
    # Seconds to import: not before the other commands.
    from insseg3d.apis.metric_timing import time_here, time_mmdet3d
    MMLogger.get_instance('benchmark', log_level='ERROR')  # the table of made classes
    size = args.masks, args.points
    ours = time_here(args.scenes, *size)
    ours['memory_gb_of_process'] = peak_memory('cpu')
    same, stock = time_here(args.stock_scenes, *size), time_mmdet3d(args.stock_scenes, *size)
    ours['AP25_of_the_same'] = same['AP25']
    stock['memory_gb_of_all_masks'] = args.scenes * args.masks * args.points / 1e9
    print(f'{args.masks} masks of {args.points} points a scene, one process')
    print(f"InsSegMetric, {args.scenes} scenes: {1000 * ours['seconds_a_scene']:.1f} ms a scene, "
          f"{1000 * ours['memory_gb']:.0f} MB beside the masks of one scene, "
          f"{1000 * ours['memory_gb_of_process']:.0f} MB in all, torch included")
    print(f"scannet_eval, {args.stock_scenes} scenes: {1000 * stock['seconds_a_scene']:.1f} ms a "
          f"scene; the masks of {args.scenes} scenes, which mmdetection3d's metric keeps, are "
          f"{stock['memory_gb_of_all_masks']:.1f} GB")
    print(f"AP25 on the same {args.stock_scenes} scenes: "
          f"{same['AP25']:.6f} and {stock['AP25']:.6f}")
    report = {'InsSegMetric': ours, 'scannet_eval': stock}
    return report


def main(argv=None):
    args = parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    report = args.run(args)
    if args.json:
        with open(args.json, 'w') as file:
            json.dump(report, file, indent=2)


if __name__ == '__main__':
    main()
