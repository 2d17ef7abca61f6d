# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A floor in one scan: rooms along a hall, with disjoint objects and segments."""

import dataclasses
import pickle

import numpy as np
import pytest

from insseg_preparation.scannet.release import prepare_scannet
from made_rooms import CorridorOptions, RoomOptions, make_corridor, synthesize_scannet
from made_rooms.labels.categories import CATEGORIES, INSTANCE_NYU40

TINY = CorridorOptions(
    length=9.0,
    rooms=RoomOptions(
        spacing=0.07,
        area=(6.0, 8.0),
        objects=(3, 5),
        clutter=(0, 2),
        frames=40,
        vertices=(0, 10**6),
    ),
)


@pytest.fixture(scope='module')
def floor():
    return make_corridor((0, 0), TINY)


def aligned(floor):
    xyz = floor.points.astype(np.float64) @ floor.axis_alignment[:3, :3].T
    return xyz - xyz.min(axis=0)


def test_same_seed_same_floor(floor):
    again, other = make_corridor((0, 0), TINY), make_corridor((0, 1), TINY)
    np.testing.assert_array_equal(again.points, floor.points)
    np.testing.assert_array_equal(again.segments, floor.segments)
    assert len(other.points) != len(floor.points)


def test_it_is_as_long_as_asked_with_rooms_on_both_sides(floor):
    xyz = aligned(floor)
    assert 8.7 < np.ptp(xyz[:, 0]) < 9.2  # because of noise, and because walls are seen from inside
    assert 5.5 < np.ptp(xyz[:, 1]) < 10.5
    assert sum(label == 'floor' for label, _ in floor.groups) >= 4  # the hall and three rooms
    # Some passage along the hall is free between the heights of ankles and shoulders.
    body = xyz[(xyz[:, 2] > 0.3) & (xyz[:, 2] < 1.5) & (np.abs(xyz[:, 0] - 4.5) < 4)]
    assert min((np.abs(body[:, 1] - y) < 0.2).sum() for y in np.arange(2, 7, 0.1)) == 0


def test_segments_belong_to_one_object_and_one_room(floor):
    ids = np.concatenate([ids for _, ids in floor.groups])
    assert len(np.unique(ids)) == len(ids)
    for segments in (ids for _, ids in floor.groups):
        inside = np.isin(floor.segments, segments)
        assert inside.any() and len(np.unique(floor.owner[inside])) == 1
    assert len(floor.seen) == len(floor.groups) <= len(np.unique(floor.owner))
    edges = floor.points[floor.faces]
    assert np.linalg.norm(edges[:, 0] - edges[:, 1], axis=1).max() < 0.6  # within a room


def test_objects_do_not_meet_through_walls(floor):
    """Boxes of objects of different rooms are disjoint: rooms do not overlap."""
    xyz = aligned(floor)
    boxes = []
    for _, segments in floor.groups:
        points = xyz[np.isin(floor.segments, segments)]
        boxes.append((np.quantile(points, 0.02, axis=0), np.quantile(points, 0.98, axis=0)))
    floors = [box for box, (label, _) in zip(boxes, floor.groups) if label == 'floor']
    for k, (low, high) in enumerate(floors):
        for other_low, other_high in floors[:k]:
            shared = np.minimum(high, other_high) - np.maximum(low, other_low)
            assert (shared[:2] < 0.15).any()


def test_it_passes_the_converter(tmp_path, floor):
    synthesize_scannet(tmp_path / 'raw', dict(val=1), seed=0, options=TINY)
    report = prepare_scannet(tmp_path / 'raw', tmp_path / 'data', splits=('val',))
    assert [outcome.state for outcome in report.outcomes] == ['converted']
    (info,) = pickle.loads((tmp_path / 'data' / 'scannet_infos_val.pkl').read_bytes())['data_list']
    instance = np.fromfile(
        tmp_path / 'data' / 'instance_mask' / info['pts_instance_mask_path'], dtype=np.int64
    )
    assert len(instance) == len(floor.points)
    objects = sum(CATEGORIES[label].nyu40_id in INSTANCE_NYU40 for label, _ in floor.groups)
    assert objects >= 12 and len(np.unique(instance)) >= objects


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(length=3.0), 'length: found 3.0, expected 4 to 500'),
        (dict(width=(1.0, 2.0)), 'width: found 1.0 to 2.0'),
    ],
)
def test_impossible_floors_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TINY, **options)
