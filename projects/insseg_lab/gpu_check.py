# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Tests and timings of a GPU in some minutes: the body of ``tools/gpu_check.py``.

Each part is a command with a time limit of its own. The most important come first, results are
written as each part ends, and a part that fails does not stop the others.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from .provenance import ROOT, command_line, commit, machine, versions

METHODS = {
    '3D-QueryIS': 'queryis/queryis',
    '3D-QueryIS+': 'queryis/queryis-plus',
    'PointGroup': 'pointgroup/pointgroup',
    'HAIS': 'hais/hais',
    'SoftGroup': 'softgroup/softgroup',
}
TAIL = 4000
"""Characters of a part's output that are kept in the results."""


class Part(NamedTuple):
    """A part of the check.

    Attributes:
        name: Name of the part.
        command: Command, without the interpreter.
        seconds: Most seconds that it may take.
        json: File that it writes its figures to, or a folder of such files; None for neither.
    """

    name: str
    command: tuple[str, ...]
    seconds: float
    json: Path | None = None


class Outcome(NamedTuple):
    """The result of running a part.

    Attributes:
        state: 'done', 'failed', 'out of time' or 'not begun'.
        seconds: How long it ran.
        figures: Its JSON, or None.
        tail: The end of its output.
    """

    state: str
    seconds: float
    figures: object
    tail: str


def config_of(method: str, width: str) -> str:
    """Return the path of a method's config for ScanNetV2, relative to the checkout."""
    return f'configs/{METHODS[method]}-{width}_1xb10-150k_scannet.py'


def plan(
    folder: Path, *, device: str, backends: Sequence[str], seconds: float, points: int
) -> Iterator[Part]:
    """Plan the parts of a check, the most important first.

    Args:
        folder: Empty folder for the files of the parts.
        device: Device of the timings.
        backends: Backends of the sparse convolutions to time.
        seconds: Seconds of the whole check.
        points: Points of a scene.
    """
    yield Part('environment', ('tools/doctor.py',), 60)
    tests = ('-m', 'pytest', '-q', '-m', 'gpu', '-p', 'no:cacheprovider', 'tests')
    yield Part('tests', (*tests, '--continue-on-collection-errors'), 0.3 * seconds)

    def speed(name: str, widths: str, limit: float, *options: str) -> Part:
        configs = [config_of(method, width) for width in widths for method in METHODS]
        path = folder / f'{name}.json'
        shape = ('--scaling', '--forward-only', '--points', str(points), '--device', device)
        command = ('tools/benchmark.py', 'speed', *configs, *shape, *options, '--json', str(path))
        return Part(name, command, limit, path)

    yield speed('speed-s', 's', 0.25 * seconds)
    yield speed('speed-l', 'l', 0.2 * seconds)
    yield speed('speed-s-amp', 's', 0.15 * seconds, '--amp')
    yield speed('speed-s-tf32', 's', 0.15 * seconds, '--tf32')
    for backend in backends:
        yield speed(f'speed-s-{backend}', 's', 0.15 * seconds, '--backend', backend)
    for method in ('3D-QueryIS+', '3D-QueryIS'):
        for width in 'sl':
            name = f'step-{Path(METHODS[method]).stem}-{width}'
            path = folder / f'{name}.json'
            command = ('tools/benchmark_training.py', 'step', config_of(method, width))
            shape = ('--device', device, '--points', str(points), '--json', str(path))
            yield Part(name, (*command, *shape), 0.1 * seconds, path)
    training = ('tools/run_experiments.py', 'configs/experiments/baselines.txt')
    options = ('--budget', 'gpu', '--seeds', '0', '--iterations', '1000', '--train-rooms', '100')
    out = ('--out', str(folder / 'training'), '--results', str(folder / 'trained'))
    yield Part('training', (*training, *options, *out), seconds, folder / 'trained')


def run_parts(parts: Sequence[Part], seconds: float) -> Iterator[tuple[Part, Outcome]]:
    """Run parts one after another until the time is over.

    Args:
        parts: The parts.
        seconds: Seconds of all parts together.
    """
    end = time.monotonic() + seconds
    for part in parts:
        left = end - time.monotonic()
        yield part, run_part(part, min(part.seconds, left)) if left > 5 else _NOT_BEGUN


_NOT_BEGUN = Outcome('not begun', 0.0, None, '')


def run_part(part: Part, limit: float) -> Outcome:
    """Run a part for at most some seconds; its processes end with it."""
    paths = [str(ROOT / 'projects'), os.environ.get('PYTHONPATH', '')]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, paths)))
    start = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, *part.command],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        state = 'out of time'
        try:
            state = 'failed' if process.wait(limit) else 'done'
        except subprocess.TimeoutExpired:
            pass
        finally:  # also if a person ends the check
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        output.seek(0)
        text = output.read().decode(errors='replace').replace(str(ROOT), '.')
    return Outcome(state, time.monotonic() - start, _figures(part.json), text[-TAIL:])


def _figures(path: Path | None) -> object:
    """Read the figures of a part, as far as they are complete; None if there are none."""
    if path is None or not path.exists():
        return None
    if path.is_dir():
        return {file.stem: _figures(file) for file in sorted(path.glob('*.json'))}
    try:
        return json.loads(path.read_text())
    except ValueError:  # the part ended while it wrote
        return None


def report(device: str, parts: Sequence[tuple[Part, Outcome]]) -> dict:
    """Return everything that was found so far, for a JSON file."""
    return dict(
        device=machine(device),
        commit=commit(),
        versions=versions(),
        parts={
            part.name: dict(
                command=command_line(['python', *part.command]),
                state=outcome.state,
                seconds=round(outcome.seconds, 1),
                figures=outcome.figures,
                tail=outcome.tail,
            )
            for part, outcome in parts
        },
    )


def as_table(found: dict) -> str:
    """Return the report as text: a line per part, then the totals of the timings."""
    lines = [f'{found["device"]}, commit {found["commit"][:7]}', '']
    for name, part in found['parts'].items():
        last = [line for line in part['tail'].splitlines() if line.strip()][-1:]
        lines.append(f'{name:24s}{part["state"]:12s}{part["seconds"]:8.1f} s  {"".join(last)[:90]}')
    lines += ['', f'{"total, ms (ratio to 3D-QueryIS)":40s}']
    for name, part in found['parts'].items():
        if name.startswith('speed') and part['figures']:
            totals = {
                Path(row['config']).stem.split('_')[0]: row['stages_ms']['total']
                for row in part['figures']
            }
            ours = next((ms for key, ms in totals.items() if re.match(r'queryis-[sl]$', key)), None)
            lines.append(f'{name}:')
            lines += [
                f'    {key:24s}{ms:10.1f}' + (f'{ms / ours:8.2f} x' if ours else '')
                for key, ms in totals.items()
            ]
    return '\n'.join(lines)
