# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Options of made rooms."""

from dataclasses import dataclass

from .furniture import KINDS
from .layout.fittings import FITTINGS
from .layout.pieces import FURNITURE
from .layout.programs import PROGRAMS
from .scanning.poses import CAMERAS
from .scanning.wear import WEAR


@dataclass(frozen=True, kw_only=True)
class RoomOptions:
    """Options of made rooms.

    Attributes:
        kinds: Kinds of objects that may occur, among ``KINDS``.
        spacing: Target median distance of a vertex to its nearest neighbour, metres.
        area: Least and greatest floor area, square metres.
        objects: Least and greatest target number of objects.
        clutter: Least and greatest number of small things.
        frames: Number of depth images.
        vertices: Least and greatest number of vertices; at most 8 attempts are made.
        mixed_segments: Whether an over-segment may extend over two objects.
        programs: Types of rooms, among ``PROGRAMS``.
        fittings: Parts of the building besides walls, among ``FITTINGS``.
        camera: Way of scanning, among ``CAMERAS``.
        wear: Marks of the recording, among ``WEAR``.
        furniture: Sizes of furniture, among ``FURNITURE``.
    """

    kinds: frozenset[str] = frozenset(KINDS)
    spacing: float = 0.013
    area: tuple[float, float] = (9.0, 19.0)
    objects: tuple[int, int] = (11, 24)
    clutter: tuple[int, int] = (5, 16)
    frames: int = 84
    vertices: tuple[int, int] = (80_000, 240_000)
    mixed_segments: bool = False
    programs: tuple[str, ...] = tuple(PROGRAMS)
    fittings: tuple[str, ...] = ()
    camera: str = 'hand-held'
    wear: str = 'plain'
    furniture: str = 'usual'

    def __post_init__(self):
        for name, known in (('kinds', KINDS), ('programs', PROGRAMS), ('fittings', FITTINGS)):
            unknown = sorted(set(getattr(self, name)) - set(known))
            if unknown:
                raise ValueError(f'{name}: unknown {unknown}; known are {sorted(known)}')
        for name, known in (('camera', CAMERAS), ('wear', WEAR), ('furniture', FURNITURE)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f'{name}: found {getattr(self, name)!r}, expected one of {list(known)}'
                )
        if not 0.004 <= self.spacing <= 0.1:
            raise ValueError(f'spacing: found {self.spacing}, expected 0.004 to 0.1 metres')
        if self.area[0] < 3.0:
            raise ValueError(f'area: found {self.area[0]}, expected at least 3 square metres')
        for name in ('area', 'objects', 'clutter', 'vertices'):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise ValueError(f'{name}: found {low} to {high}, expected 0 <= least <= greatest')
