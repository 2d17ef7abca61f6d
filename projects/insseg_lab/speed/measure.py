# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Seconds, memory and operations of a model's predictions, over scans and over their size."""

import functools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config

from made_rooms import KINDS

from ..memory import forget_peak_memory, peak_memory_mb
from .launches import Launches
from .operations import count_operations
from .scenes import scene_of_rooms
from .stages import StageTimer


def time_scans(
    timer: StageTimer, scans: Sequence[Path], *, repeat: int, warm_up: int
) -> list[dict[str, float]]:
    """Time scans one after the other, ``repeat`` times over.

    Args:
        timer: Timer of the model.
        scans: Files of the scans.
        repeat: Timed predictions of each scan.
        warm_up: Predictions before them.

    Returns:
        Seconds by stage, one entry per prediction; see ``StageTimer``.
    """
    for number in range(warm_up):
        timer(scans[number % len(scans)])
    return [timer(scan) for _ in range(repeat) for scan in scans]


def summarize(rows: Sequence[dict[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Return medians and interquartile ranges by stage, in milliseconds."""
    table = {stage: 1000 * np.array([row[stage] for row in rows]) for stage in rows[0]}
    quarters = {stage: np.percentile(values, (25, 50, 75)) for stage, values in table.items()}
    return (
        {stage: float(middle) for stage, (_, middle, _) in quarters.items()},
        {stage: float(high - low) for stage, (low, _, high) in quarters.items()},
    )


def scaling_curve(
    timer: StageTimer,
    sizes: Sequence[int],
    *,
    repeat: int,
    seed: int = 0,
    kinds: frozenset[str] = frozenset(KINDS),
) -> list[tuple[int, float]]:
    """Return the milliseconds of ``total`` for scenes of several sizes.

    Args:
        timer: Timer of the model.
        sizes: Points of each scene.
        repeat: Timed predictions of each size, after a first one; the median is returned.
        seed: Seed of the made room.
        kinds: Kinds of objects in it.
    """
    curve = []
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            path = Path(folder) / f'{size}.bin'
            scene_of_rooms(size, seed=seed, kinds=kinds).tofile(path)
            rows = time_scans(timer, [path], repeat=repeat, warm_up=1)
            curve.append((int(size), summarize(rows)[0]['total']))
    return curve


def fitted_exponent(curve: Sequence[tuple[int, float]]) -> float | None:
    """Fit e in time ~ points^e by least squares of the logarithms; None below two sizes."""
    if len({size for size, _ in curve}) < 2:
        return None
    sizes, times = np.log(np.array(curve, dtype=np.float64)).T
    return float(np.polyfit(sizes, times, 1)[0])


def measure(
    model: torch.nn.Module,
    config: Config,
    scans: Sequence[Path],
    *,
    repeat: int = 5,
    warm_up: int = 2,
    amp: bool = False,
    sizes: Sequence[int] = (),
    seed: int = 0,
    kinds: frozenset[str] = frozenset(KINDS),
) -> tuple[dict, dict]:
    """Measure the figures of one model.

    Args:
        model: Model from ``load_model``.
        config: Its config.
        scans: Files of float32 x y z r g b.
        repeat: Timed predictions of each scan.
        warm_up: Predictions before them.
        amp: Whether the model runs under autocast.
        sizes: Points of the scenes of the scaling curve; none: no curve.
        seed: Seed of the made room for the curve.
        kinds: Kinds of objects in it.

    Returns:
        ``scans`` (how many), ``points`` and ``voxels`` (medians), ``stages_ms``, ``peak_memory_mb``
        without the curve, ``parameters``, ``exponent``; and the details:
        ``spread_ms`` (interquartile range), ``operations`` of the first scan by kind,
        ``launches``, the operators requested for the first scan and the waits for them, None on
        a CPU, and ``scaling``, pairs of points and milliseconds.
    """
    timer = StageTimer(model, config, amp=amp)
    forget_peak_memory(timer.device)
    rows = time_scans(timer, scans, repeat=repeat, warm_up=warm_up)
    memory = peak_memory_mb(timer.device)
    stages, spread = summarize(rows)
    packed = [timer.pack(scan)['data_samples'][0].voxels for scan in scans]
    curve = scaling_curve(timer, sizes, repeat=min(repeat, 3), seed=seed, kinds=kinds)
    try:
        operations = operations_of(timer, scans[0])
    except ValueError:
        operations = None  # sparse layers of another library
    return dict(
        scans=len(scans),
        points=int(np.median([len(voxels.point2voxel) for voxels in packed])),
        voxels=int(np.median([len(voxels.coors) for voxels in packed])),
        stages_ms=stages,
        peak_memory_mb=memory,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        exponent=fitted_exponent(curve),
    ), dict(
        spread_ms=spread,
        operations=operations,
        launches=None if timer.device.type == 'cpu' else launches_of(timer, scans[0]),
        scaling=curve,
    )


def operations_of(timer: StageTimer, scan: Path) -> dict[str, int]:
    """Count the operations of one prediction, without reading and voxelising."""
    return count_operations(timer.model, _prediction(timer, scan))


@torch.no_grad()
def launches_of(timer: StageTimer, scan: Path) -> dict[str, int]:
    """Count the operators of one prediction and the waits for them, see ``Launches.totals``."""
    predict = _prediction(timer, scan)
    with timer.autocast(), Launches() as count:
        predict()
    return count.totals()


def _prediction(timer: StageTimer, scan: Path) -> Callable[[], object]:
    """Return a function that predicts for a scan, with its data on the device."""
    data = timer.model.data_preprocessor(timer.pack(scan), False)
    return functools.partial(timer.model.predict, data['inputs'], data['data_samples'])
