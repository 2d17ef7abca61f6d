# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Made rooms have the statistics of real scans."""

import numpy as np
import pytest

from made_rooms import RoomOptions, make_points, make_room
from made_rooms.figures import (
    benchmark_objects,
    occupancy,
    room_figures,
    sides_seen,
    touching_share,
)
from made_rooms.labels.categories import CATEGORIES, INSTANCE_NYU40
from made_rooms.labels.oversegment import vertex_normals

DEMO = RoomOptions(
    kinds=frozenset('bed chair sofa table cabinet bookshelf toilet bathtub'.split()),
    spacing=0.026,
    area=(9.0, 14.0),
    objects=(8, 13),
    clutter=(2, 6),
    vertices=(0, 60_000),
)


@pytest.fixture(scope='module')
def rooms():
    return [make_room((0, index), RoomOptions()) for index in range(6)]


@pytest.fixture(scope='module')
def figures(rooms):
    return [room_figures(room) for room in rooms]


@pytest.mark.parametrize(
    'name, low, high',
    [
        ('vertices', 80_000, 240_000),
        ('faces per vertex', 1.7, 2.0),
        ('spacing 5 %', 0.6, 0.8),
        ('spacing 50 %', 1.15, 1.4),
        ('spacing 95 %', 1.75, 2.3),
        ('voxels per vertex, 2 cm', 0.6, 0.8),
        ('neighbours, 2 cm', 7.0, 10.0),
        ('neighbours, 4 cm', 10.0, 13.0),
        ('unannotated share', 0.08, 0.25),
        ('segments', 300, 1500),
        ('segments across objects', 0, 0),
        ('most sides seen', 1, 5),
        ('greatest share seen', 0.2, 0.9),
    ],
)
def test_every_default_room_has_the_figures_of_real_scans(figures, name, low, high):
    found = [row[name] for row in figures]
    assert low <= min(found) and max(found) <= high, found


def test_a_quarter_of_the_objects_touch_another(figures):
    touching = sum(row['touching share'] * row['objects'] for row in figures)
    assert touching >= 0.25 * sum(row['objects'] for row in figures)


def test_density_falls_with_distance_from_the_walk():
    from made_rooms.scanning.depth import look_at
    from made_rooms.scanning.scan import scan_surfaces
    from made_rooms.shapes.materials import Material
    from made_rooms.shapes.surfaces import rectangle

    floor = rectangle((-1, 0, 0), (2, 0, 0), (0, 4, 0), Material((0.5,) * 3, (0.4,) * 3))
    eye = np.array([[0.0, 0.0, 1.2], [0.05, 0.0, 1.2]])
    cameras = np.concatenate([look_at(eye, eye + (0.0, reach, -0.9)) for reach in (0.5, 1.5, 3.0)])
    scan = scan_surfaces(
        [floor], cameras, np.array([[0.0, 2.0, 2.4]]), np.random.default_rng(0), spacing=0.013
    )
    near, far = ((np.abs(scan.points[:, 1] - y) < 0.4).sum() for y in (0.8, 3.0))
    assert far < 0.85 * near


def test_walls_lie_along_the_axes_only_after_alignment(rooms):
    for room in rooms[:3]:
        label = {s: name for name, segments in room.groups for s in segments}
        wall = np.array([label.get(s) == 'wall' for s in room.segments])
        normals = vertex_normals(room.points, room.faces)[wall]
        aligned = normals @ room.axis_alignment[:3, :3].T
        assert (np.abs(aligned).max(axis=1) > 0.9).mean() > 0.8
        np.testing.assert_allclose(
            room.axis_alignment[:3, :3] @ room.axis_alignment[:3, :3].T, np.eye(3), atol=1e-5
        )
    turns = [
        np.degrees(np.arctan2(r.axis_alignment[1, 0], r.axis_alignment[0, 0])) % 90 for r in rooms
    ]
    assert np.median(np.minimum(turns, 90 - np.array(turns))) > 5


def test_room_arrays_are_consistent(rooms):
    for room in rooms:
        count = len(room.points)
        assert room.points.dtype == np.float32 and np.isfinite(room.points).all()
        assert room.colors.shape == (count, 3) and room.colors.dtype == np.uint8
        assert 30 < room.colors.mean() < 200 and room.colors.std() > 15
        assert room.faces.min() == 0 and room.faces.max() == count - 1
        assert len(np.unique(room.faces)) == count  # every vertex has a face
        groups = np.concatenate([segments for _, segments in room.groups])
        assert len(groups) == len(np.unique(groups))
        assert np.isin(groups, room.segments).all()
        labels = [name for name, _ in room.groups]
        assert 'wall' in labels and 'floor' in labels
        assert all(name in CATEGORIES for name in labels)


def test_neither_file_order_nor_extras_give_objects_away(rooms):
    # Neighbouring vertices of the file often belong to different pieces.
    changes = [(np.diff(room.owner) != 0).mean() for room in rooms]
    assert min(changes) > 0.05


def test_same_seed_same_room_other_seed_other_room():
    one, same, other = (make_room(seed, DEMO) for seed in ((3, 1), (3, 1), (3, 2)))
    for field in ('points', 'colors', 'faces', 'segments', 'axis_alignment'):
        np.testing.assert_array_equal(getattr(one, field), getattr(same, field))
    assert len(one.points) != len(other.points)


def test_coarse_rooms_of_few_kinds_suit_a_demo():
    rooms = [make_room((1, index), DEMO) for index in range(8)]
    objects = [len(o) for room in rooms for o in benchmark_objects(room)]
    names = {
        CATEGORIES[label].nyu40_name
        for room in rooms
        for label, _ in room.groups
        if CATEGORIES[label].nyu40_id in INSTANCE_NYU40
    }
    assert names <= DEMO.kinds and len(names) >= 7
    assert 8 <= len(objects) / len(rooms) <= 13
    assert np.mean(np.array(objects) >= 100) >= 0.9
    assert all(10_000 < len(room.points) < 45_000 for room in rooms)


def test_over_segments_reach_across_objects_only_if_asked():
    options = RoomOptions(spacing=0.03, vertices=(0, 10**6), mixed_segments=True)
    figures = room_figures(make_room(0, options))
    assert 0 < figures['segments across objects'] < 0.5 * figures['segments']
    assert figures['objects'] > 5 and figures['unannotated share'] < 0.3


def test_make_points_gives_as_many_as_asked_at_the_density_of_scans():
    points = make_points(seed=0, num_points=30_000)
    assert points.shape == (30_000, 6) and points.dtype == np.float32
    assert points[:, 3:].min() >= 0 and 100 < points[:, 3:].max() <= 255
    voxels, neighbours = occupancy(points[:, :3].astype(np.float64), 0.02)
    assert 0.6 < voxels / 30_000 < 0.8 and 7 < neighbours < 10.5


def test_make_points_furnishes_with_the_kinds_asked_for():
    kinds = frozenset(['bed', 'chair'])
    points = make_points(seed=0, num_points=5000, kinds=kinds)
    np.testing.assert_array_equal(points, make_points(seed=0, num_points=5000, kinds=kinds))
    assert not np.array_equal(points, make_points(seed=0, num_points=5000))
    with pytest.raises(ValueError, match='chiar'):
        make_points(seed=0, num_points=5000, kinds=frozenset(['chiar']))


@pytest.mark.parametrize(
    'options, word',
    [
        (dict(kinds=frozenset(['chiar'])), 'chiar'),
        (dict(spacing=0.0), 'spacing'),
        (dict(area=(1.0, 2.0)), 'area'),
        (dict(objects=(5, 3)), 'objects'),
        (dict(clutter=(-1, 3)), 'clutter'),
        (dict(camera='drone'), "camera: found 'drone'.*hand-held"),
        (dict(wear='torn'), "wear: found 'torn'.*plain"),
    ],
)
def test_options_say_what_is_wrong(options, word):
    with pytest.raises(ValueError, match=word):
        RoomOptions(**options)


def test_occupancy_of_a_full_block_and_of_a_plane():
    i, j, k = np.meshgrid(*[np.arange(5)] * 3, indexing='ij')
    block = np.stack([i, j, k], axis=-1).reshape(-1, 3) + 0.5
    assert occupancy(block, 1.0) == (125, pytest.approx(13**3 / 125))
    assert occupancy(block[block[:, 2] < 1], 1.0) == (25, pytest.approx(13**2 / 25))


def test_touching_share_by_hand():
    points = np.array([[0, 0, 0], [0.02, 0, 0], [1, 0, 0], [2, 0, 0]], float)
    objects = [np.array([k]) for k in range(4)]
    assert touching_share(points, objects, 0.03) == 0.5
    assert touching_share(points, [], 0.03) == 0.0


def test_sides_seen_of_a_block_by_hand(rooms):
    import trimesh

    mesh = trimesh.creation.box((1, 1, 1))
    mesh = mesh.subdivide().subdivide().subdivide()
    whole = rooms[0]._replace(
        points=mesh.vertices.astype(np.float32),
        faces=mesh.faces.astype(np.int32),
        axis_alignment=np.eye(4),
    )
    everything = [np.arange(len(mesh.vertices))]
    assert sides_seen(whole, everything).tolist() == [6]
    lidless = whole._replace(faces=whole.faces[mesh.face_normals[:, 2] < 0.9])
    assert sides_seen(lidless, everything).tolist() == [5]
