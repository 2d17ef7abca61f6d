# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A made room from seed to annotated scan."""
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .fittings import FITTINGS, build_in, hang
from .furniture import KINDS
from .layout import Layout, Placed
from .materials import draw_material
from .oversegment import mix_segments, oversegment
from .programs import PROGRAMS, furnish
from .scan import CAMERAS, Scan, scan_surfaces
from .surfaces import Surface, box, rectangle


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
    """

    pieces: list[Placed]
    scan: Scan
    owner: np.ndarray
    seen: np.ndarray
    scene_type: str
    rng: np.random.Generator


def make_interior(seed: int | tuple[int, ...], options: RoomOptions) -> Interior:
    """Make, furnish and scan a room.

    Args:
        seed: The same seed and options give the same to the last bit.
        options: What rooms are like.

    Returns:
        ``Interior``.
    """
    poses, reach = CAMERAS[options.camera]
    for attempt in range(8):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(attempt,)))
        layout, scene_type = _furnished(rng, options)
        pieces = _shell(layout, rng) + layout.placed
        surfaces = [s for piece in pieces for s in piece.surfaces]
        owner_of = np.repeat(np.arange(len(pieces), dtype=np.int32),
                             [len(piece.surfaces) for piece in pieces])
        scan = scan_surfaces(surfaces, poses(layout, rng, frames=options.frames),
                             _lamps(layout, rng), rng, spacing=options.spacing, reach=reach)
        if options.vertices[0] <= len(scan.points) <= options.vertices[1]:
            break
    area = np.stack([np.bincount(owner_of, scan.seen[:, k], len(pieces)) for k in (0, 1)])
    return Interior(pieces, scan, owner_of[scan.surface], area[0] / area[1], scene_type, rng)


def make_room(seed: int | tuple[int, ...], options: RoomOptions) -> Room:
    """Make, furnish, scan and annotate a room.

    Args:
        seed: The same seed and options give the same room to the last bit.
        options: What rooms are like.

    Returns:
        ``Room``.
    """
    pieces, scan, owner, seen, scene_type, rng = make_interior(seed, options)
    segments = oversegment(scan.points, scan.faces, owner, threshold=0.0005, least=20)
    if options.mixed_segments:
        segments = mix_segments(scan.points, segments, owner, gap=1.5 * options.spacing, share=0.2,
                                rng=rng)
    groups, holders = _annotate(pieces, owner, segments, rng)
    points, alignment = _turn(scan.points, rng)
    return Room(points, scan.colors, scan.faces, segments, groups, alignment, scene_type, owner,
                seen[holders])


def make_points(*, seed: int, num_points: int) -> np.ndarray:
    """Points of a made room at the density of real scans, for timings.

    Args:
        seed: The same seed gives the same points.
        num_points: How many; the room is as large as that takes.

    Returns:
        (num_points, 6) float32: x, y, z in metres, r, g, b from 0 to 255.

    Raises:
        ValueError: If no room of that many points can be made.
    """
    base = max(4.0, num_points / 7500.0)
    for growth in (1.0, 1.3, 1.7, 2.2, 3.0, 4.0):
        area = growth * base
        options = RoomOptions(area=(area, 1.2 * area), objects=(int(area / 2), int(area) + 8),
                              frames=int(84 * max(1.0, area / 16)), vertices=(0, 2 ** 31))
        room = make_room(seed, options)
        if len(room.points) >= num_points:
            centre = np.median(room.points[:, :2], axis=0)
            far = np.abs(room.points[:, :2] - centre).max(axis=1)
            keep = np.sort(np.argsort(far, kind='stable')[:num_points])
            return np.concatenate([room.points[keep], room.colors[keep]], axis=1,
                                  dtype=np.float32)
    raise ValueError(f'num_points: no made room has {num_points} points, ask for fewer')


def _furnished(rng: np.random.Generator, options: RoomOptions) -> tuple[Layout, str]:
    """Draw size and type of a room and furnish it, so that things stand close enough."""
    program = str(rng.choice(list(options.programs)))
    target = int(rng.integers(options.objects[0], options.objects[1] + 1))
    for _ in range(6):
        area, ratio = rng.uniform(*options.area), rng.uniform(0.62, 1.0)
        size = (float(np.sqrt(area / ratio)), float(np.sqrt(area * ratio)),
                float(rng.uniform(2.35, 2.7)))
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
    layout.placed.append(Placed('wall', None, surfaces, [], 0.0, np.zeros(3), corners,
                                (0.0, height)))


def _shell(layout: Layout, rng: np.random.Generator) -> list[Placed]:
    """Floor, walls around their openings and the ceiling."""
    width, depth, height = layout.size
    floor = rectangle((0, 0, 0), (width, 0, 0), (0, depth, 0),
                      draw_material(rng, 'carpet', 'parquet', 'tiles', 'wood'))
    ceiling = rectangle((0, 0, height), (0, depth, 0), (width, 0, 0), draw_material(rng, 'white'))
    material, accent = draw_material(rng, 'wall'), draw_material(rng, 'wall', 'paint', 'tiles')
    shell = [('floor', [floor]), ('ceiling', [ceiling])]
    different = int(rng.integers(8))
    for k in range(4):
        shell.append(('wall', _wall(layout, k, accent if k == different else material)))
    none = np.zeros((4, 2))
    return [Placed(label, None, surfaces, [], 0.0, np.zeros(3), none, (0.0, 0.0))
            for label, surfaces in shell]


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
    return [rectangle(base + b * along + (0, 0, z0), -(b - a) * along, (0, 0, z1 - z0), material)
            for a, b, z0, z1 in strips if b - a > 0.02 and z1 - z0 > 0.02]


def _lamps(layout: Layout, rng: np.random.Generator) -> np.ndarray:
    """Positions (L, 3) of lamps under the ceiling."""
    width, depth, height = layout.size
    count = int(rng.integers(3, 5))
    return np.column_stack([rng.uniform(0.15, 0.85, count) * width,
                            rng.uniform(0.15, 0.85, count) * depth,
                            np.full(count, height - 0.12)])


def _annotate(pieces: list[Placed], owner: np.ndarray, segments: np.ndarray,
              rng: np.random.Generator) -> tuple[list[tuple[str, np.ndarray]], np.ndarray]:
    """Choose which segments an annotator gave to which object.

    Objects of the benchmark's classes are nearly always found; small things seldom; of walls and
    floor some segments are left out, until the unannotated share is as in real scans.

    Returns:
        The groups, and the index of each group's piece.
    """
    ids, first, counts = np.unique(segments, return_index=True, return_counts=True)
    holder = owner[first]
    found = np.zeros(len(pieces), bool)
    for k, piece in enumerate(pieces):
        if piece.kind or piece.label in ('wall', 'floor'):
            found[k] = piece.kind is None or rng.random() < 0.98
        else:
            found[k] = rng.random() < 0.3
    given = found[holder]
    total = len(segments)
    goal, missing = rng.uniform(0.10, 0.21) * total, counts[~given].sum()
    is_object = np.array([p.kind is not None for p in pieces])[holder]
    # The largest pieces of walls and of the floor are never forgotten.
    labels = np.array([p.label for p in pieces])[holder]
    kept = np.zeros(len(ids), bool)
    for label, number in (('wall', 2), ('floor', 1)):
        kept[np.argsort(np.where(labels == label, counts, 0), kind='stable')[-number:]] = True
    # Small pieces go first; a large stretch of wall only if they do not suffice.
    for most in (0.05 * total, 0.15 * total):
        for k in rng.permutation(len(ids)):
            spare = counts[k] < 40 and rng.random() < 0.1 if is_object[k] else counts[k] < most
            room_left = goal if counts[k] < 0.05 * total else 0.23 * total
            if given[k] and spare and not kept[k] and missing + counts[k] <= room_left:
                given[k] = False
                missing += counts[k]
            if most > 0.1 * total and missing > 0.09 * total:
                break
        if missing > 0.09 * total:
            break
    groups, holders = [], []
    for k in rng.permutation(len(pieces)):
        own = ids[given & (holder == k)]
        if len(own):
            groups.append((pieces[k].label, rng.permutation(own)))
            holders.append(k)
    return groups, np.array(holders, dtype=np.int64)


def _turn(points: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Turn and shift a scan as its recording happened to lie; also the matrix that undoes it."""
    angle = rng.uniform(-np.pi, np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    turned = points.astype(np.float64) @ turn.T
    shift = rng.uniform(0.0, 0.6, 3) * (1, 1, 0.05) - turned.min(axis=0)
    stored = (turned + shift).astype(np.float32)
    alignment = np.eye(4)
    alignment[:3, :3] = turn.T
    aligned = stored @ turn
    low, high = aligned.min(axis=0), aligned.max(axis=0)
    alignment[:2, 3] = -(low + high)[:2] / 2
    alignment[2, 3] = -np.percentile(aligned[:, 2], 1)
    return stored, np.round(alignment, 6)
