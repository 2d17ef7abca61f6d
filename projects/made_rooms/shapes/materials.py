# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Materials of made objects: base colours by substance, textures, reflectance."""

import colorsys
from typing import NamedTuple

import numpy as np

PLAIN, WOOD, FABRIC, TILES, STRIPES, IMAGE, BOOKS, SPECKLE = range(8)


class Material(NamedTuple):
    """Look of a surface, and the share of it that a depth camera misses.

    Attributes:
        rgb: Main colour, linear in [0, 1].
        accent: Second colour, used by the texture.
        texture: One of the texture numbers of this module.
        scale: Size of the texture's pattern, metres.
        dropout: Share of the surface that the depth camera misses (glass, screens, black gloss).
    """

    rgb: tuple[float, float, float]
    accent: tuple[float, float, float]
    texture: int = PLAIN
    scale: float = 0.1
    dropout: float = 0.02


# substance: hue range, saturation range, value range, texture, scale range, dropout
_SUBSTANCES: dict[str, tuple] = {
    'wood': ((0.05, 0.10), (0.25, 0.65), (0.28, 0.75), WOOD, (0.02, 0.06), 0.02),
    'dark wood': ((0.03, 0.08), (0.30, 0.65), (0.14, 0.35), WOOD, (0.02, 0.06), 0.02),
    'white': ((0.08, 0.15), (0.00, 0.08), (0.75, 0.95), PLAIN, (0.1, 0.3), 0.02),
    'paint': ((0.00, 1.00), (0.02, 0.22), (0.60, 0.92), PLAIN, (0.2, 0.6), 0.02),
    'wall': ((0.06, 0.20), (0.02, 0.20), (0.66, 0.92), PLAIN, (0.3, 0.9), 0.015),
    'fabric': ((0.00, 1.00), (0.08, 0.60), (0.18, 0.75), FABRIC, (0.01, 0.04), 0.01),
    'leather': ((0.02, 0.09), (0.10, 0.65), (0.10, 0.45), SPECKLE, (0.02, 0.05), 0.04),
    'bedding': ((0.00, 1.00), (0.02, 0.45), (0.45, 0.92), STRIPES, (0.05, 0.30), 0.01),
    'carpet': ((0.04, 0.14), (0.05, 0.40), (0.28, 0.68), SPECKLE, (0.01, 0.03), 0.01),
    'parquet': ((0.05, 0.10), (0.25, 0.60), (0.35, 0.72), STRIPES, (0.08, 0.14), 0.03),
    'tiles': ((0.07, 0.60), (0.02, 0.15), (0.55, 0.88), TILES, (0.15, 0.40), 0.03),
    'ceramic': ((0.10, 0.16), (0.00, 0.07), (0.84, 0.98), PLAIN, (0.3, 0.6), 0.05),
    'metal': ((0.55, 0.65), (0.00, 0.10), (0.40, 0.75), PLAIN, (0.1, 0.3), 0.10),
    'dark': ((0.00, 1.00), (0.00, 0.30), (0.06, 0.20), PLAIN, (0.1, 0.3), 0.06),
    'plastic': ((0.00, 1.00), (0.10, 0.80), (0.25, 0.90), PLAIN, (0.1, 0.3), 0.02),
    'appliance': ((0.10, 0.60), (0.00, 0.08), (0.55, 0.95), PLAIN, (0.2, 0.5), 0.04),
    'stone': ((0.05, 0.14), (0.02, 0.30), (0.25, 0.75), SPECKLE, (0.01, 0.04), 0.04),
    'curtain': ((0.00, 1.00), (0.03, 0.50), (0.35, 0.90), STRIPES, (0.10, 0.60), 0.02),
    'books': ((0.00, 1.00), (0.20, 0.80), (0.20, 0.85), BOOKS, (0.02, 0.045), 0.02),
    'picture': ((0.00, 1.00), (0.10, 0.70), (0.20, 0.85), IMAGE, (0.10, 0.35), 0.03),
    'glass': ((0.50, 0.62), (0.03, 0.20), (0.70, 0.95), PLAIN, (0.3, 0.6), 0.45),
    'screen': ((0.55, 0.70), (0.00, 0.30), (0.04, 0.14), PLAIN, (0.1, 0.3), 0.30),
    'plant': ((0.24, 0.36), (0.35, 0.75), (0.18, 0.50), SPECKLE, (0.02, 0.05), 0.10),
    'skin': ((0.04, 0.08), (0.30, 0.50), (0.60, 0.85), PLAIN, (0.1, 0.2), 0.02),
}


def draw_material(rng: np.random.Generator, *substances: str) -> Material:
    """Draw a material of one of the named substances.

    Args:
        rng: Source of randomness.
        substances: Keys of the table of substances; one of them is drawn.

    Returns:
        The material, with colours, pattern size and dropout of that substance.
    """
    name = substances[int(rng.integers(len(substances)))]
    hue, saturation, value, texture, scale, dropout = _SUBSTANCES[name]
    hsv = rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value)
    shift = rng.uniform(-0.15, 0.15)
    if texture in (BOOKS, IMAGE):
        shift = rng.uniform(-0.5, 0.5)
    accent = (hsv[0] + 0.4 * shift, hsv[1], min(1.0, max(0.03, hsv[2] + shift)))
    return Material(
        rgb=colorsys.hsv_to_rgb(*hsv),
        accent=colorsys.hsv_to_rgb(accent[0] % 1.0, accent[1], accent[2]),
        texture=texture,
        scale=float(rng.uniform(*scale)),
        dropout=dropout,
    )
