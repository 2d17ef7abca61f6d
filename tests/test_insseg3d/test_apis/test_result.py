# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Boxes, centres and tables of objects with known positions and sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from insseg3d.apis.result import InstanceResult, upright_box
from insseg3d.structures import InstanceMap
from insseg_scans.units import UP_AXES

CORNERS = np.array([[x, y, z] for x in (0, 4) for y in (0, 2) for z in (0, 1)], dtype=float)


def make(coords, instance, labels=(1, 0), scores=(0.9, 0.5), turn=None):
    coords = np.asarray(coords, dtype=float)
    return InstanceResult(
        name='scan.ply',
        coords=coords,
        rgb=np.zeros((len(coords), 3), dtype=np.uint8),
        instances=InstanceMap.of(instance, labels, scores),
        classes=('chair', 'table'),
        remarks=(),
        scale=0.01,
        turn=np.eye(3) if turn is None else turn,
        num_small=3,
        min_voxels=30,
        seconds=0.1,
    )


@pytest.fixture
def result():
    return make(np.r_[CORNERS, CORNERS + 1e6, [[np.nan] * 3]], [0] * 8 + [1] * 8 + [-1])


def test_numbers_by_hand(result):
    assert result.names == ['table', 'chair'] and result.sizes.tolist() == [8, 8]
    np.testing.assert_array_equal(result.masks.sum(axis=1), [8, 8])
    np.testing.assert_array_equal(result.centres(), [[2, 1, 0.5], [1e6 + 2, 1e6 + 1, 1e6 + 0.5]])
    np.testing.assert_array_equal(result.aligned_boxes()[0], [0, 0, 0, 4, 2, 1])
    row = result.objects()[1]
    assert row['class'] == 'chair' and row['score'] == 0.5 and row['points'] == 8
    np.testing.assert_allclose(row['oriented_size'], [4, 2, 1])
    np.testing.assert_allclose(row['size_metres'], [0.04, 0.02, 0.01])
    np.testing.assert_allclose(row['oriented_centre'], [1e6 + 2, 1e6 + 1, 1e6 + 0.5])


def test_conversions(result):
    arrays = result.to_numpy()
    assert arrays['masks'].shape == (2, 17) and arrays['boxes'].shape == (2, 6)
    data = result.to_instance_data()
    assert data.masks.shape == (2, 17) and data.labels_3d.tolist() == [1, 0]
    pandas = pytest.importorskip('pandas')
    table = result.to_pandas()
    assert isinstance(table, pandas.DataFrame) and table['class'].tolist() == ['table', 'chair']
    assert table.loc[0, 'length'] == 4 and table.loc[0, 'box_max_x'] == 4
    assert list(make([[0, 0, 0]], [-1], (), ()).to_pandas().columns) == list(table.columns)


@given(st.floats(0, 2 * np.pi), st.sampled_from(sorted(UP_AXES)), st.floats(-1e6, 1e6))
@settings(max_examples=30, deadline=None)
def test_an_upright_box_is_found_at_any_angle_and_around_any_axis(angle, up, shift):
    turn = np.zeros((3, 3))
    for row, (axis, sign) in enumerate(UP_AXES[up]):
        turn[row, axis] = sign
    cos, sin = np.cos(angle), np.sin(angle)
    around = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    inside = np.random.default_rng(0).random((40, 3)) * (4, 2, 1)
    points = np.r_[CORNERS, inside] @ around.T @ turn + shift
    box = upright_box(points, turn[2])
    np.testing.assert_allclose(box.size, [4, 2, 1], atol=1e-6)
    np.testing.assert_allclose(
        box.centre, np.array([2, 1, 0.5]) @ around.T @ turn + shift, atol=1e-6
    )
    np.testing.assert_allclose(box.axes @ box.axes.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(box.axes), 1)
    np.testing.assert_array_equal(box.axes[2], turn[2])
    local = (points - box.centre) @ box.axes.T
    assert (np.abs(local) <= box.size / 2 + 1e-6).all()


@given(st.integers(1, 12), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_no_turned_box_is_smaller(count, seed):
    points = np.random.default_rng(seed).normal(size=(count, 3))
    box = upright_box(points, np.array([0.0, 0, 1]))
    for angle in np.linspace(0, np.pi / 2, 181):
        cos, sin = np.cos(angle), np.sin(angle)
        extent = np.ptp(points[:, :2] @ np.array([[cos, -sin], [sin, cos]]), axis=0)
        assert box.size[0] * box.size[1] <= extent.prod() + 1e-9


@given(st.integers(3, 200), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_the_corners_of_the_hull_give_what_all_points_give(count, seed):
    points = np.random.default_rng(seed).normal(size=(count, 3))
    ground = points[:, :2] - points[:, :2].mean(axis=0)
    corners = ground[ConvexHull(ground).vertices]
    areas = []
    for x, y in np.roll(corners, -1, axis=0) - corners:
        along = np.array([[x, y], [-y, x]]) / np.hypot(x, y)
        areas.append(np.ptp(ground @ along.T, axis=0).prod())
    box = upright_box(points, np.array([0.0, 0, 1]))
    np.testing.assert_allclose(box.size[0] * box.size[1], min(areas), rtol=1e-6)
    np.testing.assert_allclose(
        np.ptp((points - box.centre) @ box.axes.T, axis=0), box.size, atol=1e-9
    )


@pytest.mark.parametrize(
    'points, size',
    [
        ([[1, 2, 3]], [0, 0, 0]),
        ([[0, 0, 0], [3, 4, 1]], [5, 0, 1]),
        (np.outer(range(9), (3, 4, 0)), [40, 0, 0]),
        ([[5, 5, 0], [5, 5, 2]], [0, 0, 2]),
    ],
)
def test_flat_objects_have_flat_boxes(points, size):
    box = upright_box(np.array(points, dtype=float), np.array([0.0, 0, 1]))
    np.testing.assert_allclose(box.size, size, atol=1e-9)
