# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Assumptions about a scan before a model processes it: units, up axis, colours, oddities."""

from typing import NamedTuple

import numpy as np

from .assumptions import COLOR_RANGES, NOTHING_KNOWN, Assumptions, Remark, check_assumptions
from .color_range import GREY, find_color_range, given_color_range, is_one_color, to_bytes
from .columns import no_colors
from .coordinate_steps import regular_steps, spacing, type_steps
from .errors import RawDataError
from .frame import guess_units
from .scan import Scan
from .units import UNITS, UP_AXES
from .upright import find_up

_FAR = 1000.0  # metres; further from the origin, float32 loses tenths of millimetres
_USUAL_VOXEL = 0.02  # metres
_MOST_VOXELS_ALONG = 2**20  # the grid has 21 bits per axis


class ReadyScan(NamedTuple):
    """A scan as input of a model.

    Attributes:
        scan: The scan as its owner recorded it.
        points: ``(P', 6)`` float32, metres, z up, near the origin, colours in 0..255.
        rows: ``(P',)`` int64, row of the scan of each point, ascending.
        scale: Metres per unit of the scan.
        turn: ``(3, 3)``; a direction of the scan times its transpose is a direction of the model.
        remarks: Findings and assumptions.
    """

    scan: Scan
    points: np.ndarray
    rows: np.ndarray
    scale: float
    turn: np.ndarray
    remarks: tuple[Remark, ...]


def look_at(
    scan: Scan, assumptions: Assumptions = NOTHING_KNOWN, *, voxel_size: float | None = None
) -> ReadyScan:
    """Infer the meaning of a scan's numbers, and convert it to the input of a model.

    Args:
        scan: The scan.
        assumptions: Known properties; the others are inferred.
        voxel_size: Voxel size of the model in metres, to compare with the distance of the points.

    Raises:
        RawDataError: If no point is finite, if colours have no known range, if the extent is too
            large for the voxels, or if ``strict`` is set and something had to be guessed.
    """
    check_assumptions(assumptions)
    remarks = [Remark(text=note, guessed=True) for note in scan.notes]
    coords = np.asarray(scan.coords, dtype=np.float64)
    rows = _finite_rows(scan.name, coords, remarks)
    coords = coords[rows]
    low = coords.min(axis=0)
    size = coords.max(axis=0) - low
    turn = _turn(_up(scan, assumptions, coords - low, remarks))
    scale = UNITS[_units(scan, assumptions, np.abs(turn @ size), remarks)]
    _look_at_steps(scan.coords[rows], scale, voxel_size, remarks)
    coords = _near_origin(coords, scale, remarks)
    if voxel_size is not None and size.max() * scale > _MOST_VOXELS_ALONG * voxel_size:
        raise RawDataError(
            scan.name,
            f'{size.max() * scale:.3g} m from end to end',
            f'at most {_MOST_VOXELS_ALONG} voxels of {voxel_size:g} m',
            'Remove stray points, or set the units: --units mm',
        )
    points = np.empty((len(rows), 6), dtype=np.float32)
    points[:, :3] = scale * (coords @ turn.T)
    points[:, 3:] = _colors(scan, rows, assumptions, remarks)
    _look_at_density(points[:, :3], voxel_size, remarks)
    if assumptions.strict:
        _refuse_guesses(scan, remarks)
    return ReadyScan(
        scan=scan, points=points, rows=rows, scale=scale, turn=turn, remarks=tuple(remarks)
    )


def _finite_rows(name: str, coords: np.ndarray, remarks: list[Remark]) -> np.ndarray:
    """Return the rows ``(P',)`` int64 of points with finite coordinates; remark the others.

    Raises:
        RawDataError: If there are none.
    """
    rows = np.flatnonzero(np.isfinite(coords).all(axis=1))
    if len(rows) == 0:
        raise RawDataError(
            name,
            f'{len(coords)} points, none with finite coordinates',
            'at least one',
            'Export it again',
        )
    if len(rows) < len(coords):
        text = (
            f'{len(coords) - len(rows)} points with NaN or infinite coordinates; they stay in '
            'the output, without an object'
        )
        remarks.append(Remark(text=text, guessed=True))
    return rows


def _turn(up: str) -> np.ndarray:
    """Return the rotation ``(3, 3)`` that turns an axis of ``UP_AXES`` up."""
    turn = np.zeros((3, 3))
    for row, (axis, sign) in enumerate(UP_AXES[up]):
        turn[row, axis] = sign
    return turn


def _near_origin(coords: np.ndarray, scale: float, remarks: list[Remark]) -> np.ndarray:
    """Move coordinates ``(P', 3)`` near the origin if they are far away, and remark it.

    They are moved in float64, with all digits of the source, and by whole numbers, which preserves
    their fractions.
    """
    if np.abs(coords).max() * scale <= _FAR:
        return coords
    corner = np.floor(coords.min(axis=0))
    text = (
        f'coordinates far from the origin; the model sees them from {corner.tolist()} on, the '
        'output keeps them'
    )
    remarks.append(Remark(text=text, guessed=False))
    return coords - corner


def _refuse_guesses(scan: Scan, remarks: list[Remark]) -> None:
    guesses = [remark.text for remark in remarks if remark.guessed]
    if guesses:
        raise RawDataError(
            scan.name,
            '; '.join(guesses),
            'nothing to guess, because strict is set',
            'Set it by hand (--units, --up, --color-range), or correct the scan',
        )


def _up(scan: Scan, given: Assumptions, coords, remarks: list[Remark]) -> str:
    if given.up or scan.up:
        source = 'as requested' if given.up else 'as defined by its format'
        remarks.append(Remark(text=f'{given.up or scan.up} up, {source}', guessed=False))
        return given.up or scan.up
    found = find_up(coords)
    if found.up != 'z':
        text = f'{found.up} up, by floor and furniture'
    elif found.sure:
        text = 'z up'
    else:
        text = f'z up, though {found.rival} would fit {"better" if found.lead < 0 else "as well"}'
    remarks.append(Remark(text=text, guessed=found.up != 'z' or not found.sure))
    return found.up


def _units(scan: Scan, given: Assumptions, size, remarks: list[Remark]) -> str:
    if given.units or scan.units:
        units, reason, sure = given.units or scan.units, '', True
    else:
        units, reason, sure = guess_units(size)
    metres = ' × '.join(f'{length * UNITS[units]:.3g}' for length in size)
    text = f'units are {units}, which makes it {metres} m{reason}'
    remarks.append(Remark(text=text, guessed=not sure))
    return units


def _colors(scan: Scan, rows, given: Assumptions, remarks: list[Remark]) -> np.ndarray | float:
    """Return colours ``(P', 3)`` in 0..255, or grey.

    Raises:
        RawDataError: If the range of the colours is unknown, or greater than the given one.
    """
    if given.color_range == 'none':
        remarks.append(Remark(text='colours ignored, as requested', guessed=False))
        return GREY
    if scan.colors is None:
        text = f'{no_colors(scan.names)}; grey instead, and a model trained on colours finds less'
        remarks.append(Remark(text=text, guessed=True))
        return GREY
    colors = scan.colors[rows]
    found = find_color_range(colors)
    if found is None:
        raise RawDataError(
            scan.name,
            f'colours from {colors.min():g} to {colors.max():g}',
            '0..1, 0..255 or 0..65535',
            'If these are no colours, ignore them: --color-range none',
        )
    if is_one_color(colors):
        text = (
            f'no colours, as all points have the colour {colors[0].tolist()}; grey instead, as in '
            'training, and a model trained on colours finds less'
        )
        remarks.append(Remark(text=text, guessed=True))
        return GREY
    if given.color_range:
        most = COLOR_RANGES[given.color_range]
        found = given_color_range(colors, most)
        if found is None:
            raise RawDataError(
                scan.name,
                f'colours up to {colors.max():g}',
                f'at most {most:g}, by --color-range',
                'Correct it',
            )
    remarks.append(Remark(text=str(found), guessed=not found.sure))
    return to_bytes(colors, found.most)


def _look_at_steps(coords, scale: float, voxel_size: float | None, remarks: list[Remark]) -> None:
    """Remark coordinates whose steps are visible to the model: by their type, or lost earlier."""
    limit = (voxel_size or _USUAL_VOXEL) / 2
    by_type, by_values = scale * type_steps(coords), scale * regular_steps(coords)
    steps = np.maximum(by_type, by_values)
    if steps.max() <= limit:
        return
    where = ', '.join(
        f'{step:.2g} m along {axis}' for axis, step in zip('xyz', steps) if step > limit
    )
    reason = f', as {coords.dtype} has no finer ones there' if by_type.max() > limit else ''
    voxels = '' if voxel_size is None else f', voxels of the model measure {voxel_size:g} m'
    text = (
        f'places are stored in steps of {where}{reason}{voxels}; export them as double, or '
        'subtract an offset before'
    )
    remarks.append(Remark(text=text, guessed=True))


def _look_at_density(coords, voxel_size: float | None, remarks: list[Remark]) -> None:
    """Remark points at the same position, and the distance of points compared with the voxels."""
    packed = np.ascontiguousarray(coords).view(np.dtype((np.void, 12)))
    doubles = len(coords) - len(np.unique(packed))
    if doubles:
        text = f'{doubles} points lie where another one does'
        remarks.append(Remark(text=text, guessed=False))
    apart = spacing(coords)
    if apart is None or voxel_size is None:
        return
    sparse = apart > 2 * voxel_size
    text = (
        f'points are {100 * apart:.2g} cm apart, voxels of the model measure '
        f'{100 * voxel_size:.2g} cm{"; it was trained on denser scans" if sparse else ""}'
    )
    remarks.append(Remark(text=text, guessed=sparse))
