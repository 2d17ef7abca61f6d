# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A piece of furniture before it is placed in a room."""

from dataclasses import dataclass, field

import numpy as np

from ..shapes.surfaces import Surface, bounds


@dataclass
class Furniture:
    """A piece around the origin: width along x, back at y = 0, front towards +y, z up.

    Attributes:
        label: Raw category, as an annotator would type it.
        surfaces: Skin of the piece.
        tops: Rectangles to put things on: (x0, y0, x1, y1, z) in metres.
    """

    label: str
    surfaces: list[Surface]
    tops: list[tuple[float, float, float, float, float]] = field(default_factory=list)

    @property
    def low(self) -> np.ndarray:
        """Lowest corner (3,) of the bounding box."""
        return bounds(self.surfaces)[0]

    @property
    def high(self) -> np.ndarray:
        """Highest corner (3,) of the bounding box."""
        return bounds(self.surfaces)[1]


def choose(rng: np.random.Generator, *options):
    """Draw one of the options with equal probability."""
    return options[int(rng.integers(len(options)))]
