# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The whole way once: made rooms, conversion, training, test, and a page to look at.

Every step is one of the other tools, with the data through the same door as real scans; the
commands are printed, so that each can be typed by itself.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

from tqdm import tqdm

from made_rooms import COMMON_KINDS

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / 'configs' / 'queryis' / 'queryis-s_demo.py'
# Rooms that two cores can learn from in minutes: small ones, vertices 3 cm apart.
ROOMS = [
    '--kinds',
    ','.join(COMMON_KINDS),
    '--spacing',
    '0.03',
    '--area',
    '8',
    '12',
    '--objects',
    '9',
    '12',
    '--clutter',
    '2',
    '5',
]
PACKAGES = ('torch', 'mmengine', 'mmcv', 'mmcv-lite', 'mmdet', 'mmdet3d', 'spconv', 'numpy')
ITERATION = re.compile(r'Iter\((?:train|test)\)\s*\[\s*(\d+)/\s*(\d+)\]')


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs' / 'demo')
    parser.add_argument('--train-rooms', type=int, default=400)
    parser.add_argument('--held-out-rooms', type=int, default=24)
    parser.add_argument('--seed', type=int, default=0, help='of the rooms')
    parser.add_argument('--iterations', type=int, help="default: the config's")
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_args(argv)
    start = time.time()
    work = args.work_dir.resolve()
    work.mkdir(parents=True, exist_ok=True)
    os.environ['INSSEG3D_DATA'] = str(work / 'data')
    step = Steps(4, work)
    rooms = args.train_rooms + args.held_out_rooms
    raw = work / 'raw'
    step(
        'Make rooms and scan them',
        'synthesize.py',
        [
            '--layout',
            'scannet',
            '--out',
            raw,
            '--scenes',
            rooms,
            '--seed',
            args.seed,
            '--splits',
            f'train={args.train_rooms},val={args.held_out_rooms}',
            '--overwrite',
            *ROOMS,
        ],
    )
    step(
        'Convert the raw scans',
        'prepare_scannet.py',
        ['--raw', raw, '--out', work / 'data' / 'scannet', '--splits', 'train', 'val'],
    )
    options = []
    if args.iterations:
        options = [
            '--cfg-options',
            f'train_cfg.max_iters={args.iterations}',
            f'train_cfg.val_interval={args.iterations}',
            f'param_scheduler.1.end={args.iterations}',
        ]
    step('Train', 'train.py', [CONFIG, '--work-dir', work, *options], bar='iteration')
    weights = Path((work / 'last_checkpoint').read_text())
    page = work / 'index.html'
    step(
        'Test on the held-out rooms',
        'test.py',
        [
            CONFIG,
            weights,
            '--work-dir',
            work / 'test',
            '--cfg-options',
            f'default_hooks.visualization.out_file={page}',
            f'default_hooks.visualization.picture_file={work / "rooms.png"}',
            'default_hooks.logger.interval=1',
        ],
        bar='room',
    )
    metrics = write_metrics(work, time.time() - start)
    print_summary(metrics, args.held_out_rooms, work, page)


class Steps:
    """Runs the tools one after another, prints their commands, shows how far they are."""

    def __init__(self, number, work):
        self.number, self.done, self.work = number, 0, work

    def __call__(self, title, tool, arguments, bar=None):
        self.done += 1
        command = [sys.executable, str(ROOT / 'tools' / tool), *map(str, arguments)]
        print(
            f'\n[{self.done}/{self.number}] {title}\n$ python tools/{tool} '
            + ' '.join(map(shown, arguments)),
            flush=True,
        )
        start = time.time()
        if bar is None:
            subprocess.run(command, check=True)
        else:
            self.with_bar(command, tool, bar)
        print(f'    {time.time() - start:.0f} s', flush=True)

    def with_bar(self, command, tool, unit):
        """Keep the tool's output in a file and make a progress bar of its iterations."""
        log = self.work / f'{Path(tool).stem}.log'
        print(f'    output: {shown(log)}', flush=True)
        lines = []
        with open(log, 'w') as file, tqdm(unit=f' {unit}s', mininterval=1) as progress:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            for line in process.stdout:
                file.write(line)
                lines = lines[-30:] + [line]
                match = ITERATION.search(line)
                if match:
                    progress.total = int(match[2])
                    progress.update(int(match[1]) - progress.n)
            code = process.wait()
        if code:
            sys.exit(''.join(lines) + f'\n{tool} failed with exit status {code}; see {log}')


def shown(argument):
    """An argument as a user in the repository would type it."""
    text = str(argument)
    text = text[len(str(ROOT)) + 1 :] if text.startswith(f'{ROOT}{os.sep}') else text
    return f"'{text}'" if ' ' in text else text


def write_metrics(work, seconds):
    """Collect what the test printed into metrics.json."""
    from insseg3d.evaluation import class_metrics  # seconds to import: not before the first words

    newest = max((work / 'test').glob('*/*.json'), key=lambda path: path.stat().st_mtime)
    found = json.loads(newest.read_text())
    # A class without an object that counts has no AP: it is left out.
    names = [key.removeprefix('AP/') for key in found if key.startswith('AP/')]
    classes = {
        name: row for name, row in class_metrics(found, names).items() if row['AP'] is not None
    }
    metrics = dict(
        AP=found['AP'],
        AP50=found['AP50'],
        AP25=found['AP25'],
        classes=classes,
        seconds=round(seconds, 1),
        commit=commit(),
        versions=versions(),
        objects=int(found['num_objects']),
        objects_counted=int(found['num_objects_scored']),
    )
    (work / 'metrics.json').write_text(json.dumps(metrics, indent=2))
    return metrics


def commit():
    result = subprocess.run(['git', 'rev-parse', 'HEAD'], cwd=ROOT, capture_output=True, text=True)
    return result.stdout.strip() or 'unknown'


def versions():
    found = {'python': platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def print_summary(metrics, rooms, work, page):
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
    if work == ROOT / 'work_dirs' / 'demo':  # where the name stands for it
        print('On a scan of your own: python tools/infer.py scan.ply --model demo')


if __name__ == '__main__':
    main()
