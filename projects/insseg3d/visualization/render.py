# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Rendering of point clouds without a display: splats with depth, on the CPU."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .palette import object_colors, shaded_colors
from .room import RoomFrame, facing_sides, room_frame, wall_sides
from .scene import Scene, compare

BACKGROUND = (250, 250, 251)
_FIELD_OF_VIEW = np.deg2rad(34)


def render_views(
    scene: Scene,
    *,
    width: int = 480,
    height: int = 400,
    azimuth: float = -60.0,
    elevation: float = 48.0,
    captions: bool = True,
    background: tuple[int, int, int] = BACKGROUND,
) -> np.ndarray:
    """Render input colours, prediction and ground truth (where available) side by side.

    The ceiling and the walls towards the viewer are omitted.

    Args:
        scene: Scene to show.
        width: Width of one view, pixels.
        height: Height of one view, pixels.
        azimuth: Direction of the viewer, degrees from the room's own first direction.
        elevation: Elevation of the viewer, degrees above the horizon.
        captions: Write a caption below each view.
        background: Colour behind the points.

    Returns:
        ``(height, n · width, 3)`` uint8; captions add to the height.
    """
    panels = [('input', scene.rgb)]
    comparison = None
    if scene.pred is not None and scene.truth is not None:
        comparison = compare(scene.pred, scene.truth)
    pred_colors, truth_colors = object_colors(scene, comparison)
    if scene.pred is not None:
        panels.append(('prediction', shaded_colors(scene.pred, pred_colors, scene.rgb)))
    if scene.truth is not None:
        panels.append(('ground truth', shaded_colors(scene.truth, truth_colors, scene.rgb)))
    return render_panels(
        scene.coords,
        panels,
        width=width,
        height=height,
        azimuth=azimuth,
        elevation=elevation,
        captions=captions,
        background=background,
    )


def render_panels(
    coords: np.ndarray,
    panels: Sequence[tuple[str, np.ndarray]],
    *,
    width: int = 480,
    height: int = 400,
    azimuth: float = -60.0,
    elevation: float = 48.0,
    captions: bool = True,
    background: tuple[int, int, int] = BACKGROUND,
) -> np.ndarray:
    """Render one scan several times side by side, in different colours.

    See :func:`render_views` for the arguments not listed here.

    Args:
        coords: ``(P, 3)`` metres.
        panels: A caption and ``(P, 3)`` uint8 colours for each view.
    """
    frame = room_frame(coords)
    visible, angle = visible_points(coords, frame, azimuth=azimuth)
    images = []
    for caption, colors in panels:
        image = render_points(
            coords[visible],
            colors[visible],
            frame=frame,
            width=width,
            height=height,
            azimuth=angle,
            elevation=elevation,
            background=background,
        )
        images.append(_with_caption(image, caption, background) if captions else image)
    return np.concatenate(images, axis=1)


def visible_points(
    coords: np.ndarray, frame: RoomFrame, *, azimuth: float
) -> tuple[np.ndarray, float]:
    """Omit the ceiling and the walls between the viewer and the room.

    Args:
        coords: ``(P, 3)`` metres.
        frame: Frame of the same scan.
        azimuth: Direction of the viewer, degrees from the room's own first direction.

    Returns:
        ``(P,)`` bool, and the azimuth in radians from the x axis.
    """
    angle = np.deg2rad(azimuth) + np.arctan2(frame.axes[0, 1], frame.axes[0, 0])
    visible = (wall_sides(coords, frame) & facing_sides(frame, angle)) == 0
    if frame.ceiling is not None:
        visible &= coords[:, 2] < frame.ceiling
    return visible, float(angle)


def render_points(
    coords: np.ndarray,
    rgb: np.ndarray,
    *,
    frame: RoomFrame,
    width: int,
    height: int,
    azimuth: float,
    elevation: float,
    background: tuple[int, int, int] = BACKGROUND,
) -> np.ndarray:
    """Draw coloured points in perspective, with edges darkened by depth.

    Args:
        coords: ``(P, 3)`` metres.
        rgb: ``(P, 3)`` uint8.
        frame: The room that fills the picture.
        width: Width, pixels.
        height: Height, pixels.
        azimuth: Direction of the viewer, radians from the x axis.
        elevation: Elevation of the viewer, degrees above the horizon.
        background: Colour behind the points.

    Returns:
        ``(height, width, 3)`` uint8.
    """
    scale = 2  # supersampling
    size = (height * scale, width * scale)
    screen, depth, focal = _project(coords, frame, size, azimuth, np.deg2rad(elevation))
    radius = np.clip(1.15 * frame.spacing * focal / np.maximum(depth, 1e-6), 0.8, 9.0)
    nearest = _splat(screen, depth, radius, size)
    hit = nearest >= 0
    image = np.empty((*size, 3))
    image[:] = background
    image[hit] = rgb[nearest[hit]]
    depths = np.full(size, np.inf)
    depths[hit] = depth[nearest[hit]]
    image[hit] *= _edge_shade(depths)[hit][:, None]
    image = image.reshape(height, scale, width, scale, 3).mean(axis=(1, 3))
    return np.round(image).clip(0, 255).astype(np.uint8)


def save_png(path: str | Path, image: np.ndarray) -> None:
    """Write an image (H, W, 3) uint8; its folder is created if necessary."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, format='PNG', optimize=True)


def _project(coords, frame, size, azimuth, elevation):
    """Return screen positions (P, 2) as row, column; depths (P,); the focal length in pixels."""
    toward = np.array(
        [
            np.cos(azimuth) * np.cos(elevation),
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
        ]
    )
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    up = np.cross(toward, right)
    base = np.append(frame.centre, frame.floor)
    corners = _corners(frame) - base
    focal = 0.5 * size[0] / np.tan(_FIELD_OF_VIEW / 2)
    # Find the nearest distance, and the target, for which all corners fit into the picture.
    target = base.copy()
    for _ in range(12):
        relative = corners + base - target
        distance = 0.0
        for axis, extent in ((right, size[1]), (up, size[0])):
            need = np.abs(relative @ axis) * focal / (0.48 * extent) + relative @ toward
            distance = max(distance, float(need.max()))
        depth = distance - relative @ toward
        for axis in (right, up):
            slope = relative @ axis / depth
            target = target + axis * distance * (slope.max() + slope.min()) / 2
    relative = coords - target
    depth = distance - relative @ toward
    safe = np.maximum(depth, 1e-6)
    column = size[1] / 2 + focal * (relative @ right) / safe
    row = size[0] / 2 - focal * (relative @ up) / safe
    return np.stack([row, column], axis=1), depth, focal


def _corners(frame: RoomFrame) -> np.ndarray:
    signs = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    plan = frame.centre + (signs * frame.half) @ frame.axes
    return np.concatenate(
        [np.column_stack([plan, np.full(4, height)]) for height in (frame.floor, frame.top)]
    )


def _splat(screen, depth, radius, size) -> np.ndarray:
    """Find the nearest point at each pixel, ``(H, W)`` indices, -1 for none."""
    height, width = size
    order = np.argsort(depth, kind='stable')
    rank = np.empty(len(depth), dtype=np.int64)
    rank[order] = np.arange(len(depth))
    buffer = np.full(height * width, len(depth), dtype=np.int64)
    row, column = np.floor(screen).astype(np.int64).T
    reach = int(np.ceil(radius.max(initial=0.0)))
    for down in range(-reach, reach + 1):
        for across in range(-reach, reach + 1):
            y, x = row + down, column + across
            inside = (down**2 + across**2 <= radius**2) & (depth > 0.05)
            inside &= (y >= 0) & (y < height) & (x >= 0) & (x < width)
            np.minimum.at(buffer, y[inside] * width + x[inside], rank[inside])
    return np.append(order, -1)[buffer].reshape(height, width)


def _edge_shade(depths: np.ndarray) -> np.ndarray:
    """Compute shades that darken pixels behind their neighbours, to emphasise shapes."""
    log_depth = np.log2(np.where(np.isfinite(depths), depths, 1e4))
    behind = np.zeros_like(log_depth)
    for down, across in ((0, 2), (0, -2), (2, 0), (-2, 0), (2, 2), (-2, -2), (2, -2), (-2, 2)):
        neighbour = np.roll(log_depth, (down, across), axis=(0, 1))
        behind += np.clip(log_depth - neighbour, 0.0, 0.05)
    return np.exp(-3.2 * behind)


def _with_caption(image: np.ndarray, caption: str, background: Sequence[int]) -> np.ndarray:
    strip = Image.new('RGB', (image.shape[1], 30), tuple(background))
    font = ImageFont.load_default(size=16)
    ImageDraw.Draw(strip).text(
        (image.shape[1] / 2, 14), caption, fill=(70, 74, 82), font=font, anchor='mm'
    )
    return np.concatenate([image, np.asarray(strip)], axis=0)
