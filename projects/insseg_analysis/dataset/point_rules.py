# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Rules that judge coordinates: units, digits, upward axis and density."""

from collections.abc import Iterator, Sequence

import numpy as np

from insseg_scans.upright import judge_up

from .expectations import Expectations, Problem, median, names
from .facts import SceneFacts

_USUAL_VOXEL = 0.02  # metres
_TO_Z_UP = {
    'x': '(x, y, z) → (−z, y, x)',
    'y': '(x, y, z) → (x, −z, y)',
    '-x': '(x, y, z) → (z, y, −x)',
    '-y': '(x, y, z) → (x, z, −y)',
    '-z': '(x, y, z) → (x, −y, −z)',
}


def units(scenes: Sequence[SceneFacts], expected: Expectations) -> Iterator[Problem]:
    """Judge whether coordinates are in metres."""
    height, length = _size(scenes)
    size = f'half of the scenes are longer than {length:.4g} and higher than {height:.4g}'
    unit = _wrong_unit(scenes)
    if unit:
        yield (
            'error',
            f'{size}: that looks like {unit[0]}, expected metres',
            f'Multiply the coordinates by {unit[1]:g} and convert again',
        )
    elif length < 1.5:
        yield (
            'warning',
            f'{size}: smaller than any room; were the scans normalised?',
            'Take the coordinates in metres, as they were measured',
        )


def precision(scenes: Sequence[SceneFacts], expected: Expectations) -> Iterator[Problem]:
    """Judge whether coordinates are too large for float32."""
    far = [
        scene
        for scene in scenes
        if scene.low is not None
        and np.spacing(np.float32(max(-scene.low.min(), scene.high.max()))) > 1e-3
    ]
    if far:
        reach = max(max(-scene.low.min(), scene.high.max()) for scene in far)
        step = np.spacing(np.float32(reach))
        yield (
            'error',
            f'coordinates reach {reach:.0f}, where float32 has steps of '
            f'{step:.2g} only: {names(far)}',
            "Subtract each scene's minimum in float64, then convert again",
        )


def lost_digits(scenes: Sequence[SceneFacts], expected: Expectations) -> Iterator[Problem]:
    """Judge whether coordinates were rounded before the conversion."""
    limit = (expected.voxel_size or _USUAL_VOXEL) / 2
    lost = [scene for scene in scenes if scene.steps is not None and scene.steps.max() > limit]
    if lost:
        worst = max(lost, key=lambda scene: scene.steps.max()).steps
        step, axis = worst.max(), 'xyz'[int(worst.argmax())]
        yield (
            'error',
            f'points lie in planes {step:.2g} apart along {axis}, voxels measure '
            f'{expected.voxel_size or _USUAL_VOXEL:g}: {names(lost)}',
            'Digits were lost before the conversion: export the scans as double, or subtract an '
            'offset before they are exported',
        )


def up_axis(scenes: Sequence[SceneFacts], expected: Expectations) -> Iterator[Problem]:
    """Judge whether z points upwards."""
    read = [scene for scene in scenes if scene.up is not None]
    if not read:
        return
    # Scenes of a dataset mostly agree, and all together leave less doubt than each.
    together = judge_up(np.mean([scene.up for scene in read], axis=0)).up
    ways = [judge_up(scene.up).up if together == 'z' else together for scene in read]
    for up, turn in _TO_Z_UP.items():
        lying = [scene for scene, way in zip(read, ways) if way == up]
        if lying:
            yield (
                'warning',
                f'{up} seems to point upwards, by floor and furniture, in '
                f'{len(lying)} of {len(scenes)} scenes: {names(lying)}',
                f'Augmentation rotates about z: turn the scans, {turn}, and convert again',
            )


def density(scenes: Sequence[SceneFacts], expected: Expectations) -> Iterator[Problem]:
    """Judge the spacing of points against the voxels."""
    spacing, voxel = median([scene.spacing for scene in scenes]), expected.voxel_size
    if voxel is not None and np.isfinite(spacing) and not _wrong_unit(scenes):
        found = f'the median spacing of points is {spacing:.4g}, the voxel size {voxel:g}'
        if spacing > 4 * voxel:
            yield (
                'error',
                f'{found}: most voxels have no neighbour, and a convolution sees single points',
                f'Take voxels of about {1.5 * spacing:.2g}',
            )
        elif spacing > 1.5 * voxel:
            yield (
                'warning',
                f'{found}: voxels have few neighbours',
                f'Take voxels of about {1.5 * spacing:.2g}',
            )
        elif spacing < voxel / 15:
            yield (
                'warning',
                f'{found}: detail is thrown away',
                f'Take smaller voxels, down to {3 * spacing:.2g}, if memory allows',
            )
    copies = median([scene.duplicates for scene in scenes])
    if copies > 0.5:
        yield (
            'note',
            f'{copies:.0%} of the points lie where another one lies',
            'Remove the copies when converting: they cost memory and change no voxel',
        )


def _size(scenes: Sequence[SceneFacts]) -> tuple[float, float]:
    """Return height and length: the smallest and the largest extent, medians over the scenes."""
    extents = [np.sort(scene.extent) for scene in scenes if scene.low is not None]
    smallest, _, largest = np.median(extents, axis=0) if extents else (np.nan,) * 3
    return smallest, largest


def _wrong_unit(scenes: Sequence[SceneFacts]) -> tuple[str, float] | None:
    """Return the apparent unit and its metres; None if the coordinates can be metres."""
    height, _ = _size(scenes)
    # A storey is 2 to 5 m high; halls and stairwells stay below 50.
    if height > 1000:
        return 'millimetres', 0.001
    return ('centimetres', 0.01) if height > 100 else None
