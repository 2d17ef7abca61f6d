# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The range of stored colours, inferred from their type and from most of their values."""

from typing import NamedTuple

import numpy as np

GREY = 127.5
"""Colour, of 0..255, of scans without colours, in files and in the model's input."""
_BITS = {255.0: '8', 1023.0: '10', 4095.0: '12', 65535.0: '16'}
_MOST_BRIGHTER = 0.1  # share of highlights among fractions; only fractions lie between 0 and 1
_MOST_ABOVE = 0.01  # the same for whole numbers; a larger share indicates the next range
_ROUNDING = 1e-5  # of 32-bit floats above 1
_FULL = 16383.0  # 16-bit colours exceed this unless the scan is dark


class ColorRange(NamedTuple):
    """A range of colours and its certainty.

    Attributes:
        most: Upper end of the range: 1, 255, 1023, 4095 or 65535.
        sure: Whether any other range is unlikely.
        above: Number of larger values, which are clipped.
        largest: Largest value.
    """

    most: float
    sure: bool
    above: int
    largest: float

    def __str__(self) -> str:
        bits = f' ({_BITS[self.most]} bits)' if self.most > 255 else ''
        text = f'colours of 0..{self.most:g}{bits}, the largest is {self.largest:.7g}'
        values = 'value is' if self.above == 1 else 'values are'
        return text + (f'; {self.above} {values} above and clipped' if self.above else '')


def find_color_range(colors: np.ndarray) -> ColorRange | None:
    """Infer the range of colours.

    A single value never decides. Floats are fractions if at least nine in ten of those above 0 are
    at most 1 and not all whole. Otherwise, the range is the first of 8, 10, 12 and 16 bits with
    hardly a value beyond it.

    Args:
        colors: ``(P, 3)`` colours in the type in which they were stored.

    Returns:
        The range, or None if there are no values, or if one is NaN, negative or above 65535.
    """
    if not colors.size:
        return None
    largest = float(colors.max())
    if not (float(colors.min()) >= 0 and largest <= 65535):  # also true for NaN
        return None
    if colors.dtype.kind == 'f' and _are_fractions(colors, largest):
        above = int(np.count_nonzero(colors > 1 + _ROUNDING))
        return ColorRange(1.0, above == 0, above, largest)
    if largest <= 255:  # only 0 and 1: possibly fractions that were cast to whole numbers
        return ColorRange(255.0, largest > 1, 0, largest)
    for most in _BITS:
        above = int(np.count_nonzero(colors > most))
        if above <= _MOST_ABOVE * np.count_nonzero((colors > 0) & (colors <= most)):
            break
    bright = np.count_nonzero(colors > _FULL) > _MOST_ABOVE * colors.size
    is_sure = most == 65535 and colors.dtype == np.uint16 and bool(bright)
    return ColorRange(most, is_sure, above, largest)


def given_color_range(colors: np.ndarray, most: float) -> ColorRange | None:
    """Check colours against a known range.

    Args:
        colors: ``(P, 3)`` of any type.
        most: Upper end of the range: 1, 255, 1023, 4095 or 65535.

    Returns:
        The range, or None if more than a few values exceed it, there are no values, or one is NaN
        or negative.
    """
    if not colors.size or not float(colors.min()) >= 0:
        return None
    above = int(np.count_nonzero(~(colors <= most * (1 + _ROUNDING))))
    share = _MOST_BRIGHTER if most == 1 else _MOST_ABOVE
    if above > share * np.count_nonzero((colors > 0) & (colors <= most)):
        return None
    return ColorRange(most, True, above, float(colors.max()))


def to_bytes(colors: np.ndarray, most: float) -> np.ndarray:
    """Scale colours to 0..255, rounded, ``(P, 3)`` float64; values above the range are clipped.

    Args:
        colors: ``(P, 3)``.
        most: Upper end of the range, from :func:`find_color_range`.
    """
    return np.round(np.minimum(np.asarray(colors, dtype=np.float64), most) * (255 / most))


def is_one_color(colors: np.ndarray) -> bool:
    """Tell whether all points have the same colour, which carries no information.

    Args:
        colors: ``(P, 3)``, P > 0.
    """
    return bool((colors == colors[0]).all())


def _are_fractions(colors: np.ndarray, largest: float) -> bool:
    if largest <= 1:
        return True
    brighter = np.count_nonzero(colors > 1)
    inside = (colors > 0) & (colors < 1)
    return brighter <= _MOST_BRIGHTER * np.count_nonzero(inside)
