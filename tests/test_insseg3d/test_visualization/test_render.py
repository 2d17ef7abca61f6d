# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Rendering without a display."""

import numpy as np
import pytest
from PIL import Image
from plyfile import PlyData

from insseg3d.visualization import (
    InstanceMap,
    Scene,
    render_views,
    save_png,
    write_instance_ply,
)
from insseg3d.visualization.render import BACKGROUND, render_points
from insseg3d.visualization.room import RoomFrame, facing_sides, room_frame, wall_sides


def box_room(*, ceiling, angle=0.3, size=(5.0, 3.0, 2.6), seed=0):
    """Make a floor, walls and an optional ceiling, rotated by an angle: (P, 3)."""
    rng = np.random.default_rng(seed)
    sheets = []
    for axis in range(3):
        for end in (0.0, 1.0):
            if axis == 2 and end == 1.0 and not ceiling:
                continue
            sheet = rng.random((9000, 3))
            sheet[:, axis] = end
            if axis == 2 and end == 1.0:
                sheet = sheet[sheet[:, 0] > 0.25]  # scans rarely cover all of it
            sheets.append(sheet * size)
    points = np.concatenate(sheets)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points[:, :2] = points[:, :2] @ turn
    return points


def test_room_frame_finds_walls_of_a_turned_room():
    frame = room_frame(box_room(ceiling=False, angle=0.3))
    assert sorted(2 * frame.half) == pytest.approx([3.0, 5.0], abs=0.1)
    angle = np.arctan2(frame.axes[0, 1], frame.axes[0, 0])
    assert abs((angle - 0.3 + np.pi / 4) % (np.pi / 2) - np.pi / 4) < 0.03
    assert frame.floor == pytest.approx(0.0, abs=0.02) and frame.ceiling is None
    assert frame.top == pytest.approx(2.6, abs=0.1)


def test_only_a_ceiling_is_a_ceiling():
    assert room_frame(box_room(ceiling=False)).ceiling is None
    assert 2.2 < room_frame(box_room(ceiling=True)).ceiling < 2.6


def test_walls_towards_the_viewer_are_those_hidden():
    frame = RoomFrame(np.zeros(2), np.eye(2), np.array([2.0, 1.0]), 0.0, 2.0, None, 0.02)
    places = np.array(
        [[1.95, 0, 1], [0, 0.95, 1], [-1.95, 0, 1], [0, -0.95, 1], [0, 0, 1], [1.95, 0, 0.01]]
    )
    sides = wall_sides(places, frame)
    assert sides.tolist() == [1, 2, 4, 8, 0, 0]
    assert facing_sides(frame, 0.0) == 1
    assert facing_sides(frame, np.deg2rad(-60)) == 1 | 8
    assert facing_sides(frame, np.deg2rad(135)) == 2 | 4


def test_the_nearer_point_hides_the_farther_one():
    frame = RoomFrame(np.zeros(2), np.eye(2), np.ones(2), -1.0, 1.0, None, 0.2)
    rgb = np.array([[255, 0, 0], [0, 0, 255], [9, 9, 9]], dtype=np.uint8)
    view = {'frame': frame, 'width': 80, 'height': 60, 'elevation': 0.0}
    coords = np.array([[0.9, 0.0, 0.0], [-0.9, 0.0, 0.0], [0.0, 0.0, 0.0]])
    for azimuth, nearest in ((0.0, rgb[0]), (np.pi, rgb[1])):
        for order in ([0, 1, 2], [2, 1, 0]):
            image = render_points(coords[order], rgb[order], azimuth=azimuth, **view)
            np.testing.assert_array_equal(image[30, 40], nearest)


def test_left_is_left_and_up_is_up():
    frame = RoomFrame(np.zeros(2), np.eye(2), np.ones(2), -1.0, 1.0, None, 0.2)
    # Seen from -y, x grows to the right.
    coords = np.array([[0.8, 0.0, 0.0], [0.0, 0.0, 0.8]])
    rgb = np.array([[255, 0, 0], [0, 0, 255]], dtype=np.uint8)
    image = render_points(
        coords, rgb, frame=frame, width=80, height=80, azimuth=-np.pi / 2, elevation=0.0
    ).astype(int)
    red = np.argwhere((image[..., 0] > 150) & (image[..., 2] < 100)).mean(axis=0)
    blue = np.argwhere((image[..., 2] > 150) & (image[..., 0] < 100)).mean(axis=0)
    assert red[1] > 55 and 35 < red[0] < 45
    assert blue[0] < 25 and 35 < blue[1] < 45


def furnished(seed=0, *, ceiling=True):
    """Make a room with a red block of points on its floor."""
    rng = np.random.default_rng(seed)
    room = box_room(ceiling=ceiling)
    block = rng.random((3000, 3)) * (0.8, 0.8, 0.7) + (*room[:, :2].mean(axis=0), 0.0)
    coords = np.concatenate([room, block])
    rgb = np.full((len(coords), 3), 200.0)
    rgb[len(room) :] = (220, 20, 20)
    objects = InstanceMap.of(np.repeat([-1, 0], [len(room), len(block)]), [1], [0.75])
    return Scene.of('room', np.column_stack([coords, rgb]), pred=objects, truth=objects)


def test_views_stand_side_by_side_and_look_below_the_ceiling(tmp_path):
    scene = furnished()
    image = render_views(scene, width=120, height=100, captions=False)
    assert image.shape == (100, 360, 3) and image.dtype == np.uint8
    red = (image[..., 0] > 150) & (image[..., 1] < 90)
    bare = render_views(furnished(ceiling=False), width=120, height=100, captions=False)
    bare_red = (bare[..., 0] > 150) & (bare[..., 1] < 90)
    assert red[:, :120].sum() > 0.95 * bare_red[:, :120].sum() > 100
    np.testing.assert_array_equal(image[:, 120:240], image[:, 240:])  # the same objects
    assert (image[0, 0] == BACKGROUND).all()
    alone = Scene.of('room', scene.coords)
    assert render_views(alone, width=120, height=100).shape[:2] == (130, 120)
    save_png(tmp_path / 'new' / 'folder' / 'view.png', image)
    written = np.asarray(Image.open(tmp_path / 'new' / 'folder' / 'view.png'))
    np.testing.assert_array_equal(written, image)


def test_odd_scenes_are_drawn():
    for count in (0, 1, 2):
        points = np.zeros((count, 3))
        assert render_views(Scene.of('odd', points), width=40, height=30).shape == (60, 40, 3)


def test_ply_round_trip(tmp_path):
    scene = furnished()
    path = write_instance_ply(tmp_path / 'out' / 'room.ply', scene, classes=('bed', 'arm chair'))
    ply = PlyData.read(str(path))
    vertex = ply['vertex']
    assert ply.byte_order == '<' and not ply.text
    assert [p.name for p in vertex.properties] == (
        'x y z red green blue instance class score'.split()
    )
    coords = np.stack([vertex[name] for name in 'xyz'], axis=1)
    np.testing.assert_array_equal(coords, scene.coords)
    np.testing.assert_array_equal(vertex['instance'], scene.pred.instance)
    inside = scene.pred.instance == 0
    assert (vertex['class'][inside] == 1).all() and (vertex['class'][~inside] == -1).all()
    assert (vertex['score'][inside] == 0.75).all() and (vertex['score'][~inside] == 0).all()
    colour = np.stack([vertex[name] for name in ('red', 'green', 'blue')], axis=1).astype(int)
    assert np.ptp(colour[inside], axis=1).min() > 40 > np.ptp(colour[~inside], axis=1).max()
    assert 'class 1 arm chair' in ply.comments


def test_ply_is_double_only_where_the_places_need_it(tmp_path):
    for offset, kind in ((0.5, np.float32), (0.1, np.float64), (5e6, np.float32)):
        scene = Scene.of('far', np.full((2, 3), offset), pred=InstanceMap.of([0, -1], [1]))
        vertex = PlyData.read(str(write_instance_ply(tmp_path / 'far.ply', scene)))['vertex']
        assert vertex['x'].dtype == kind and (vertex['x'] == offset).all()


def test_ply_of_ground_truth_without_objects(tmp_path):
    nothing = InstanceMap.of(np.full(3, -1), [])
    scene = Scene.of('bare', np.zeros((3, 3)))
    path = write_instance_ply(tmp_path / 'bare.ply', scene, objects=nothing)
    assert PlyData.read(str(path))['vertex']['class'].tolist() == [-1, -1, -1]
    with pytest.raises(ValueError, match='bare: nothing to write'):
        write_instance_ply(tmp_path / 'bare.ply', scene)
