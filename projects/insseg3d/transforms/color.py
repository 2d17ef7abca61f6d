# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Transforms of colours: normalisation and augmentation."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from .scene import check_colors, columns, scene_name
from .seeding import draw_generator


@TRANSFORMS.register_module()
class NormalizeColor(BaseTransform):
    """Scale colours from 0..255 to about −1..1: ``(c − mean) / std``.

    Args:
        mean: Subtrahend of all three channels.
        std: Divisor. Source of both: c / 127.5 − 1 in the PointGroup family.

    Raises:
        ValueError: Colours are not finite, outside 0..255, or fractions of 1. The message names
            the file.
    """

    def __init__(self, *, mean: float = 127.5, std: float = 127.5) -> None:
        self.mean = mean
        self.std = std

    def transform(self, results: dict) -> dict:
        """Check and scale the colours."""
        colors = columns(results['points'], 'color')
        if len(colors):
            check_colors(colors, scene_name(results))
        colors -= np.float32(self.mean)
        colors /= np.float32(self.std)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(mean={self.mean}, std={self.std})'


@TRANSFORMS.register_module()
class RandomColorShift(BaseTransform):
    """Shift all colours of a scene by one random vector; apply after :class:`NormalizeColor`.

    Args:
        std: Standard deviation of each of the three components, in units of normalised colours.
            Source: 0.1 in the PointGroup family.
    """

    def __init__(self, *, std: float = 0.1) -> None:
        self.std = std

    def transform(self, results: dict) -> dict:
        """Add the shift to every point."""
        rng = draw_generator(results, type(self).__name__)
        colors = columns(results['points'], 'color')
        for channel, shift in enumerate((self.std * rng.standard_normal(3)).astype(np.float32)):
            colors[:, channel] += shift
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(std={self.std})'


@TRANSFORMS.register_module()
class DropColor(BaseTransform):
    """Remove a scene's colours, at random or always: every normalised colour becomes 0.

    0 is mid-grey, the centre of :class:`NormalizeColor`'s range. Apply after it and after
    :class:`RandomColorShift`, which would tint the grey. With ``prob=1``, scans without colours
    (zeros in their files) are grey in training and test.

    Args:
        prob: Probability that a scene loses the colours of all its points, 0..1.

    Raises:
        ValueError: ``prob`` is not within 0..1.
    """

    def __init__(self, *, prob: float) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'DropColor: prob={prob}, expected a probability, 0..1')
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Set the colours of all points to 0, or keep all of them."""
        if draw_generator(results, type(self).__name__).random() < self.prob:
            columns(results['points'], 'color')[:] = 0
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob})'
