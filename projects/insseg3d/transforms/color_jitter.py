# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Augmentations of colours, each of one kind, for normalised colours from −1 to 1.

Apply them after ``NormalizeColor``. A scene draws one value for all its points.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from .scene import columns
from .seeding import draw_generator

_POSITIVE = 1e-3


class _RandomColor(BaseTransform):
    """Base of the augmentations: draws their values and names them.

    Args:
        low: Lower end of a range.
        high: Upper end of a range.
        least: Least value of the lower end.

    Raises:
        ValueError: The range is not ordered, or begins too low.
    """

    def __init__(self, name: str, low: float, high: float, least: float) -> None:
        if not least <= low <= high:
            raise ValueError(
                f'{type(self).__name__}: {name} is {(low, high)}, expected (low, high) with '
                f'{least:g} <= low <= high.'
            )
        self.name, self.low, self.high = name, low, high

    def transform(self, results: dict) -> dict:
        """Change the colours of a scene."""
        rng = draw_generator(results, type(self).__name__)
        colors = columns(results['points'], 'color')
        colors[:] = self.change(colors, rng)
        return results

    @abstractmethod
    def change(self, colors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the changed colours ``(P, 3)``."""

    def log_uniform(self, rng: np.random.Generator, size: int | None = None):
        """Draw factors such that a half and a double are equally likely."""
        return np.exp(rng.uniform(math.log(self.low), math.log(self.high), size))

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.name}={(self.low, self.high)})'


@TRANSFORMS.register_module()
class RandomGamma(_RandomColor):
    """Raise brightness, as a share of white, to a random power: dark and bright exposures.

    Args:
        gamma: Range of the power; 1 changes nothing, more is darker.

    Raises:
        ValueError: The range is not ordered, or not positive.
    """

    def __init__(self, *, gamma: Sequence[float] = (0.5, 2.0)) -> None:
        super().__init__('gamma', *gamma, least=_POSITIVE)

    def change(self, colors, rng):
        share = np.clip(0.5 * (colors + 1), 0, 1)
        return 2 * share ** np.float32(self.log_uniform(rng)) - 1


@TRANSFORMS.register_module()
class RandomContrast(_RandomColor):
    """Multiply the distances of colours from the scene's mean colour by a random factor.

    Args:
        factor: Range of the factor; 1 changes nothing.

    Raises:
        ValueError: The range is not ordered, or not positive.
    """

    def __init__(self, *, factor: Sequence[float] = (0.6, 1.6)) -> None:
        super().__init__('factor', *factor, least=_POSITIVE)

    def change(self, colors, rng):
        if len(colors) == 0:
            return colors
        mean = colors.mean(axis=0, dtype=np.float64).astype(np.float32)
        return np.clip(mean + np.float32(self.log_uniform(rng)) * (colors - mean), -1, 1)


@TRANSFORMS.register_module()
class RandomSaturation(_RandomColor):
    """Multiply the distances of colours from their own grey by a random factor.

    Args:
        factor: Range of the factor; 1 changes nothing, 0 makes the scene grey.

    Raises:
        ValueError: The range is not ordered, or negative.
    """

    def __init__(self, *, factor: Sequence[float] = (0.0, 2.0)) -> None:
        super().__init__('factor', *factor, least=0)

    def change(self, colors, rng):
        factor = np.float32(rng.uniform(self.low, self.high))
        grey = _grey(colors)
        return np.clip(grey + factor * (colors - grey), -1, 1)


@TRANSFORMS.register_module()
class RandomHue(_RandomColor):
    """Turn colours about the axis of greys by a random angle.

    Args:
        degrees: Range of the angle.

    Raises:
        ValueError: The range is not ordered, or below −180.
    """

    def __init__(self, *, degrees: Sequence[float] = (-180.0, 180.0)) -> None:
        super().__init__('degrees', *degrees, least=-180)

    def change(self, colors, rng):
        angle = math.radians(rng.uniform(self.low, self.high))
        cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle) / math.sqrt(3))
        grey = _grey(colors)
        red, green, blue = (colors - grey).T
        # Rodrigues' rotation about (1, 1, 1): u is perpendicular to it.
        turned = np.stack(
            [
                cos * red + sin * (blue - green),
                cos * green + sin * (red - blue),
                cos * blue + sin * (green - red),
            ],
            axis=1,
        )
        return np.clip(grey + turned, -1, 1)


@TRANSFORMS.register_module()
class RandomChannelGain(_RandomColor):
    """Multiply each channel, as a share of white, by a random factor: white balance.

    Args:
        factor: Range of the factors; 1 changes nothing.

    Raises:
        ValueError: The range is not ordered, or not positive.
    """

    def __init__(self, *, factor: Sequence[float] = (0.7, 1.4)) -> None:
        super().__init__('factor', *factor, least=_POSITIVE)

    def change(self, colors, rng):
        gains = self.log_uniform(rng, 3).astype(np.float32)
        return np.clip(gains * (colors + 1) - 1, -1, 1)


def _grey(colors: np.ndarray) -> np.ndarray:
    """Return the mean of the channels, ``(P, 1)``."""
    return (colors[:, :1] + colors[:, 1:2] + colors[:, 2:3]) / np.float32(3)
