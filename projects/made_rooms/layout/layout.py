# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Layout of a room: a rectangular or L-shaped floor, and pieces that do not collide on it.

Walls are numbered anti-clockwise seen from above (k = 0 along y = 0); the inward side of a wall is
the local +y.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..furniture import KINDS, Furniture
from ..shapes.surfaces import moved
from .footprints import SLACK, rectangles_overlap
from .placed import Placed


@dataclass
class Layout:
    """A room being furnished.

    Attributes:
        rng: Source of randomness.
        size: Width (x), depth (y), height (z) in metres.
        kinds: Kinds that may be placed.
        capacity: Greatest number of objects of ``KINDS``.
        placed: Pieces placed so far.
        stretch: Factors of width, depth and height by kind; see ``pieces.FURNITURE``.
        holes: Openings (t0, t1, z0, z1) of each of the four walls, metres.
    """

    rng: np.random.Generator
    size: tuple[float, float, float]
    kinds: frozenset[str] = frozenset(KINDS)
    capacity: int = 30
    stretch: Mapping = field(default_factory=dict)
    placed: list[Placed] = field(default_factory=list)
    holes: list[list[tuple[float, float, float, float]]] = field(
        default_factory=lambda: [[], [], [], []]
    )
    _blocked: list[tuple[np.ndarray, float, float]] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Number of objects of ``KINDS`` placed so far."""
        return sum(p.kind is not None for p in self.placed)

    def allows(self, kind: str) -> bool:
        """Return whether one more object of the kind may be placed."""
        return kind in self.kinds and self.count < self.capacity

    def wall(self, k: int) -> tuple[np.ndarray, float, float]:
        """Return start (2,), angle and length of wall k."""
        w, d, _ = self.size
        start = ((0.0, 0.0), (w, 0.0), (w, d), (0.0, d))[k]
        return np.array(start), k * np.pi / 2, (w, d, w, d)[k]

    def block(self, corners: np.ndarray, z0: float, z1: float) -> None:
        """Keep a space free, such as the one in front of a door."""
        self._blocked.append((np.asarray(corners, dtype=np.float64), z0, z1))

    def is_free(
        self, corners: np.ndarray, z0: float, z1: float, ignore: Sequence[Placed] = ()
    ) -> bool:
        """Return whether a footprint (4, 2) between two heights is in the room and hits nothing."""
        w, d, _ = self.size
        if corners.min() < -SLACK or (corners > np.array([w, d]) + SLACK).any():
            return False
        others = [
            p.corners
            for p in self.placed
            if p not in ignore and p.span[0] < z1 - 0.002 and p.span[1] > z0 + 0.002
        ]
        others += [c for c, low, high in self._blocked if low < z1 and high > z0]
        return not others or not rectangles_overlap(corners, np.stack(others)).any()

    def put(
        self,
        piece: Furniture,
        kind: str | None,
        angle: float,
        at: Sequence[float],
        *,
        z: float = 0.0,
        ignore: Sequence[Placed] | None = (),
    ) -> Placed | None:
        """Place a piece with its origin at ``at`` (x, y), unless it collides.

        Args:
            piece: Piece to place.
            kind: Class among ``KINDS`` or None.
            angle: Rotation about z, radians.
            at: Position (x, y) of the piece's origin, metres.
            z: Height of the piece's origin, metres.
            ignore: Pieces that it may overlap; None places it in any case.

        Returns:
            The placed piece, or None if there is no room for it.
        """
        low, high = piece.low, piece.high
        corners = np.array(
            [[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]]
        )
        cos, sin = np.cos(angle), np.sin(angle)
        corners = corners @ np.array([[cos, sin], [-sin, cos]]) + np.asarray(at)
        span = (z + low[2], z + high[2])
        if ignore is not None and not self.is_free(corners, *span, ignore):
            return None
        offset = np.array([at[0], at[1], z])
        placed = Placed(
            label=piece.label,
            kind=kind,
            surfaces=moved(piece.surfaces, angle=angle, offset=offset),
            tops=piece.tops,
            angle=angle,
            offset=offset,
            corners=corners,
            span=span,
        )
        self.placed.append(placed)
        return placed

    def at_wall(
        self,
        piece: Furniture,
        kind: str | None,
        *,
        tries: int = 24,
        z: float = 0.0,
        gap: float | None = None,
        ignore: Sequence[Placed] = (),
    ) -> Placed | None:
        """Place a piece with its back to a random wall, next to a neighbour if it fits there."""
        low, high = piece.low, piece.high
        for attempt in range(tries):
            k = int(self.rng.integers(4))
            start, angle, length = self.wall(k)
            spare = length - (high[0] - low[0])
            if spare < 0:
                continue
            t = self.rng.uniform(0, spare) - low[0]
            neighbours = [p for p in self.placed if p.kind and self._wall_of(p) == k]
            if neighbours and attempt % 3 < 2:
                t = self._beside(
                    neighbours[int(self.rng.integers(len(neighbours)))],
                    start,
                    angle,
                    low[0],
                    high[0],
                )
            elif self.rng.random() < 0.25:
                t = (-low[0], length - high[0])[int(self.rng.integers(2))]
            away = (self.rng.uniform(0.0, 0.04) if gap is None else gap) - min(0.0, low[1])
            along = np.array([np.cos(angle), np.sin(angle)])
            inward = np.array([-np.sin(angle), np.cos(angle)])
            placed = self.put(
                piece, kind, angle, start + t * along + away * inward, z=z, ignore=ignore
            )
            if placed:
                return placed
        return None

    def _wall_of(self, placed: Placed) -> int | None:
        """Return the number of the wall behind a piece, or None."""
        k = round(placed.angle / (np.pi / 2)) % 4
        start, angle, _ = self.wall(k)
        if abs(np.sin(placed.angle - angle)) > 0.01 or placed.span[0] > 0.3:
            return None
        inward = np.array([-np.sin(angle), np.cos(angle)])
        return k if ((placed.corners - start) @ inward).min() < 0.15 else None

    def _beside(
        self, other: Placed, start: np.ndarray, angle: float, low: float, high: float
    ) -> float:
        """Draw a position along a wall, close to a neighbour on its left or right."""
        along = np.array([np.cos(angle), np.sin(angle)])
        spots = (other.corners - start) @ along
        gap = self.rng.choice([0.003, 0.008, self.rng.uniform(0.0, 0.05)])
        if self.rng.random() < 0.5:
            return float(spots.max() + gap - low)
        return float(spots.min() - gap - high)

    def anywhere(
        self,
        piece: Furniture,
        kind: str | None,
        *,
        tries: int = 16,
        tidy: bool = True,
        margin: float = 0.0,
    ) -> Placed | None:
        """Place a piece somewhere on the floor, or return None.

        Args:
            piece: Piece to place.
            kind: Class among ``KINDS`` or None.
            tries: Number of positions to try.
            tidy: Whether to place it roughly parallel to the walls rather than at any angle.
            margin: Least distance of the piece's origin from the walls, metres.
        """
        w, d, _ = self.size
        for _ in range(tries):
            angle = self.rng.integers(4) * np.pi / 2 + self.rng.normal(0, 0.05)
            if not tidy:
                angle = self.rng.uniform(0, 2 * np.pi)
            at = self.rng.uniform(
                (margin, margin), (max(w - margin, margin + 0.01), max(d - margin, margin + 0.01))
            )
            placed = self.put(piece, kind, angle, at)
            if placed:
                return placed
        return None

    def near(
        self,
        base: Placed,
        piece: Furniture,
        kind: str | None,
        at: Sequence[float],
        angle: float,
        *,
        z: float = 0.0,
        ignore: Sequence[Placed] | None = (),
    ) -> Placed | None:
        """Place a piece in the frame of another: ``at`` (x, y) and ``angle`` relative to it."""
        cos, sin = np.cos(base.angle), np.sin(base.angle)
        x, y = at
        world = base.offset[:2] + (cos * x - sin * y, sin * x + cos * y)
        return self.put(piece, kind, base.angle + angle, world, z=base.offset[2] + z, ignore=ignore)

    def on_top(self, base: Placed, piece: Furniture, *, turn: float = 0.3) -> Placed | None:
        """Place a small piece on top of another, or return None."""
        if not base.tops:
            return None
        low, high = piece.low, piece.high
        for _ in range(6):
            x0, y0, x1, y1, z = base.tops[int(self.rng.integers(len(base.tops)))]
            if x1 - x0 < high[0] - low[0] or y1 - y0 < high[1] - low[1]:
                continue
            at = (
                self.rng.uniform(x0 - low[0], x1 - high[0]),
                self.rng.uniform(y0 - low[1], y1 - high[1]),
            )
            placed = self.near(
                base, piece, None, at, self.rng.normal(0, turn), z=z - low[2], ignore=(base,)
            )
            if placed:
                return placed
        return None

    def touching(self, gap: float = 0.015) -> float:
        """Compute the share of objects of ``KINDS`` within ``gap`` metres of another."""
        objects = [p for p in self.placed if p.kind]
        if len(objects) < 2:
            return 0.0
        corners = np.stack([p.corners for p in objects])
        low, high = np.array([p.span for p in objects]).T
        centres = corners.mean(axis=1, keepdims=True)
        sides = np.linalg.norm(corners - centres, axis=2, keepdims=True)
        wide = centres + (corners - centres) * (1 + (1.5 * gap + 2 * SLACK) / sides)
        touches = 0
        for k in range(len(objects)):
            near = rectangles_overlap(wide[k], wide) & (low < high[k] + gap) & (high > low[k] - gap)
            touches += near.sum() > 1
        return touches / len(objects)
