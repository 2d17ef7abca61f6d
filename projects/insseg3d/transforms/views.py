# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Augmentations that imitate what recordings miss and bend.

Apply those that drop points right after the annotations are loaded, and ``RelabelInstances`` after
them, because instances may vanish.
"""

import math
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from .scene import columns, keep_points
from .seeding import draw_generator


@TRANSFORMS.register_module()
class RandomPart(BaseTransform):
    """Keep the points on one side of a random upright plane, as if the rest was not recorded.

    Args:
        share: Range of the share of points that is kept, in (0, 1].

    Raises:
        ValueError: The range is not ordered, or not within (0, 1].
    """

    def __init__(self, *, share: Sequence[float] = (0.4, 1.0)) -> None:
        self.share = _checked(self, 'share', share, most=1)

    def transform(self, results: dict) -> dict:
        """Drop the points of the other side."""
        rng = draw_generator(results, type(self).__name__)
        angle, share = rng.uniform(0, 2 * math.pi), rng.uniform(*self.share)
        coords = columns(results['points'], 'coord')
        along = coords[:, 0] * np.float32(math.cos(angle)) + coords[:, 1] * np.float32(
            math.sin(angle)
        )
        number = max(math.ceil(share * len(coords)), 1)
        if number < len(coords):
            keep_points(results, np.sort(np.argpartition(along, number - 1)[:number]))
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(share={self.share})'


@TRANSFORMS.register_module()
class RandomHoles(BaseTransform):
    """Drop the points inside random balls: windows, mirrors, places that no camera saw.

    Args:
        number: Range of the number of balls.
        radius: Range of their radius, metres.

    Raises:
        ValueError: A range is not ordered, or negative.
    """

    def __init__(
        self, *, number: Sequence[int] = (0, 12), radius: Sequence[float] = (0.05, 0.4)
    ) -> None:
        self.number = _checked(self, 'number', number, sign='<=')
        self.radius = _checked(self, 'radius', radius)

    def transform(self, results: dict) -> dict:
        """Drop the points inside the balls; the last point always stays."""
        rng = draw_generator(results, type(self).__name__)
        coords = columns(results['points'], 'coord')
        if len(coords) == 0:
            return results
        kept = np.ones(len(coords), dtype=bool)
        for _ in range(int(rng.integers(self.number[0], self.number[1] + 1))):
            centre = coords[int(rng.integers(len(coords)))]
            radius = np.float32(rng.uniform(*self.radius))
            kept &= _squared_distance(coords, centre) > radius * radius
        if kept.any() and not kept.all():
            keep_points(results, kept)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(number={self.number}, radius={self.radius})'


@TRANSFORMS.register_module()
class RandomDensity(BaseTransform):
    """Thin out what is far from a random place, as sensors do.

    Up to a distance, all points stay; beyond, a point stays with the probability
    ``(distance / its own)²``, but at least with ``least``.

    Args:
        distance: Range of the distance, metres.
        least: Least probability, in (0, 1].

    Raises:
        ValueError: The range is not ordered, or ``least`` is not within (0, 1].
    """

    def __init__(self, *, distance: Sequence[float] = (1.0, 6.0), least: float = 0.1) -> None:
        if not 0 < least <= 1:
            raise ValueError(f'RandomDensity: least={least}, expected a probability, (0, 1]')
        self.distance, self.least = _checked(self, 'distance', distance), least

    def transform(self, results: dict) -> dict:
        """Drop points at random."""
        rng = draw_generator(results, type(self).__name__)
        coords = columns(results['points'], 'coord')
        if len(coords) == 0:
            return results
        place = coords[int(rng.integers(len(coords)))]
        distance = np.float32(rng.uniform(*self.distance))
        squared = np.maximum(_squared_distance(coords, place), np.float32(1e-12))
        probability = np.clip(distance * distance / squared, np.float32(self.least), 1)
        kept = rng.random(len(coords), dtype=np.float32) < probability
        if not kept.all():  # the place itself stays
            keep_points(results, kept)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(distance={self.distance}, least={self.least})'


@TRANSFORMS.register_module()
class RandomWaves(BaseTransform):
    """Bend a scene by long waves in random directions, as drift of the camera's pose does.

    Unlike ``ElasticDistortion``, it also changes the coordinates in the network's input.

    Args:
        amplitude: Range of the amplitude of each wave, metres.
        wavelength: Range of the wavelength, metres.
        number: Number of waves.

    Raises:
        ValueError: A range is not ordered, or not positive.
    """

    def __init__(
        self,
        *,
        amplitude: Sequence[float] = (0.0, 0.04),
        wavelength: Sequence[float] = (1.0, 6.0),
        number: int = 4,
    ) -> None:
        self.amplitude, self.number = _checked(self, 'amplitude', amplitude, sign='<='), number
        self.wavelength = _checked(self, 'wavelength', wavelength)

    def transform(self, results: dict) -> dict:
        """Move the points."""
        rng = draw_generator(results, type(self).__name__)
        coords = columns(results['points'], 'coord')
        x, y, z = (coords[:, axis].copy() for axis in range(3))
        for _ in range(self.number):
            amplitude, length = rng.uniform(*self.amplitude), rng.uniform(*self.wavelength)
            way, shift = (_direction(rng).astype(np.float32) for _ in range(2))
            phase = np.float32(rng.uniform(0, 2 * math.pi))
            angle = np.float32(2 * math.pi / length) * (x * way[0] + y * way[1] + z * way[2])
            height = np.float32(amplitude) * np.sin(angle + phase)
            for axis in range(3):
                coords[:, axis] += height * shift[axis]
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(amplitude={self.amplitude}, wavelength={self.wavelength}, '
            f'number={self.number})'
        )


def _checked(
    part: object,
    name: str,
    values: Sequence[float],
    *,
    sign: str = '<',
    most: float = math.inf,
) -> tuple[float, float]:
    """Return a range; reject one that is not ordered, or exceeds its bounds.

    The range begins above 0 with the sign '<', at 0 or above with '<='.
    """
    low, high = values
    if not (0 <= low <= high <= most) or (sign == '<' and low == 0):
        limit = '' if most == math.inf else f' <= {most:g}'
        raise ValueError(
            f'{type(part).__name__}: {name} is {(low, high)}, expected (low, high) with '
            f'0 {sign} low <= high{limit}.'
        )
    return low, high


def _squared_distance(coords: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Compute squared distances ``(P,)``, element by element."""
    x, y, z = (coords[:, axis] - place[axis] for axis in range(3))
    return x * x + y * y + z * z


def _direction(rng: np.random.Generator) -> np.ndarray:
    """Draw a direction, evenly over the sphere."""
    vector = rng.standard_normal(3)
    return vector / np.linalg.norm(vector)
