# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Coordinates of users' own scans: units, up axis, lost digits and offset."""

from pathlib import Path

import numpy as np

from .coordinate_steps import regular_steps, type_steps
from .errors import RawDataError
from .upright import find_up

UNITS = {'m': 1.0, 'dm': 0.1, 'cm': 0.01, 'mm': 0.001, 'ft': 0.3048, 'in': 0.0254}
UP_AXES = {
    # Rows of the rotation that turns the axis up: (source axis, sign) of the new x, y, z.
    'z': ((0, 1), (1, 1), (2, 1)),
    'y': ((2, 1), (0, 1), (1, 1)),
    'x': ((1, 1), (2, 1), (0, 1)),
    '-z': ((0, 1), (1, -1), (2, -1)),
    '-y': ((0, 1), (2, 1), (1, -1)),
    '-x': ((2, 1), (1, 1), (0, -1)),
}
_LARGEST_SCAN, _SMALLEST_SCAN = 150.0, 0.3  # metres; other sizes suggest a wrong unit
_FAR_AWAY = 10_000.0  # metres; float32 has steps of a millimetre there
_COARSE, _FINE = 0.02, 0.002  # metres; greater steps are refused, or remarked


def convert_coords(
    given: np.ndarray, path: Path, notes: list[str], *, units: str | None = None, up: str = 'z'
) -> np.ndarray:
    """Convert coordinates to metres, z up, near the origin.

    Args:
        given: ``(P, 3)``, of the type in the file.
        path: Path of the scan, for messages.
        notes: Remarks on unusual features are appended to this list.
        units: Key of ``UNITS``; None means metres, and refuses scans of an implausible size.
        up: Key of ``UP_AXES``.

    Returns:
        ``(P, 3)`` float64.

    Raises:
        RawDataError: If there are no points, if some are NaN or infinite, if coordinates have lost
            digits, or if the size is implausible.
    """
    coords = np.asarray(given, dtype=np.float64)
    if len(coords) == 0:
        raise RawDataError(path, 'no points', 'at least one', 'Leave the scan out')
    bad = np.flatnonzero(~np.isfinite(coords).all(axis=1))
    if len(bad):
        raise RawDataError(
            path,
            f'{len(bad)} points with NaN or infinite coordinates, the first is number {bad[0]}',
            'finite numbers',
            'Remove these points, with their labels',
        )
    scale = UNITS[units or 'm']
    _check_steps(np.asarray(given), scale, path, notes)
    coords = coords * scale
    coords = np.stack([sign * coords[:, axis] for axis, sign in UP_AXES[up]], axis=1)
    if units is None:
        _check_size(coords.max(axis=0) - coords.min(axis=0), path)
    _look_at_up(coords, up, notes)
    if np.abs(coords).max() > _FAR_AWAY:
        shift = np.floor(coords.min(axis=0))
        coords -= shift
        notes.append(
            f'moved by {(-shift).tolist()} m to the origin: float32 has no millimetres there'
        )
    return coords


def _check_steps(given: np.ndarray, scale: float, path: Path, notes: list[str]) -> None:
    """Refuse coordinates that have lost digits; after the move to the origin it would not show."""
    given = given if given.dtype.kind == 'f' else given.astype(np.float64)
    by_type = scale * type_steps(given)
    steps = np.maximum(by_type, scale * regular_steps(given))
    is_of_type = by_type.max() >= steps.max()
    reason = f', as {given.dtype} has no finer ones there' if is_of_type else ''
    where = ', '.join(
        f'{step:.2g} m along {axis}'
        for axis, step in zip('xyz', steps)
        if step > min(_COARSE, steps.max() / 2)
    )
    if steps.max() > _COARSE:
        raise RawDataError(
            path,
            f'places in steps of {where}{reason}',
            f'at most {_COARSE:g} m',
            'Export them as double, or subtract an offset before exporting',
        )
    if steps.max() > _FINE:
        notes.append(f'places are stored in steps of {where}{reason}')


def _look_at_up(coords: np.ndarray, given: str, notes: list[str]) -> None:
    """Add a remark if coordinates ``(P, 3)``, turned as given, fit better with another axis up."""
    found = find_up(coords)
    better = found.up if found.up != 'z' else found.rival if found.lead < 0 else None
    size = coords.max(axis=0) - coords.min(axis=0)
    if better is None:
        # With too few points, or nothing like a room, only the size remains as evidence.
        if not found.sure and given == 'z' and size[1] < 3.5 and min(size[0], size[2]) > 4:
            notes.append(
                f'{size[1]:.1f} m along y, {size[2]:.1f} m along z: if y is the upright axis, '
                'convert again with --up y'
            )
        return
    axis, sign = UP_AXES[given]['xyz'.index(better[-1])]
    name = ('-' if sign * (-1 if better[0] == '-' else 1) < 0 else '') + 'xyz'[axis]
    option = f'--up {name}' if len(name) == 1 else f'--up={name}'
    sure = 'seems to be' if found.up != 'z' else 'may be'
    notes.append(f'{name} {sure} up, by floor and furniture: if so, convert again with {option}')


def _check_size(size: np.ndarray, path: Path) -> None:
    """Refuse a size that is implausible in metres."""
    longest = float(size.max())
    if longest > _LARGEST_SCAN:
        likely = 'mm' if longest > 2000 else 'cm'
        raise RawDataError(
            path,
            f'a scan of {_metres(size)}',
            f'metres, at most {_LARGEST_SCAN:g}',
            f'Give --units {likely}, or --units m if it is really that large',
        )
    if longest < _SMALLEST_SCAN:
        raise RawDataError(
            path,
            f'a scan of {_metres(size)}',
            f'metres, at least {_SMALLEST_SCAN:g}',
            'Is it scaled to a unit cube? Export it in metres, or give --units m if it is really '
            'that small',
        )


def _metres(size: np.ndarray) -> str:
    return ' × '.join(f'{length:.4g}' for length in size) + ' m'
