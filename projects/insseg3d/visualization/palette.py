# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Colours of objects: distinct for every kind of colour vision, identical in every run."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..structures import InstanceMap
from .scene import Comparison, Scene, overlaps

PALETTE_SIZE = 28
_NEAR_METRES = 1.2


def instance_palette(count: int) -> np.ndarray:
    """Return ``(count, 3)`` uint8 colours, the most distinct ones first.

    The distance of two colours is the smallest one over normal vision and vision without red,
    green or blue cones. A longer palette begins with the shorter one; after 28 colours it repeats.
    There are no greys, which are reserved for points without an object.
    """
    return _palette()[np.arange(count) % PALETTE_SIZE].copy()


def neutral_colors(rgb: np.ndarray) -> np.ndarray:
    """Compute pale greys of the scan's own brightness, for points without an object.

    Args:
        rgb: ``(P, 3)`` uint8.

    Returns:
        ``(P, 3)`` uint8.
    """
    brightness = rgb.astype(np.float64) @ (0.299, 0.587, 0.114)
    grey = 96 + 0.42 * brightness
    return np.round(grey[:, None] * (0.985, 1.0, 1.02)).clip(0, 255).astype(np.uint8)


def shaded_colors(objects: InstanceMap, colors: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """Colour all points by object, with some of the scan's light and shade.

    Args:
        objects: Q objects of P points.
        colors: ``(Q, 3)`` uint8.
        rgb: ``(P, 3)`` uint8 colours of the scan.

    Returns:
        ``(P, 3)`` uint8.
    """
    brightness = rgb.astype(np.float64) @ (0.299, 0.587, 0.114) / 255
    result = neutral_colors(rgb)
    inside = objects.instance >= 0
    shade = 0.74 + 0.4 * brightness[inside, None]
    painted = colors[objects.instance[inside]] * shade
    result[inside] = np.round(painted).clip(0, 255).astype(np.uint8)
    return result


def object_colors(
    scene: Scene, comparison: Comparison | None = None
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Choose colours for the scene's objects that differ between neighbours.

    A predicted object that covers a true one (IoU > 1/2, of any class) gets its colour, which
    makes the match visible.

    Returns:
        ``(Q, 3)`` and ``(G, 3)`` uint8 of predicted and true objects; None if the scene has none.
    """
    palette, chooser = instance_palette(PALETTE_SIZE), _Chooser()
    truth_index = pred_index = None
    if scene.truth is not None:
        truth_index = [chooser(centre) for centre in _centres(scene.coords, scene.truth)]
    if scene.pred is not None:
        pred_index = []
        for row, centre in enumerate(_centres(scene.coords, scene.pred)):
            if truth_index and comparison is not None and comparison.iou[row] > 0.5:
                pred_index.append(truth_index[comparison.match[row]])
            else:
                pred_index.append(chooser(centre))

    def colors_of(index: list[int] | None) -> np.ndarray | None:
        return None if index is None else palette[np.array(index, dtype=np.int64)]

    return colors_of(pred_index), colors_of(truth_index)


def matched_colors(coords: np.ndarray, maps: Sequence[InstanceMap]) -> list[np.ndarray]:
    """Choose colours for several maps of one scan; matching objects share a colour.

    An object takes the colour of the object that covers it (IoU > 1/2, of any class) in the
    earliest map, unless another object of its own map already has it; otherwise a new colour.

    Args:
        coords: ``(P, 3)`` metres.
        maps: Maps of the same P points; ground truth first, if there is one.

    Returns:
        ``(Q, 3)`` uint8 for each map.
    """
    chooser, taken = _Chooser(), []
    colors = []  # index into the palette, for every distinct object so far
    for number, objects in enumerate(maps):
        own = np.full(len(objects.labels), -1, dtype=np.int64)
        for before, other in zip(maps[:number], taken):
            iou = overlaps(objects, before)
            for row, column in zip(*np.nonzero(iou > 0.5)):
                if own[row] < 0 and other[column] not in own:
                    own[row] = other[column]
        for row, centre in enumerate(_centres(coords, objects)):
            if own[row] < 0:
                own[row] = len(colors)
                colors.append(chooser(centre))
        taken.append(own)
    palette = instance_palette(PALETTE_SIZE)
    return [palette[np.array(colors, dtype=np.int64)[own]] for own in taken]


class _Chooser:
    """Chooser of colours, object by object, that differ from those of their neighbours."""

    def __init__(self) -> None:
        self._centres: list[np.ndarray] = []
        self._chosen: list[int] = []

    def __call__(self, centre: np.ndarray) -> int:
        cost = np.zeros(PALETTE_SIZE)
        if self._centres:
            distance = np.linalg.norm(np.array(self._centres) - centre, axis=1)
            cost = np.exp(-distance / _NEAR_METRES) @ _closeness()[self._chosen]
        index = int(np.argmin(cost.round(9) + 1e-6 * np.arange(PALETTE_SIZE)))
        self._centres.append(centre)
        self._chosen.append(index)
        return index


def _centres(coords: np.ndarray, objects: InstanceMap) -> np.ndarray:
    inside = objects.instance >= 0
    count = np.maximum(objects.sizes, 1)
    sums = [
        np.bincount(objects.instance[inside], coords[inside, axis], minlength=len(count))
        for axis in range(3)
    ]
    return np.stack(sums, axis=1) / count[:, None]


@lru_cache(maxsize=1)
def _palette() -> np.ndarray:
    """Pick colours one by one, each farthest from the earlier ones (in OKLab)."""
    light, chroma, hue = (
        values.ravel()
        for values in np.meshgrid(
            [0.52, 0.64, 0.76, 0.86], [0.11, 0.15, 0.19], np.arange(0, 360, 6), indexing='ij'
        )
    )
    angle = np.deg2rad(hue)
    lab = np.stack([light, chroma * np.cos(angle), chroma * np.sin(angle)], axis=1)
    rgb = _oklab_to_srgb(lab)
    inside = ((rgb >= 0) & (rgb <= 1)).all(axis=1)
    lab, rgb = lab[inside], rgb[inside]
    seen = seen_by_all(rgb)
    distance = np.full(len(lab), np.inf)
    picked = [int(np.argmin(np.abs(lab - (0.64, -0.04, -0.14)).sum(axis=1)))]  # a clear blue
    while len(picked) < PALETTE_SIZE:
        away = np.linalg.norm(seen - seen[:, picked[-1:]], axis=2).min(axis=0)
        distance = np.minimum(distance, away.round(9))
        picked.append(int(distance.argmax()))
    return np.round(rgb[picked] * 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _closeness() -> np.ndarray:
    """Compute how easily two palette colours are confused, ``(28, 28)``."""
    seen = seen_by_all(_palette() / 255)
    distance = np.linalg.norm(seen[:, :, None] - seen[:, None], axis=3).min(axis=0)
    return 1 / (distance**2 + 1e-3)


# Source: B. Ottosson, "A perceptual color space for image processing" (OKLab).
_LMS_FROM_LAB = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_RGB_FROM_LMS = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


# Source: Machado, Oliveira, Fernandes 2009, "A Physiologically-based Model for Simulation of Color
# Vision Deficiency", at severity 1: without red, green and blue cones; on linear RGB.
_DEFICIENT = np.array(
    [
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ],
    ]
)


def seen_by_all(rgb: np.ndarray) -> np.ndarray:
    """Simulate four kinds of vision: with all cones, and without red, green or blue ones.

    Args:
        rgb: ``(C, 3)`` sRGB in 0..1.

    Returns:
        ``(4, C, 3)`` in OKLab.
    """
    linear = _linear(rgb)
    seen = np.concatenate([linear[None], linear @ _DEFICIENT.transpose(0, 2, 1)])
    return _linear_to_oklab(seen.clip(0, 1))


def _oklab_to_srgb(lab: np.ndarray) -> np.ndarray:
    linear = ((lab @ _LMS_FROM_LAB.T) ** 3) @ _RGB_FROM_LMS.T
    return np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    )


def _linear(rgb: np.ndarray) -> np.ndarray:
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clip(0) + 0.055) / 1.055) ** 2.4)


def _linear_to_oklab(linear: np.ndarray) -> np.ndarray:
    return np.cbrt(linear @ np.linalg.inv(_RGB_FROM_LMS).T) @ np.linalg.inv(_LMS_FROM_LAB).T
