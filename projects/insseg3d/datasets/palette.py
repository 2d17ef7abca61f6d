# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Colours for datasets without a palette of their own."""

import colorsys


def make_palette(num_colors: int) -> list[list[int]]:
    """Make ``num_colors`` colours whose hues differ strongly between neighbouring classes.

    The hue advances by the golden section; saturation and value alternate.
    """
    palette = []
    for k in range(num_colors):
        color = colorsys.hsv_to_rgb(k * 0.618034 % 1, (0.55, 0.8)[k % 2], (0.95, 0.7, 0.85)[k % 3])
        palette.append([round(255 * channel) for channel in color])
    return palette
