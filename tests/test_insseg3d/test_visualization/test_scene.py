# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Scenes, object maps and their comparison."""

import numpy as np
import pytest
import torch

from insseg3d.visualization import InstanceMap, Scene, compare, instance_palette
from insseg3d.visualization.palette import (
    PALETTE_SIZE,
    neutral_colors,
    object_colors,
    seen_by_all,
    shaded_colors,
)


def test_map_of_tensors_and_of_annotation():
    pred = InstanceMap.of(
        torch.tensor([0, 1, -1, 1]), torch.tensor([5, 2]), torch.tensor([0.5, 0.25])
    )
    assert pred.instance.tolist() == [0, 1, -1, 1] and pred.sizes.tolist() == [1, 2]
    assert pred.labels.tolist() == [5, 2] and pred.scores.tolist() == [0.5, 0.25]
    truth = InstanceMap.from_annotation(
        np.array([7, 7, -1, 40, 40]), np.array([1, 1, 0, 0, 3]), num_classes=3
    )
    assert truth.instance.tolist() == [1, 1, -1, 0, -1] and truth.labels.tolist() == [0, 1]


def test_comparison_by_hand():
    truth = InstanceMap.of(np.repeat([0, 1, 2, 3], 10), [0, 1, 1, 2])
    pred = np.full(40, -1)
    pred[0:9] = 0  # 9/10 of object 0, right class
    pred[10:20] = 1  # object 1, wrong class
    pred[20:24] = 2  # 4/10 of object 2, right class
    pred[30:32] = 3  # 2/10 of object 3
    result = compare(InstanceMap.of(pred, [0, 2, 1, 2]), truth)
    assert result.status == ('found', 'wrong class', 'poor', 'unmatched')
    np.testing.assert_allclose(result.iou, [0.9, 1.0, 0.4, 0.2])
    assert result.match.tolist() == [0, 1, 2, 3]
    assert result.found.tolist() == [True, False, False, False]


def test_half_is_not_found():
    truth = InstanceMap.of(np.zeros(10, int), [0])
    pred = InstanceMap.of(np.repeat([0, -1], 5), [0])
    assert compare(pred, truth).status == ('poor',) and not compare(pred, truth).found.any()


def test_comparison_without_objects():
    nothing, one = InstanceMap.of(np.full(4, -1), []), InstanceMap.of(np.zeros(4, int), [0])
    assert compare(nothing, one).found.tolist() == [False]
    assert compare(one, nothing).status == ('unmatched',)
    assert compare(one, nothing).match.tolist() == [-1]


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: InstanceMap.of([0, 3], [1, 1]), 'instance number 3 has no label: 2 labels'),
        (lambda: InstanceMap.of([0, 0], [1], [0.5, 0.5]), '1 labels need as many scores'),
        (lambda: Scene.of('room', np.zeros((4, 5))), r'room: .*\(P, 6\), found \(4, 5\)'),
        (lambda: Scene.of('room', np.full((4, 3), np.nan)), 'room: coordinates must be finite'),
        (lambda: Scene.of('room', np.full((4, 6), -1.0)), r'room: colours .*found -1.0 to -1.0'),
        (
            lambda: Scene.of('room', np.zeros((4, 3)), pred=InstanceMap.of([0], [0])),
            'room: pred is for 1 points, the scan has 4',
        ),
    ],
)
def test_bad_scene_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_palette_is_stable_and_distinct():
    palette = instance_palette(PALETTE_SIZE)
    assert palette.dtype == np.uint8 and len(np.unique(palette, axis=0)) == PALETTE_SIZE
    np.testing.assert_array_equal(instance_palette(5), palette[:5])
    np.testing.assert_array_equal(instance_palette(PALETTE_SIZE + 3)[-3:], palette[:3])
    distance = np.linalg.norm(palette[:, None].astype(float) - palette[None], axis=2)
    assert distance[~np.eye(PALETTE_SIZE, dtype=bool)].min() > 25
    assert distance[:6, :6][~np.eye(6, dtype=bool)].min() > 70
    assert np.ptp(palette, axis=1).min() > 40  # grey is reserved for points without an object
    assert np.ptp(neutral_colors(palette), axis=1).max() < 12


def least_distance(colors):
    """Compute the least distance of two colours over all kinds of vision, in OKLab."""
    seen = seen_by_all(colors / 255)
    distance = np.linalg.norm(seen[:, :, None] - seen[:, None], axis=3)
    return distance[:, ~np.eye(len(colors), dtype=bool)].min()


def test_palette_is_told_apart_without_one_kind_of_cones():
    # Red and green of equal lightness differ strongly, except without red or green cones.
    red, green = np.array([[197, 88, 17], [120, 124, 24]], dtype=float)
    seen = seen_by_all(np.stack([red, green]) / 255)
    far = np.linalg.norm(seen[:, 0] - seen[:, 1], axis=1)
    assert far[0] > 0.13 and far[1:3].min() < 0.06
    assert least_distance(instance_palette(4)) > 0.2
    assert least_distance(instance_palette(8)) > 0.1
    assert least_distance(instance_palette(PALETTE_SIZE)) > 0.03


def test_greys_look_the_same_to_all():
    seen = seen_by_all(np.repeat(np.linspace(0, 1, 5)[:, None], 3, axis=1))
    np.testing.assert_allclose(seen[..., 1:], 0, atol=2e-3)
    np.testing.assert_allclose(seen[:, 0, 0], 0, atol=1e-6)
    np.testing.assert_allclose(seen[:, -1, 0], 1, atol=1e-3)


def row_of_objects(count):
    """Make objects of ten points, half a metre apart."""
    instance = np.repeat(np.arange(count), 10)
    points = np.column_stack([instance * 0.5, np.zeros((count * 10, 2))])
    return Scene.of('row', points, truth=InstanceMap.of(instance, np.zeros(count, int)))


def test_neighbours_differ_even_when_the_palette_runs_out():
    _, colors = object_colors(row_of_objects(100))
    distance = np.linalg.norm(np.diff(colors.astype(float), axis=0), axis=1)
    assert distance.min() > 60
    assert len(np.unique(colors, axis=0)) > 15


def test_a_prediction_has_the_colour_of_what_it_covers():
    scene = row_of_objects(6)
    instance = scene.truth.instance[::-1].copy()  # other numbers, and object 2 is not found
    instance[instance == 2] = -1
    pred = InstanceMap.of(instance, np.ones(6, int))
    scene = Scene.of('row', scene.coords, pred=pred, truth=scene.truth)
    pred_colors, truth_colors = object_colors(scene, compare(pred, scene.truth))
    for index in (0, 1, 3, 4, 5):
        covered = scene.truth.instance[instance == index][0]
        np.testing.assert_array_equal(pred_colors[index], truth_colors[covered])


def test_points_without_object_are_grey():
    rgb = np.array([[255, 0, 0], [255, 0, 0]], dtype=np.uint8)
    painted = shaded_colors(
        InstanceMap.of([0, -1], [0]), np.array([[0, 0, 255]], dtype=np.uint8), rgb
    )
    assert painted[0, 2] > 150 and painted[0, 0] == 0
    assert np.ptp(painted[1]) < 12
