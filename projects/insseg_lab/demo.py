# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The whole way of ``make demo``: made rooms, conversion, training, test and a page."""

import json
import os
import time
from pathlib import Path

from .experiments.budgets import DEMO_ROOMS
from .provenance import ROOT, commit, shown, versions
from .steps import Steps


def demo_config(model: str) -> Path:
    """Return the config of a model's demo.

    Args:
        model: Name without ``_demo.py``, such as queryis-s.

    Raises:
        ValueError: There is no such config; the message lists the others.
    """
    configs = {
        path.stem.removesuffix('_demo'): path
        for path in sorted((ROOT / 'configs').glob('[!_]*/*_demo.py'))
    }
    if model not in configs:
        raise ValueError(
            f'found --model {model}, which has no config for the demo; expected one of '
            f'{", ".join(configs)}.'
        )
    return configs[model]


def run_demo(
    work: Path,
    *,
    config: Path,
    train_rooms: int,
    held_out_rooms: int,
    seed: int,
    iterations: int | None,
) -> None:
    """Go the whole way in a folder.

    Args:
        work: The folder.
        config: Config of the model to train; see :func:`demo_config`.
        train_rooms: Rooms to train on.
        held_out_rooms: Rooms to test on.
        seed: Seed of the rooms.
        iterations: Iterations of the training; None: those of the config.
    """
    start = time.time()
    work.mkdir(parents=True, exist_ok=True)
    os.environ['INSSEG3D_DATA'] = str(work / 'data')
    step = Steps(4, work)
    make_rooms(step, work, train_rooms=train_rooms, held_out_rooms=held_out_rooms, seed=seed)
    page = train_and_test(step, work, config, iterations)
    metrics = write_metrics(work, time.time() - start)
    print_summary(metrics, held_out_rooms, work, page)


def make_rooms(
    step: Steps, work: Path, *, train_rooms: int, held_out_rooms: int, seed: int
) -> None:
    """Write raw scans of made rooms, and convert them."""
    raw = work / 'raw'
    step(
        'Make rooms and scan them',
        'synthesize.py',
        [
            *('--layout', 'scannet', '--out', raw, '--scenes', train_rooms + held_out_rooms),
            *('--seed', seed, '--splits', f'train={train_rooms},val={held_out_rooms}'),
            *('--overwrite', *DEMO_ROOMS),
        ],
    )
    step(
        'Convert the raw scans',
        'prepare_scannet.py',
        ['--raw', raw, '--out', work / 'data' / 'scannet', '--splits', 'train', 'val'],
    )


def train_and_test(step: Steps, work: Path, config: Path, iterations: int | None) -> Path:
    """Train, test on the held-out rooms, and return the page of these."""
    options = []
    if iterations:
        options = [
            '--cfg-options',
            f'train_cfg.max_iters={iterations}',
            f'train_cfg.val_interval={iterations}',
            f'param_scheduler.1.end={iterations}',
        ]
    step('Train', 'train.py', [config, '--work-dir', work, *options], bar='iteration')
    weights = Path((work / 'last_checkpoint').read_text())
    page = work / 'index.html'
    step(
        'Test on the held-out rooms',
        'test.py',
        [
            *(config, weights, '--work-dir', work / 'test', '--cfg-options'),
            f'default_hooks.visualization.out_file={page}',
            f'default_hooks.visualization.picture_file={work / "rooms.png"}',
            'default_hooks.logger.interval=1',
        ],
        bar='room',
    )
    return page


def write_metrics(work: Path, seconds: float) -> dict:
    """Collect the scores of the test into ``metrics.json``.

    Args:
        work: Folder of the demo.
        seconds: Duration of the whole way.
    """
    from .experiments.logs import read_scores  # seconds to import: not before the first words

    scores = read_scores(work / 'test')
    metrics = dict(
        **{name: scores[name] for name in ('AP', 'AP50', 'AP25', 'classes')},
        seconds=round(seconds, 1),
        commit=commit(),
        versions=versions(),
        objects=scores['objects'],
        objects_counted=scores['objects_scored'],
    )
    (work / 'metrics.json').write_text(json.dumps(metrics, indent=2))
    return metrics


def print_summary(metrics: dict, rooms: int, work: Path, page: Path) -> None:
    """Print the scores as a table, and the files to look at.

    Args:
        metrics: What :func:`write_metrics` returns.
        rooms: Held-out rooms.
        work: Folder of the demo.
        page: The page of the rooms.
    """
    print(
        f'\nAverage precision on {rooms} rooms that the model never saw '
        f'({metrics["objects_counted"]} of {metrics["objects"]} objects, '
        f'{metrics["objects_counted"] / max(metrics["objects"], 1):.0%}, have the 100 points '
        'that count)\n'
    )
    print(f'{"class":20s}{"AP":>8s}{"AP50":>8s}{"AP25":>8s}')
    rows = [*metrics['classes'].items(), ('all', metrics)]
    for name, row in rows:
        if name == 'all':
            print('-' * 44)
        print(f'{name:20s}' + ''.join(f'{row[key]:8.3f}' for key in ('AP', 'AP50', 'AP25')))
    minutes, seconds = divmod(int(metrics['seconds']), 60)
    print(
        f'\n{minutes} min {seconds} s. Look at {shown(page)} in a browser; '
        f'figures: {shown(work / "metrics.json")}'
    )
    if work.parent == ROOT / 'work_dirs' and work.name.endswith('demo'):  # found by name
        print(f'On a scan of your own: python tools/infer.py scan.ply --model {work.name}')
