# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Colours under the many names of programs, in three columns or packed into one."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

_CHANNELS = (('red', 'r'), ('green', 'g'), ('blue', 'b'))
_PREFIXES = (
    'color_',
    'colour_',
    'vertex_',
    'vertex_color_',
    'diffuse_',
    'rgb_',
    'col_',
    'point_',
    'color',
    'colour',
    'vertex',
    'diffuse',
)
FAMILIES = (
    ('rf', 'gf', 'bf'),  # fractions, by CloudCompare
    *(tuple(prefix + channel[k] for channel in _CHANNELS) for prefix in _PREFIXES for k in (0, 1)),
    *(
        tuple(f'{channel[k]}_{word}' for channel in _CHANNELS)
        for word in ('color', 'channel')
        for k in (0, 1)
    ),
)
"""Names of three columns, tried if the plain names are missing."""
_PACKED = ('rgb', 'rgba', 'packed_rgb', 'packed_rgba', 'rgb_packed', 'rgba_packed', 'packed_color')
_HARMONICS = ('f_dc_0', 'f_dc_1', 'f_dc_2')
_OF_HARMONICS = 0.28209479177387814  # the constant spherical harmonic, 1 / (2 √π)
_GREY = 128
_HOLE_BITS = (0x7FC00000, 0xFFC00000)


class FoundColors(NamedTuple):
    """Colours ``(P, 3)``, or None if there are none, and remarks on them."""

    colors: np.ndarray | None
    notes: tuple[str, ...] = ()


def further_colors(by_name: Mapping[str, np.ndarray]) -> FoundColors:
    """Find colours under other names than red, green, blue.

    Args:
        by_name: ``(P,)`` column of each plain name.

    Returns:
        Colours in their original range; those of Gaussian splats (``f_dc_0`` …) as fractions of 1.
    """
    for names in FAMILIES:
        if all(name in by_name for name in names):
            return FoundColors(colors=np.stack([by_name[name] for name in names], axis=1))
    for name in _PACKED:
        if name in by_name and _may_be_packed(by_name[name].dtype):
            return _unpacked(by_name[name])
    if all(name in by_name for name in _HARMONICS):
        values = np.stack([by_name[name] for name in _HARMONICS], axis=1)
        return FoundColors(colors=(0.5 + _OF_HARMONICS * values.astype(np.float64)).clip(0, 1))
    return FoundColors(colors=None)


def _unpacked(values: np.ndarray) -> FoundColors:
    """Unpack the bytes a r g b of 32-bit integers, or of floats with the same bits.

    Packed floats are NaN if alpha is 255 and red is at least 128. A text file does not keep the
    bits of a NaN, so these colours are lost; a binary file does keep them. If all NaN of a file
    have the bits of a NaN that was read from text, they are lost too. The same applies to infinity.
    """
    bits, is_lost = _bits(values)
    channels = np.stack([bits >> shift & 255 for shift in (16, 8, 0)], axis=1).astype(np.uint8)
    if not is_lost.any():
        return FoundColors(colors=channels)
    channels[is_lost] = _GREY
    note = f'{_share(is_lost)} of the packed colours are lost (nan); these points are grey'
    return FoundColors(colors=None if is_lost.all() else channels, notes=(note,))


def _may_be_packed(kind: np.dtype) -> bool:
    return kind.kind in 'iuf' and kind.itemsize >= 4


def _share(chosen: np.ndarray) -> str:
    share = 100 * chosen.mean()
    return f'{share:.0f} %' if share >= 1 else f'{np.count_nonzero(chosen)}'


def _bits(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bits ``(P,)`` uint32, and a mask of those that are lost."""
    if values.dtype.kind in 'iu':
        return values.astype(np.int64).astype(np.uint32), np.zeros(len(values), dtype=bool)
    if _are_whole(values):
        is_known = np.isfinite(values)
        return np.where(is_known, values, 0).astype(np.int64).astype(np.uint32), ~is_known
    with np.errstate(over='ignore'):
        bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    is_odd = ~np.isfinite(values)
    is_hole = np.isin(bits, _HOLE_BITS)
    if (np.isnan(values) & ~is_hole).any():  # this file keeps the bits of NaN
        return bits, is_odd & (bits == _HOLE_BITS[0])
    return bits, is_odd


def _are_whole(values: np.ndarray) -> bool:
    """Return whether floats are the integers themselves, as in text, and not all zero or NaN."""
    known = values[np.isfinite(values)]
    fits = (known >= -(2**31)) & (known < 2**32) & (known == np.floor(known))
    return len(known) > 0 and bool(fits.all()) and bool((known != 0).any())
