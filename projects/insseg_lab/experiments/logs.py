# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Progress, seconds and scores in the work dirs of trainings and tests."""

import json
from pathlib import Path

import numpy as np

from insseg3d.evaluation import class_metrics

from ..commands import RunFailed


def last_iteration(work: Path) -> int:
    """Return the iterations of the last checkpoint in a work dir, 0 without one."""
    pointer = work / 'last_checkpoint'
    return int(Path(pointer.read_text()).stem.removeprefix('iter_')) if pointer.exists() else 0


def logged_rows(work: Path) -> dict[int, dict]:
    """Return the rows that a training logged, by iteration; of a repeated one, the later."""
    rows = {}
    for path in sorted(work.glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue  # cut off when the training was stopped
            if 'loss' in row and 'step' in row:
                rows[row['step']] = row
    return rows


def logged_seconds(work: Path) -> float:
    """Return the seconds of a training's iterations, with loading, without starts and stops."""
    rows = logged_rows(work)
    steps = sorted(rows)
    lengths = np.diff([0, *steps])
    return round(float(sum(length * rows[step]['time'] for step, length in zip(steps, lengths))), 1)


def read_scores(work: Path) -> dict:
    """Return AP, AP50, AP25, also per class, and counts of objects of the newest test.

    A class without an object that counts has no AP and is left out.

    Raises:
        RunFailed: If there is none.
    """
    tests = [path for path in work.glob('*/*.json') if path.parent.name == path.stem]
    if not tests:
        raise RunFailed(f'{work}: the test has written no scores')
    found = json.loads(max(tests, key=lambda path: path.stat().st_mtime).read_text())
    names = [key.removeprefix('AP/') for key in found if key.startswith('AP/')]
    classes = {
        name: row for name, row in class_metrics(found, names).items() if row['AP'] is not None
    }
    return dict(
        AP=found['AP'],
        AP50=found['AP50'],
        AP25=found['AP25'],
        classes=classes,
        objects=int(found['num_objects']),
        objects_scored=int(found['num_objects_scored']),
    )
