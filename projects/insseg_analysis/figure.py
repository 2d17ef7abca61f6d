# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A picture of scenes with the results of several methods."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from insseg3d.visualization.palette import matched_colors, shaded_colors
from insseg3d.visualization.render import BACKGROUND, render_panels
from insseg3d.visualization.scene import InstanceMap, Scene

_INK = (70, 74, 82)
_LINE = 26  # pixels of a line of the legend


class MethodResult(NamedTuple):
    """The result of a method for a scene.

    Attributes:
        name: The caption.
        objects: Objects of the scene's points.
        semantic: ``(P,)`` class index of each point, K for none; None if the method has none.
    """

    name: str
    objects: InstanceMap
    semantic: np.ndarray | None = None


def method_panels(
    scene: Scene, results: Sequence[MethodResult], class_colors: np.ndarray
) -> list[tuple[str, np.ndarray]]:
    """Return captions and colours of all views: input, semantics, instances, ground truth.

    Objects that cover each other (IoU > 1/2) have one colour in all views.

    Args:
        scene: Scene with or without ground truth; its prediction is not shown.
        results: Results of the methods, in the order of the views.
        class_colors: ``(K, 3)`` uint8.

    Returns:
        A caption and ``(P, 3)`` uint8 each.
    """
    maps = [result.objects for result in results]
    if scene.truth is not None:
        maps = [scene.truth, *maps]
    colors = [
        shaded_colors(objects, chosen, scene.rgb)
        for objects, chosen in zip(maps, matched_colors(scene.coords, maps))
    ]
    panels = [('input', scene.rgb)]
    for result in results:
        if result.semantic is not None:
            semantic = np.where(result.semantic < len(class_colors), result.semantic, -1)
            classes = InstanceMap(semantic, np.arange(len(class_colors)))
            panels.append(
                (f'{result.name}: classes', shaded_colors(classes, class_colors, scene.rgb))
            )
    panels += [
        (result.name, painted)
        for result, painted in zip(results, colors[-len(results) :] if results else ())
    ]
    if scene.truth is not None:
        panels.append(('ground truth', colors[0]))
    return panels


def draw_figure(
    rows: Sequence[tuple[Scene, Sequence[MethodResult]]],
    *,
    classes: Sequence[str],
    class_colors: np.ndarray,
    width: int = 480,
    height: int = 400,
    azimuth: float = -60.0,
    elevation: float = 48.0,
) -> np.ndarray:
    """Draw a row per scene and a column per view, with captions below; no display is needed.

    Where a method has a semantic prediction, a legend names the classes in it.

    Args:
        rows: Scenes, each with the results of the same methods.
        classes: K names.
        class_colors: ``(K, 3)`` uint8.
        width: Of one view, pixels.
        height: Of one view, pixels.
        azimuth: Direction of the viewer, degrees from the room's own first direction.
        elevation: Degrees above the horizon.

    Returns:
        ``(height, width, 3)`` uint8.

    Raises:
        ValueError: The rows would have other numbers of views.
    """
    panels = [method_panels(scene, results, class_colors) for scene, results in rows]
    captions = [[caption for caption, _ in row] for row in panels]
    if any(row != captions[0] for row in captions):
        raise ValueError(
            f'views of the scenes differ: {captions}; expected the same methods, and ground truth '
            'of all scenes or of none'
        )
    images = [
        render_panels(
            scene.coords,
            row,
            width=width,
            height=height,
            azimuth=azimuth,
            elevation=elevation,
            captions=number == len(rows) - 1,
        )
        for number, ((scene, _), row) in enumerate(zip(rows, panels))
    ]
    shown = [
        result.semantic for _, results in rows for result in results if result.semantic is not None
    ]
    if shown:
        found = np.unique(np.concatenate(shown))
        entries = [(classes[k], class_colors[k]) for k in found[found < len(classes)]]
        images.append(_legend(entries, images[0].shape[1]))
    return np.concatenate(images)


def _legend(entries: Sequence[tuple[str, np.ndarray]], width: int) -> np.ndarray:
    """Draw names and their colours, as many to a line as there is room for."""
    font = ImageFont.load_default(size=15)
    places, left, top = [], 12.0, 6
    for name, _ in entries:
        length = 34 + font.getlength(name)
        if left + length > width and left > 12:
            left, top = 12.0, top + _LINE
        places.append((left, top))
        left += length
    image = Image.new('RGB', (width, top + _LINE), BACKGROUND)
    draw = ImageDraw.Draw(image)
    for (name, color), (left, top) in zip(entries, places):
        draw.rectangle((left, top + 3, left + 13, top + 16), fill=tuple(map(int, color)))
        draw.text((left + 18, top + 10), name, fill=_INK, font=font, anchor='lm')
    return np.asarray(image)
