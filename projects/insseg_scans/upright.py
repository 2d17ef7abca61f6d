# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Inference of the upward direction of a scan of rooms from its geometry.

All six directions along the axes are scored in the same way. The evidence for a direction:

* open: one of its ends is covered by a surface, the floor, and the other one is not;
* ceiling: if both ends are covered, the upper one is covered better, because furniture hides parts
  of the floor;
* tops: level surfaces between the ends, such as seats and table tops, lie low;
* mass: everything between the ends lies low;
* low: the scan is wider than high;
* plumb: surfaces are level or upright, for any rotation of furniture about the true axis.

The weights were fitted (multinomial logit over the six directions) to made rooms with and without
ceilings, rotated about the upright axis, cut into parts, cut off at half height, thinned and with
noise. Among such scans, a difference of 1 in score is a factor of e in odds.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

DIRECTIONS = ('x', 'y', 'z', '-x', '-y', '-z')
WEIGHTS = {'open': 1.9, 'ceiling': 18.0, 'tops': 10.0, 'mass': 6.5, 'low': 4.5, 'plumb': 25.0}
_CLEAR = 1.5  # a direction is sure if it leads all others by this score
_AGAINST_Z = 3.0  # least lead over z, which is up in most files, of another direction
_LARGEST = 1e100  # larger numbers cannot be squared
_FEWEST = 50  # fewer points are no evidence
_MOST = 100_000  # points to examine
_PARTS = 4  # of a scan that is much longer than high
_AROUND = 10  # points of a patch of surface
_LEVEL, _UPRIGHT = 0.9, 0.12  # cosines between the normal of a patch and an axis
_END = 0.25  # share of the height to search for floor and ceiling


class UpAxis(NamedTuple):
    """The direction that is probably up.

    Attributes:
        up: One of ``DIRECTIONS``; z unless another direction is clearly better.
        sure: Whether it is clearly better than all others.
        rival: The best of the other directions.
        lead: Score of ``up`` minus that of the rival; negative if the rival fits better.
    """

    up: str
    sure: bool
    rival: str
    lead: float


class _Surface(NamedTuple):
    """Points ``(N, 3)`` of even density, absolute values ``(N, 3)`` of their normals, spacing."""

    points: np.ndarray
    normals: np.ndarray
    step: float


def find_up(coords: np.ndarray) -> UpAxis:
    """Find the direction that is probably up.

    Args:
        coords: ``(P, 3)`` in any unit, finite.
    """
    return judge_up(up_scores(coords))


def up_scores(coords: np.ndarray) -> np.ndarray:
    """Score each direction, ``(6,)`` in the order of ``DIRECTIONS``.

    Args:
        coords: ``(P, 3)`` in any unit, finite.
    """
    return up_evidence(coords) @ np.array(list(WEIGHTS.values()))


def judge_up(scores: np.ndarray) -> UpAxis:
    """Choose the upward direction by scores.

    Args:
        scores: ``(6,)`` from :func:`up_scores`, or the mean over several scans.
    """
    best, z = int(scores.argmax()), DIRECTIONS.index('z')
    if scores[best] - scores[z] < _AGAINST_Z:
        best = z
    others = np.where(np.arange(len(scores)) == best, -np.inf, scores)
    rival = int(others.argmax())
    lead = float(scores[best] - scores[rival])
    return UpAxis(DIRECTIONS[best], lead > _CLEAR, DIRECTIONS[rival], lead)


def up_evidence(coords: np.ndarray) -> np.ndarray:
    """Measure the evidence for each direction, ``(6, F)``, ordered as ``DIRECTIONS``, ``WEIGHTS``.

    Args:
        coords: ``(P, 3)`` in any unit, finite.
    """
    if not len(coords) or np.abs(coords).max() > _LARGEST:
        return np.zeros((len(DIRECTIONS), len(WEIGHTS)))
    found = [_directions(_surface(part)) for part in _parts(coords) if len(part) >= _FEWEST]
    return np.mean(found, axis=0) if found else np.zeros((len(DIRECTIONS), len(WEIGHTS)))


def _parts(coords: np.ndarray) -> list[np.ndarray]:
    """Cut parts out of a long scan, in which furniture is large enough; else return all of it."""
    random = np.random.default_rng(0)
    if len(coords) > 50 * _MOST:
        coords = coords[random.integers(len(coords), size=50 * _MOST)]
    low, high = _ends(coords)
    longest = float((high - low).max())
    side = max(4 * float((high - low).min()), longest / 20)
    if side >= longest:
        return [coords[random.permutation(len(coords))[:_MOST]]]
    parts = []
    for centre in coords[random.integers(len(coords), size=_PARTS)]:
        inside = np.flatnonzero((np.abs(coords - centre) < side / 2).all(axis=1))
        parts.append(coords[random.permutation(inside)[:_MOST]])
    return parts


def _ends(coords: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the lowest and highest coordinates without stray points, ``(3,)`` each."""
    low, high = np.quantile(coords, (0.003, 0.997), axis=0)
    return low, high


def _surface(coords: np.ndarray) -> _Surface:
    low, high = _ends(coords)
    longest = float((high - low).max())
    coords = coords[((coords >= low - longest) & (coords <= high + longest)).all(axis=1)]
    step = max(longest / 100, float(np.spacing(np.abs(coords).max())), 1e-9)
    cells = np.floor((coords - low + longest) / step).astype(np.int64)
    keys = (cells[:, 0] << 42) + (cells[:, 1] << 21) + cells[:, 2]
    points = coords[np.unique(keys, return_index=True)[1]]
    around = points[cKDTree(points).query(points, k=min(_AROUND, len(points)))[1]]
    around = around.reshape(len(points), -1, 3)
    around = around - around.mean(axis=1, keepdims=True)
    normals = np.linalg.eigh(np.einsum('pki,pkj->pij', around, around))[1][:, :, 0]
    return _Surface(points, np.abs(normals), step)


def _directions(surface: _Surface) -> np.ndarray:
    low, high = _ends(surface.points)
    extent = np.maximum(high - low, surface.step)
    found = np.zeros((len(DIRECTIONS), len(WEIGHTS)))
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        heights = (surface.points[:, axis] - low[axis]) / extent[axis]
        along = surface.normals[:, axis]
        ground = np.floor((surface.points[:, others] - low[others]) / (2 * surface.step))
        cells = np.unique(ground.astype(np.int64), axis=0, return_inverse=True)[1].reshape(-1)
        thick = 2 * surface.step / extent[axis]
        both = (
            -np.log(extent[axis] / np.sqrt(extent[others].prod())),
            float(((along > _LEVEL) | (along < _UPRIGHT)).mean()),
        )
        for place, h in ((axis, heights), (axis + 3, 1 - heights)):
            found[place] = *_along(h, along > _LEVEL, cells, thick), *both
    return found


def _along(heights, is_level, cells, thick: float) -> tuple[float, float, float, float]:
    """Measure the signed evidence for the direction in which heights increase.

    Args:
        heights: ``(N,)`` heights, 0 at the lower end and 1 at the upper one.
        is_level: ``(N,)`` bool, whether the surface at the point is level.
        cells: ``(N,)`` index of the ground cell below each point.
        thick: Thickness of a surface, in the unit of the heights.
    """
    floor, ground = _cover(heights, is_level & (heights < _END), cells, thick)
    ceiling, roof = _cover(1 - heights, is_level & (heights > 1 - _END), cells, thick)
    bottom, top = floor + 2 * thick, 1 - ceiling - 2 * thick
    between = is_level & (heights > max(0.1, bottom)) & (heights < min(0.9, top))
    inner = heights[(heights > 0.1) & (heights < 0.9)]
    return (
        (ground - roof) / (ground + roof + 0.1),
        (roof - ground) * max(0.0, min(ground, roof) - 0.2),
        float((0.5 - heights[between]).sum() / (between.sum() + 20)),
        float(0.5 - inner.mean()) if len(inner) else 0.0,
    )


def _cover(heights, chosen, cells, thick: float) -> tuple[float, float]:
    """Return the height of most of the chosen points, and the share of ground cells below them."""
    levels = np.sort(heights[chosen])
    if not len(levels):
        return 0.0, 0.0
    inside = np.searchsorted(levels, levels + thick, side='right') - np.arange(len(levels))
    first = levels[inside.argmax()]
    there = chosen & (heights >= first) & (heights <= first + thick)
    return float(first + thick / 2), len(np.unique(cells[there])) / (int(cells.max()) + 1)
