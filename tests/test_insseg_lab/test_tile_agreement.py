# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Comparison of objects in tiles, by hand; a made floor is cut into tiles and put together."""

import numpy as np
import pytest

from insseg3d.apis import Tiling
from insseg3d.ops.contingency import map_contingency, map_ious
from insseg_lab.tile_agreement import (
    Objects,
    across_seams,
    best_ious,
    in_one_part,
    put_together,
    read_scene,
    share,
)
from made_rooms import CorridorOptions, RoomOptions, make_corridor
from made_rooms.figures import benchmark_objects

TILING = Tiling(8.0, 2.0)


def line(length, spans):
    """Points along x, 10 cm apart, and the objects that lie in spans of it."""
    x = np.arange(0, length, 0.1, dtype=np.float32)
    instance = np.full(len(x), -1)
    for k, (begin, end) in enumerate(spans):
        instance[(x >= begin - 0.05) & (x < end - 0.05)] = k
    points = np.zeros((len(x), 6), dtype=np.float32)
    points[:, 0] = x
    return points, Objects(instance, len(spans))


def test_maps_by_hand():
    first, second = np.array([0, 0, 1, -1, 1, 1]), np.array([0, 1, 1, 1, 1, -1])
    table = map_contingency(first, second, num_first=3, num_second=2)
    assert table.tolist() == [[0, 0, 1], [0, 1, 1], [1, 0, 2], [0, 0, 0]]
    ious = map_ious(first, second, num_first=3, num_second=2)
    np.testing.assert_allclose(ious, [[1 / 2, 1 / 5], [0, 2 / 5], [0, 0]])
    np.testing.assert_allclose(best_ious(Objects(first, 3), Objects(second, 2)), [1 / 2, 2 / 5, 0])
    assert best_ious(Objects(first, 3), Objects(np.full(6, -1), 0)).tolist() == [0, 0, 0]
    assert share(np.array([0.9, 0.5, 0.89]), 0.9) == (1, 3, 0.9)


def test_seams_lie_in_the_middle_of_overlaps():
    points, objects = line(14.1, [(2, 4), (5, 7), (6.2, 9), (6.95, 9), (10, 14)])
    objects.instance[(points[:, 0] > 4.95) & (points[:, 0] < 6.85)] = 1
    assert across_seams(objects, points, TILING).tolist() == [False, False, False, False, False]
    points, objects = line(14.1, [(2, 4), (5, 8), (8, 14)])  # the seam is at 7.05
    assert across_seams(objects, points, TILING).tolist() == [False, True, False]
    moved = TILING._replace(shift=3.0)  # three tiles now, with seams at 3.25 and 7.75
    assert across_seams(objects, points, moved).tolist() == [True, True, False]


def test_what_is_put_together_and_what_is_not():
    points, objects = line(20, [(1, 3), (3, 12), (12, 19.5)])
    same = put_together(objects, points, TILING)
    np.testing.assert_array_equal(best_ious(objects, same), [1, 1, 1])
    assert same.count == 3
    # One mask of two things, of which no tile shows both: they stay apart.
    objects = Objects(np.where((points[:, 0] < 2) | (points[:, 0] > 18), 0, -1), 1)
    apart = put_together(objects, points, TILING)
    assert apart.count == 2 and best_ious(objects, apart)[0] == pytest.approx(0.5, abs=0.05)
    assert not in_one_part(objects, points)[0]


def test_parts_by_hand():
    points, objects = line(10, [(0, 1), (2, 5), (6, 7)])
    objects.instance[(points[:, 0] > 3.05) & (points[:, 0] < 3.35)] = -1  # a gap of 30 cm and more
    assert in_one_part(objects, points).tolist() == [True, False, True]
    objects.instance[points[:, 0] > 8.95] = 1  # and another part, still no object of its own
    objects.instance[(points[:, 0] > 1.95) & (points[:, 0] < 5)] = 1
    assert in_one_part(objects, points)[1] == (30 >= 0.9 * (objects.instance == 1).sum())


def test_true_objects_of_prepared_scenes(tiny_data):
    path = sorted((tiny_data / 'scannet' / 'points').glob('*.bin'))[0]
    points, truth = read_scene(tiny_data / 'scannet', path.stem)
    sizes = np.bincount(truth.instance[truth.instance >= 0], minlength=truth.count)
    assert len(points) == len(truth.instance) and (sizes >= 100).all() and truth.count >= 1


def test_every_object_of_a_made_floor_is_whole_again():
    """More than 150 objects, 20 and more across seams, placed as in rooms. Points are 9 cm apart,
    so that the least objects have holes wider than the overlap's margins."""
    floor = make_corridor(
        (0, 0),
        CorridorOptions(
            length=60,
            rooms=RoomOptions(
                spacing=0.09,
                area=(8.0, 12.0),
                objects=(6, 10),
                clutter=(0, 2),
                frames=30,
                vertices=(0, 10**7),
            ),
        ),
    )
    instance = np.full(len(floor.points), -1)
    rows = [rows for rows in benchmark_objects(floor) if len(rows) >= 20]
    for k, own in enumerate(rows):
        instance[own] = k
    truth = Objects(instance, len(rows))
    for tiling in (TILING, TILING._replace(shift=3.0)):
        ious = best_ious(truth, put_together(truth, floor.points, tiling))
        across = across_seams(truth, floor.points, tiling)
        assert len(rows) >= 150 and across.sum() >= 20
        assert (ious >= 0.9).mean() >= 0.98 and (ious[across] >= 0.9).mean() >= 0.96
