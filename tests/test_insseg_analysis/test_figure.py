# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""One scene as several methods see it: what belongs together has one colour."""

import numpy as np
import pytest

from insseg3d.visualization import InstanceMap, Scene
from insseg3d.visualization.palette import matched_colors, shaded_colors
from insseg_analysis.figure import MethodResult, draw_figure, method_panels

RANDOM = np.random.default_rng(0)
# Four clumps of ten points, a metre apart.
XYZ = np.c_[np.arange(40) // 10, RANDOM.random((40, 2)) / 2] + RANDOM.random((40, 3)) / 10
RGB = np.full((40, 3), 128, dtype=np.uint8)
COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], dtype=np.uint8)


def objects(*parts, labels=None):
    """A map whose object k has the points of a slice."""
    instance = np.full(40, -1)
    for number, part in enumerate(parts):
        instance[part] = number
    return InstanceMap.of(instance, np.zeros(len(parts)) if labels is None else labels)


TRUTH = objects(slice(0, 10), slice(10, 20), slice(20, 30))


def test_what_covers_the_same_has_the_same_colour_in_all_maps():
    truth, first, second = matched_colors(
        XYZ,
        [
            TRUTH,
            objects(
                slice(20, 29), slice(30, 40), slice(2, 10)
            ),  # the third, a false one, the first
            objects(
                slice(31, 40), slice(10, 18), slice(25, 30)
            ),  # that false one, the second, a half
        ],
    )
    np.testing.assert_array_equal(first[0], truth[2])
    np.testing.assert_array_equal(first[2], truth[0])
    np.testing.assert_array_equal(second[0], first[1])
    np.testing.assert_array_equal(second[1], truth[1])
    different = np.unique(np.concatenate([truth, first[1:2], second[2:]]), axis=0)
    assert len(different) == 5  # the half of an object (IoU 1/2) is one of its own


def test_no_two_objects_of_a_map_share_a_match():
    # The second map's objects cover truth's object and the first map's, which covers that too.
    truth = objects(slice(0, 10))
    first = objects(slice(0, 18))
    second = objects(slice(0, 6), slice(6, 18))
    colors = matched_colors(XYZ, [truth, first, second])
    np.testing.assert_array_equal(colors[1][0], colors[0][0])
    np.testing.assert_array_equal(colors[2][0], colors[0][0])
    assert (colors[2][1] != colors[0][0]).any()


def test_without_ground_truth_the_first_method_leads():
    first, second = matched_colors(XYZ, [TRUTH, objects(slice(20, 30), slice(0, 10))])
    np.testing.assert_array_equal(second, first[[2, 0]])
    assert matched_colors(XYZ, [objects()])[0].shape == (0, 3)


def test_views_of_a_scene_in_their_order():
    scene = Scene('scene', XYZ, RGB, truth=TRUTH)
    semantic = np.repeat([0, 2, 3, 1], 10)  # of three classes: 3 is none
    results = [MethodResult('A', TRUTH), MethodResult('B', objects(), semantic)]
    panels = method_panels(scene, results, COLORS)
    assert [caption for caption, _ in panels] == ['input', 'B: classes', 'A', 'B', 'ground truth']
    views = dict(panels)
    np.testing.assert_array_equal(views['input'], RGB)
    np.testing.assert_array_equal(views['A'], views['ground truth'])
    classes = views['B: classes']
    for part, color in ((0, COLORS[0]), (1, COLORS[2]), (3, COLORS[1])):
        assert (np.argmax(classes[10 * part : 10 * part + 10], axis=1) == np.argmax(color)).all()
    np.testing.assert_array_equal(classes[20:30], views['B'][20:30])  # grey, as without an object
    expected = shaded_colors(TRUTH, matched_colors(XYZ, [TRUTH])[0], RGB)
    np.testing.assert_array_equal(views['ground truth'], expected)
    bare = method_panels(Scene('scene', XYZ, RGB), [], COLORS)
    assert [caption for caption, _ in bare] == ['input']


def test_rows_columns_captions_and_legend():
    scene = Scene('scene', XYZ, RGB, truth=TRUTH)
    plain, classes = MethodResult('A', TRUTH), MethodResult('A', TRUTH, np.repeat([0, 2], 20))
    options = dict(classes=('red', 'green', 'blue'), class_colors=COLORS, width=90, height=60)
    one = draw_figure([(scene, [plain])], **options)
    two = draw_figure([(scene, [plain]), (scene, [plain])], **options)
    assert one.shape[1] == two.shape[1] == 3 * 90 and one.dtype == np.uint8
    assert two.shape[0] - one.shape[0] == 60  # captions stand once
    np.testing.assert_array_equal(two[:60], one[:60])
    np.testing.assert_array_equal(one[:60, 90:180], one[:60, 180:])  # A is the truth
    assert (one[:60, :90] != one[:60, 180:]).any()
    legend = draw_figure([(scene, [classes])], **options)
    assert legend.shape[1] == 4 * 90 and legend.shape[0] > one.shape[0]
    bottom = legend[one.shape[0] :].reshape(-1, 3)
    shown = [bool((bottom == color).all(axis=1).any()) for color in COLORS]
    assert shown == [True, False, True]  # the classes that occur
    narrow = draw_figure([(scene, [classes])], **{**options, 'width': 16, 'height': 60})
    assert narrow.shape[0] > legend.shape[0]  # a line for each name


def test_rows_must_have_the_same_views():
    scene = Scene('scene', XYZ, RGB, truth=TRUTH)
    with pytest.raises(ValueError, match='views of the scenes differ'):
        draw_figure(
            [(scene, []), (Scene('bare', XYZ, RGB), [])], classes=('a',), class_colors=COLORS[:1]
        )
