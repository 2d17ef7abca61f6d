# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A made room from seed to annotated scan."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .furniture import KINDS
from .labels.annotation import annotate, turn_by_chance
from .labels.oversegment import mix_segments, oversegment
from .layout.fittings import FITTINGS, build_in, hang
from .layout.layout import Layout, Placed
from .layout.programs import PROGRAMS, furnish
from .scanning.scan import CAMERAS, Scan, scan_surfaces
from .shapes.materials import draw_material
from .shapes.surfaces import Surface, box, rectangle


@dataclass(frozen=True, kw_only=True)
class RoomOptions:
    """What made rooms are like.

    Attributes:
        kinds: Kinds of objects that may occur, among ``KINDS``.
        spacing: Wanted median distance of a vertex to its nearest neighbour, metres.
        area: Least and greatest floor area, square metres.
        objects: Least and greatest number of objects asked for.
        clutter: Least and greatest number of small things.
        frames: Depth images taken on the walk.
        vertices: Rooms with fewer or more vertices are made anew (as seeds allow).
        mixed_segments: Whether over-segments may reach across two objects.
        programs: Types of rooms, among ``PROGRAMS``.
        fittings: What rooms may have besides walls and furniture, among ``FITTINGS``.
        camera: How rooms are scanned, among ``CAMERAS``.
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

    def __post_init__(self):
        for name, known in (('kinds', KINDS), ('programs', PROGRAMS), ('fittings', FITTINGS)):
            unknown = sorted(set(getattr(self, name)) - set(known))
            if unknown:
                raise ValueError(f'{name}: unknown {unknown}; known are {sorted(known)}')
        if self.camera not in CAMERAS:
            raise ValueError(f'camera: found {self.camera!r}, expected one of {list(CAMERAS)}')
        if not 0.004 <= self.spacing <= 0.1:
            raise ValueError(f'spacing: found {self.spacing}, expected 0.004 to 0.1 metres')
        if self.area[0] < 3.0:
            raise ValueError(f'area: found {self.area[0]}, expected at least 3 square metres')
        for name in ('area', 'objects', 'clutter', 'vertices'):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise ValueError(f'{name}: found {low} to {high}, expected 0 <= least <= greatest')


class Room(NamedTuple):
    """An annotated scan as ScanNet stores it.

    Attributes:
        points: (P, 3) float32 metres, z up, at any angle about z.
        colors: (P, 3) uint8.
        faces: (F, 3) int32.
        segments: (P,) int32 over-segment ids, not consecutive.
        groups: (raw category, ids of its segments) of each annotated object.
        axis_alignment: (4, 4) float64 that turns the points so that walls lie along the axes.
        scene_type: The type of room.
        owner: (P,) int32 index of the piece a vertex belongs to (not written to files).
        seen: Share of each annotated object's surface that the camera saw (not written).
    """

    points: np.ndarray
    colors: np.ndarray
    faces: np.ndarray
    segments: np.ndarray
    groups: list[tuple[str, np.ndarray]]
    axis_alignment: np.ndarray
    scene_type: str
    owner: np.ndarray
    seen: np.ndarray


class Interior(NamedTuple):
    """A furnished room as scanned, before annotation.

    Attributes:
        pieces: Floor, ceiling, walls and all that stands between them.
        scan: In room coordinates.
        owner: (P,) int32 index of the piece each vertex belongs to.
        seen: (pieces,) share of each piece's surface that the camera saw.
        scene_type: The type of room.
        rng: Source of randomness, for what follows.
        size: Width (x), depth (y), height (z) in metres.
    """

    pieces: list[Placed]
    scan: Scan
    owner: np.ndarray
    seen: np.ndarray
    scene_type: str
    rng: np.random.Generator
    size: tuple[float, float, float]


def make_interior(seed: int | tuple[int, ...], options: RoomOptions) -> Interior:
    """Make, furnish and scan a room.

    Args:
        seed: The same seed and options give the same to the last bit.
        options: What rooms are like.

    Returns:
        ``Interior``.
    """
    for attempt in range(8):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(attempt,)))
        layout, scene_type = _furnished(rng, options)
        interior = scanned(layout, scene_type, rng, options)
        if options.vertices[0] <= len(interior.scan.points) <= options.vertices[1]:
            break
    return interior


def scanned(
    layout: Layout,
    scene_type: str,
    rng: np.random.Generator,
    options: RoomOptions,
    *,
    walls: tuple[int, ...] = (0, 1, 2, 3),
) -> Interior:
    """Scan a furnished room, of which only some walls may be there."""
    poses, reach = CAMERAS[options.camera]
    pieces = _shell(layout, rng, walls) + layout.placed
    surfaces = [s for piece in pieces for s in piece.surfaces]
    owner_of = np.repeat(
        np.arange(len(pieces), dtype=np.int32), [len(piece.surfaces) for piece in pieces]
    )
    scan = scan_surfaces(
        surfaces,
        poses(layout, rng, frames=options.frames),
        _lamps(layout, rng),
        rng,
        spacing=options.spacing,
        reach=reach,
    )
    area = np.stack([np.bincount(owner_of, scan.seen[:, k], len(pieces)) for k in (0, 1)])
    seen = area[0] / np.maximum(area[1], 1e-12)
    return Interior(pieces, scan, owner_of[scan.surface], seen, scene_type, rng, layout.size)


def make_room(seed: int | tuple[int, ...], options: RoomOptions) -> Room:
    """Make, furnish, scan and annotate a room.

    Args:
        seed: The same seed and options give the same room to the last bit.
        options: What rooms are like.

    Returns:
        ``Room``.
    """
    interior = make_interior(seed, options)
    return turned(annotated(interior, options), interior.rng)


def annotated(interior: Interior, options: RoomOptions) -> Room:
    """Over-segment a scan and annotate its objects; it lies as it was made."""
    pieces, scan, owner, seen, scene_type, rng, _ = interior
    segments = oversegment(scan.points, scan.faces, owner, threshold=0.0005, least=20)
    if options.mixed_segments:
        segments = mix_segments(
            scan.points, segments, owner, gap=1.5 * options.spacing, share=0.2, rng=rng
        )
    groups, holders = annotate(pieces, owner, segments, rng)
    return Room(
        scan.points,
        scan.colors,
        scan.faces,
        segments,
        groups,
        np.eye(4),
        scene_type,
        owner,
        seen[holders],
    )


def turned(room: Room, rng: np.random.Generator) -> Room:
    """The room as its recording happened to lie."""
    points, alignment = turn_by_chance(room.points, rng)
    return room._replace(points=points, axis_alignment=alignment)


def make_points(
    *, seed: int, num_points: int, kinds: frozenset[str] = frozenset(KINDS)
) -> np.ndarray:
    """Points of a made room at the density of real scans, for timings.

    Args:
        seed: The same seed gives the same points.
        num_points: How many; the room is as large as that takes.
        kinds: Kinds of objects that may occur, among ``KINDS``.

    Returns:
        (num_points, 6) float32: x, y, z in metres, r, g, b from 0 to 255.

    Raises:
        ValueError: If no room of that many points can be made, or a kind is not known.
    """
    base = max(4.0, num_points / 7500.0)
    for growth in (1.0, 1.3, 1.7, 2.2, 3.0, 4.0):
        area = growth * base
        options = RoomOptions(
            kinds=kinds,
            area=(area, 1.2 * area),
            objects=(int(area / 2), int(area) + 8),
            frames=int(84 * max(1.0, area / 16)),
            vertices=(0, 2**31),
        )
        room = make_room(seed, options)
        if len(room.points) >= num_points:
            centre = np.median(room.points[:, :2], axis=0)
            far = np.abs(room.points[:, :2] - centre).max(axis=1)
            keep = np.sort(np.argsort(far, kind='stable')[:num_points])
            return np.concatenate([room.points[keep], room.colors[keep]], axis=1, dtype=np.float32)
    raise ValueError(f'num_points: no made room has {num_points} points, ask for fewer')


def _furnished(rng: np.random.Generator, options: RoomOptions) -> tuple[Layout, str]:
    """Draw size and type of a room and furnish it, so that things stand close enough."""
    program = str(rng.choice(list(options.programs)))
    target = int(rng.integers(options.objects[0], options.objects[1] + 1))
    for _ in range(6):
        area, ratio = rng.uniform(*options.area), rng.uniform(0.62, 1.0)
        size = (
            float(np.sqrt(area / ratio)),
            float(np.sqrt(area * ratio)),
            float(rng.uniform(2.35, 2.7)),
        )
        layout = Layout(rng, size, options.kinds, options.objects[1])
        if rng.random() < 0.3 and area > 11:
            _recess(layout)
        build_in(layout, options.fittings)
        clutter = int(rng.integers(options.clutter[0], options.clutter[1] + 1))
        furnish(layout, program, target=target, clutter_count=clutter)
        hang(layout, options.fittings)
        if layout.count >= options.objects[0] and layout.touching() >= 0.4:
            break
    return layout, program


def _recess(layout: Layout) -> None:
    """Make the room L-shaped: a corner is walled off."""
    rng, (width, depth, height) = layout.rng, layout.size
    w, d = width * rng.uniform(0.15, 0.3), depth * rng.uniform(0.15, 0.3)
    x = (0.0, width - w)[int(rng.integers(2))]
    y = (0.0, depth - d)[int(rng.integers(2))]
    corners = np.array([[x, y], [x + w, y], [x + w, y + d], [x, y + d]])
    surfaces = box((x, y, 0), (x + w, y + d, height), draw_material(rng, 'wall'), top=False)
    layout.placed.append(
        Placed('wall', None, surfaces, [], 0.0, np.zeros(3), corners, (0.0, height))
    )


def _shell(layout: Layout, rng: np.random.Generator, walls: tuple[int, ...]) -> list[Placed]:
    """Floor, walls around their openings and the ceiling."""
    width, depth, height = layout.size
    floor = rectangle(
        (0, 0, 0),
        (width, 0, 0),
        (0, depth, 0),
        draw_material(rng, 'carpet', 'parquet', 'tiles', 'wood'),
    )
    ceiling = rectangle((0, 0, height), (0, depth, 0), (width, 0, 0), draw_material(rng, 'white'))
    material, accent = draw_material(rng, 'wall'), draw_material(rng, 'wall', 'paint', 'tiles')
    shell = [('floor', [floor]), ('ceiling', [ceiling])]
    different = int(rng.integers(8))
    for k in walls:
        shell.append(('wall', _wall(layout, k, accent if k == different else material)))
    none = np.zeros((4, 2))
    return [
        Placed(label, None, surfaces, [], 0.0, np.zeros(3), none, (0.0, 0.0))
        for label, surfaces in shell
    ]


def _wall(layout: Layout, k: int, material) -> list[Surface]:
    """A wall as strips between, below and above its openings; it faces inwards."""
    start, angle, length = layout.wall(k)
    height = layout.size[2]
    along = np.array([np.cos(angle), np.sin(angle), 0.0])
    strips, t = [], 0.0
    for a, b, z0, z1 in sorted(layout.holes[k]):
        strips += [(t, a, 0.0, height), (a, b, 0.0, z0), (a, b, z1, height)]
        t = b
    strips.append((t, length, 0.0, height))
    base = np.array([*start, 0.0])
    return [
        rectangle(base + b * along + (0, 0, z0), -(b - a) * along, (0, 0, z1 - z0), material)
        for a, b, z0, z1 in strips
        if b - a > 0.02 and z1 - z0 > 0.02
    ]


def _lamps(layout: Layout, rng: np.random.Generator) -> np.ndarray:
    """Positions (L, 3) of lamps under the ceiling."""
    width, depth, height = layout.size
    count = int(rng.integers(3, 5))
    return np.column_stack(
        [
            rng.uniform(0.15, 0.85, count) * width,
            rng.uniform(0.15, 0.85, count) * depth,
            np.full(count, height - 0.12),
        ]
    )
