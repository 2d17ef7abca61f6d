# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A piece after it was placed in a room."""

from dataclasses import dataclass

import numpy as np

from ..shapes.surfaces import Surface


@dataclass(eq=False, kw_only=True)
class Placed:
    """A piece in the room.

    Attributes:
        label: Raw category.
        kind: Class among ``KINDS``; None for walls, floor and small things.
        surfaces: Surfaces in room coordinates.
        tops: Support rectangles in the piece's own frame, see ``Furniture``.
        angle: Rotation about z, radians.
        offset: (3,) shift after the rotation, metres.
        corners: (4, 2) footprint, metres.
        span: Lowest and highest z, metres.
    """

    label: str
    kind: str | None
    surfaces: list[Surface]
    tops: list
    angle: float
    offset: np.ndarray
    corners: np.ndarray
    span: tuple[float, float]

    @classmethod
    def built_in(
        cls,
        label: str,
        surfaces: list[Surface],
        corners: np.ndarray,
        span: tuple[float, float],
    ) -> 'Placed':
        """Wrap a part of the building: of no kind, not turned, without tops."""
        return cls(
            label=label,
            kind=None,
            surfaces=surfaces,
            tops=[],
            angle=0.0,
            offset=np.zeros(3),
            corners=corners,
            span=span,
        )
