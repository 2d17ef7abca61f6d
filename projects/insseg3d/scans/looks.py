# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""What a scan is taken for before a model sees it: units, up axis, colours, and what is odd."""

from typing import Any, NamedTuple

import numpy as np

from ..ops.color_range import GREY, find_color_range, given_color_range, is_one_color, to_bytes
from ..ops.coordinate_steps import regular_steps, spacing, type_steps
from ..ops.upright import find_up
from .columns import no_colors
from .errors import RawDataError
from .frame import guess_units
from .scan import Scan
from .units import UNITS, UP_AXES

COLOR_RANGES = {'1': 1.0, '255': 255.0, '1023': 1023.0, '4095': 4095.0, '65535': 65535.0}
_FAR = 1000.0  # metres from the origin, where float32 begins to lose tenths of millimetres
_USUAL_VOXEL = 0.02  # metres
_MOST_VOXELS_ALONG = 2**20  # of the grid, which counts in 21 bits an axis


class Assumptions(NamedTuple):
    """What the user knows; None is found out.

    Attributes:
        units: key of ``UNITS``.
        up: key of ``UP_AXES``.
        color_range: key of ``COLOR_RANGES``, what the brightest colour would be; 'none' passes the
            colours over.
        strict: refuse a scan that needs a guess.
    """

    units: str | None = None
    up: str | None = None
    color_range: str | None = None
    strict: bool = False


NOTHING_KNOWN = Assumptions()


class Remark(NamedTuple):
    """A line on what was found; ``guessed`` if something else may be true, or harms."""

    text: str
    guessed: bool

    def __str__(self) -> str:
        return f'{"assumed" if self.guessed else "found"}: {self.text}'


class ReadyScan(NamedTuple):
    """A scan as a model takes it.

    Attributes:
        scan: as its owner has it.
        points: ``(P', 6)`` float32, metres, z up, near the origin, colours in 0..255.
        rows: ``(P',)`` int64, the row of the scan that each point is, ascending.
        scale: metres that one unit of the scan is.
        turn: ``(3, 3)``; a direction of the scan times its transpose is one of the model.
        remarks: what was found and assumed.
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
    """Find out what a scan's numbers mean; make of it what a model takes.

    Args:
        scan: the scan.
        assumptions: what is known; the rest is found out.
        voxel_size: of the model, metres, to compare with the distance of the points.

    Raises:
        RawDataError: nothing to work with, or, if strict, something that had to be guessed.
    """
    check_assumptions(assumptions)
    remarks = [Remark(note, True) for note in scan.notes]
    coords = np.asarray(scan.coords, dtype=np.float64)
    rows = np.flatnonzero(np.isfinite(coords).all(axis=1))
    if len(rows) == 0:
        raise RawDataError(
            scan.name,
            f'{len(coords)} points, none with finite coordinates',
            'at least one',
            'Export it again',
        )
    if len(rows) < len(coords):
        remarks.append(
            Remark(
                f'{len(coords) - len(rows)} points with NaN or infinite coordinates; '
                f'they stay in the '
                'output, without an object',
                True,
            )
        )
    coords = coords[rows]
    # The corner is taken off with all digits of the source; a whole one leaves fractions alone.
    low = coords.min(axis=0)
    size = coords.max(axis=0) - low
    up = _up(scan, assumptions, coords - low, remarks)
    turn = np.zeros((3, 3))
    for row, (axis, sign) in enumerate(UP_AXES[up]):
        turn[row, axis] = sign
    units = _units(scan, assumptions, np.abs(turn @ size), remarks)
    scale = UNITS[units]
    _look_at_steps(scan.coords[rows], scale, voxel_size, remarks)
    if np.abs(coords).max() * scale > _FAR:
        corner = np.floor(low)
        coords = coords - corner
        remarks.append(
            Remark(
                f'coordinates far from the origin; '
                f'the model sees them from {corner.tolist()} on, the '
                'output keeps them',
                False,
            )
        )
    if voxel_size is not None and size.max() * scale > _MOST_VOXELS_ALONG * voxel_size:
        raise RawDataError(
            scan.name,
            f'{size.max() * scale:.3g} m from end to end',
            f'at most {_MOST_VOXELS_ALONG} voxels of {voxel_size:g} m',
            'Remove stray points, or say the units: --units mm',
        )
    points = np.empty((len(rows), 6), dtype=np.float32)
    points[:, :3] = scale * (coords @ turn.T)
    points[:, 3:] = _colors(scan, rows, assumptions, remarks)
    _look_at_density(points[:, :3], voxel_size, remarks)
    guesses = [remark.text for remark in remarks if remark.guessed]
    if assumptions.strict and guesses:
        raise RawDataError(
            scan.name,
            '; '.join(guesses),
            'nothing to guess, as strict was asked for',
            'Set it by hand (--units, --up, --color-range), or mend the scan',
        )
    return ReadyScan(scan, points, rows, scale, turn, tuple(remarks))


def check_assumptions(assumptions: Assumptions) -> None:
    """Refuse misspelt values.

    Raises:
        ValueError: one that does not exist.
    """
    known: dict[str, Any] = {
        'units': UNITS,
        'up': UP_AXES,
        'color_range': {**COLOR_RANGES, 'none': 0},
    }
    for name, values in known.items():
        value = getattr(assumptions, name)
        if value is not None and value not in values:
            raise ValueError(f'{name} is {value!r}; expected one of {", ".join(values)}')


def _up(scan: Scan, given: Assumptions, coords, remarks: list[Remark]) -> str:
    if given.up or scan.up:
        remarks.append(
            Remark(
                f'{given.up or scan.up} up, as {"you" if given.up else "its format"} said', False
            )
        )
        return given.up or scan.up
    found = find_up(coords)
    if found.up != 'z':
        text = f'{found.up} up, by floor and furniture'
    elif found.sure:
        text = 'z up'
    else:
        text = f'z up, though {found.rival} would fit {"better" if found.lead < 0 else "as well"}'
    remarks.append(Remark(text, found.up != 'z' or not found.sure))
    return found.up


def _units(scan: Scan, given: Assumptions, size, remarks: list[Remark]) -> str:
    if given.units or scan.units:
        units, reason, sure = given.units or scan.units, '', True
    else:
        units, reason, sure = guess_units(size)
    metres = ' × '.join(f'{length * UNITS[units]:.3g}' for length in size)
    remarks.append(Remark(f'units are {units}, so that it measures {metres} m{reason}', not sure))
    return units


def _colors(scan: Scan, rows, given: Assumptions, remarks: list[Remark]) -> np.ndarray | float:
    """Colours in 0..255, or grey."""
    if scan.colors is None or given.color_range == 'none':
        said = given.color_range == 'none'
        remarks.append(
            Remark(
                'colours passed over, as you said'
                if said
                else f'{no_colors(scan.names)}; grey instead, '
                'and a model that knows colours finds less',
                not said,
            )
        )
        return GREY
    colors = scan.colors[rows]
    found = find_color_range(colors)
    if found is None:
        raise RawDataError(
            scan.name,
            f'colours from {colors.min():g} to {colors.max():g}',
            '0..1, 0..255 or 0..65535',
            'If these are no colours, pass them over: --color-range none',
        )
    if is_one_color(colors):
        remarks.append(
            Remark(
                f'no colours, as all points have the colour {colors[0].tolist()}; grey instead, '
                f'as in '
                'training, and a model that knows colours finds less',
                True,
            )
        )
        return GREY
    if given.color_range:
        most = COLOR_RANGES[given.color_range]
        found = given_color_range(colors, most)
        if found is None:
            raise RawDataError(
                scan.name,
                f'colours up to {colors.max():g}',
                f'at most {most:g}, as --color-range says',
                'Correct it',
            )
    remarks.append(Remark(str(found), not found.sure))
    return to_bytes(colors, found.most)


def _look_at_steps(coords, scale: float, voxel_size: float | None, remarks: list[Remark]) -> None:
    """Tell whether places have lost digits that the model would see, in their type or before."""
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
    remarks.append(
        Remark(
            f'places are stored in steps of {where}{reason}{voxels}; export them as double, or '
            'subtract an offset before',
            True,
        )
    )


def _look_at_density(xyz, voxel_size: float | None, remarks: list[Remark]) -> None:
    """Whether points lie as close as the model knows them, and how many lie twice."""
    packed = np.ascontiguousarray(xyz).view(np.dtype((np.void, 12)))
    doubles = len(xyz) - len(np.unique(packed))
    if doubles:
        remarks.append(Remark(f'{doubles} points lie where another one does', False))
    apart = spacing(xyz)
    if apart is None or voxel_size is None:
        return
    sparse = apart > 2 * voxel_size
    remarks.append(
        Remark(
            f'points are {100 * apart:.2g} cm apart, voxels of the model measure '
            f'{100 * voxel_size:.2g} cm{"; it knows denser scans" if sparse else ""}',
            sparse,
        )
    )
