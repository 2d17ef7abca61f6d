# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Coverage, precision and recall against a naive transcription and hand-computed values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insseg3d.evaluation.functional import (
    coverage,
    coverage_curve,
    paint_masks,
    painted_table,
    scene_table,
)


def oracle(rooms, num_classes, threshold):
    """Compute the four means literally by the definition, for masks as predicted."""
    cov, wcov, prec, rec = [], [], [], []
    for label in range(num_classes):
        room_cov, room_wcov, right, wrong, found, total = [], [], 0, 0, 0, 0
        for room in rooms:
            truth = [
                (room['instance'] == i) & (room['semantic'] == label)
                for i in np.unique(room['instance'])
                if i >= 0
            ]
            truth = [mask for mask in truth if mask.any()]
            pred = [
                mask
                for mask, k, score in zip(room['masks'], room['labels'], room['scores'])
                if k == label and score >= threshold
            ]
            best = [max([iou(gt, mask) for mask in pred], default=0) for gt in truth]
            if truth:
                room_cov.append(np.mean(best))
                room_wcov.append(np.average(best, weights=[gt.sum() for gt in truth]))
            for mask in pred:
                if max([iou(gt, mask) for gt in truth], default=0) >= 0.5:
                    right += 1
                else:
                    wrong += 1
            found += sum(value >= 0.5 for value in best)
            total += len(truth)
        if total:
            cov.append(np.mean(room_cov))
            wcov.append(np.mean(room_wcov))
            prec.append(right / (right + wrong) if right + wrong else 0)
            rec.append(found / total)
    names = ('mCov', 'mWCov', 'mPrec50', 'mRec50')
    return {
        name: np.mean(values) if values else np.nan
        for name, values in zip(names, (cov, wcov, prec, rec))
    }


def iou(a, b):
    return (a & b).sum() / max((a | b).sum(), 1)


def random_room(rng, num_classes=3):
    num_points, num_masks = int(rng.integers(1, 60)), int(rng.integers(0, 8))
    instance = rng.integers(-1, 5, num_points)
    semantic = rng.integers(0, num_classes + 1, 6)[instance]  # one class per instance, K = ignored
    masks = rng.random((num_masks, num_points)) < rng.random((num_masks, 1))
    for row in range(0, num_masks, 2):  # some that match
        masks[row] = (instance == rng.integers(-1, 5)) ^ (rng.random(num_points) < 0.1)
    return dict(
        masks=masks,
        labels=rng.integers(0, num_classes, num_masks),
        instance=instance,
        scores=rng.integers(0, 6, num_masks) / 5,
        semantic=semantic,
    )


def table(room, make=scene_table, num_classes=3, **more):
    return make(
        pred_masks=room['masks'],
        pred_labels=room['labels'],
        pred_scores=room['scores'],
        gt_instance=room['instance'],
        gt_semantic=room['semantic'],
        num_classes=num_classes,
        **more,
    )


@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.2, 0.5, 1.0]))
@settings(max_examples=200, deadline=None)
def test_equals_the_naive_transcription(seed, threshold):
    rng = np.random.default_rng(seed)
    rooms = [random_room(rng) for _ in range(int(rng.integers(1, 4)))]
    found = coverage([table(room) for room in rooms], num_classes=3, score_threshold=threshold)
    expected = oracle(rooms, 3, threshold)
    for name, value in found.means().items():
        np.testing.assert_allclose(value, expected[name], atol=1e-12, err_msg=name)


def naive_painting(masks, scores, min_points, min_share):
    """Paint point by point, mask by mask."""
    owner = [-1] * masks.shape[1]
    order = sorted(range(len(masks)), key=lambda q: (-scores[q], q))
    parts = []
    for q in order:
        free = [p for p in range(masks.shape[1]) if masks[q, p] and owner[p] == -1]
        size = int(masks[q].sum())
        if free and len(free) >= min_points and len(free) >= min_share * size:
            for p in free:
                owner[p] = len(parts)
            parts.append(q)
    return parts, owner


@given(st.integers(0, 2**31), st.integers(0, 4), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
@settings(max_examples=200, deadline=None)
def test_painting_equals_the_naive_one_and_its_table_the_partition(seed, min_points, min_share):
    room = random_room(np.random.default_rng(seed))
    numbers = np.arange(len(room['masks']))
    painting = paint_masks(
        room['masks'], numbers, room['scores'], min_points=min_points, min_share=min_share
    )
    parts, owner = naive_painting(room['masks'], room['scores'], min_points, min_share)
    assert painting.labels.tolist() == parts and painting.instance.tolist() == owner
    assert painting.scores.tolist() == room['scores'][parts].tolist()
    assert painting.sizes.tolist() == [owner.count(k) for k in range(len(parts))]
    as_masks = dict(
        room,
        masks=np.array([painting.instance == k for k in range(len(parts))], dtype=bool).reshape(
            len(parts), len(owner)
        ),
        labels=room['labels'][painting.labels],
        scores=painting.scores,
    )
    one = table(room, painted_table, min_points=min_points, min_share=min_share)
    two = table(as_masks)
    for name in ('pred_labels', 'pred_scores', 'pred_sizes', 'pred_void', 'intersections'):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


@given(st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_a_score_threshold_before_or_after_painting_is_the_same(seed):
    room = random_room(np.random.default_rng(seed))
    kept = room['scores'] >= 0.4
    cut = dict(room, **{key: room[key][kept] for key in ('masks', 'labels', 'scores')})
    before = coverage([table(cut, painted_table, min_points=1)], num_classes=3, score_threshold=0)
    after = coverage([table(room, painted_table, min_points=1)], num_classes=3, score_threshold=0.4)
    assert repr(before.means()) == repr(after.means())


def halves():
    """An object cut exactly in two, and a room without that class."""
    instance = np.zeros(8, dtype=int)
    masks = np.array([[1] * 4 + [0] * 4, [0] * 4 + [1] * 4], dtype=bool)
    cut = dict(
        masks=masks,
        labels=np.array([0, 0]),
        scores=np.array([0.9, 0.8]),
        instance=instance,
        semantic=0 * instance,
    )
    other = dict(
        masks=masks[:1],
        labels=np.array([1]),
        scores=np.array([0.7]),
        instance=np.array([0] * 4 + [-1] * 4),
        semantic=np.ones(8, dtype=int),
    )
    return cut, other


def test_an_object_cut_in_two_is_found_once():
    cut, other = halves()
    found = coverage([table(cut), table(other)], num_classes=3, score_threshold=0)
    np.testing.assert_array_equal(found.precision, [1, 1, np.nan])
    np.testing.assert_array_equal(found.recall, [1, 1, np.nan])
    np.testing.assert_array_equal(found.coverage, [0.5, 1, np.nan])  # not averaged over the other
    assert found.means() == dict(mCov=0.75, mWCov=0.75, mPrec50=1, mRec50=1)


def test_sizes_weigh_and_misses_count():
    instance = np.repeat([0, 1], [90, 10])
    room = dict(
        masks=(instance == 0)[None],
        labels=np.array([0]),
        scores=np.array([0.5]),
        instance=instance,
        semantic=0 * instance,
    )
    found = coverage([table(room)], num_classes=1, score_threshold=0.5).means()
    assert found == pytest.approx(dict(mCov=0.5, mWCov=0.9, mPrec50=1, mRec50=0.5))
    nothing = coverage([table(room)], num_classes=1, score_threshold=0.51).means()
    assert nothing == dict(mCov=0, mWCov=0, mPrec50=0, mRec50=0)
    room['labels'] = np.array([2])  # a class without objects: not averaged
    assert coverage([table(room)], num_classes=3, score_threshold=0).means()['mPrec50'] == 0


def test_curve_is_the_scores_at_each_threshold():
    rooms = [table(room) for room in halves()]
    curve = coverage_curve(rooms, num_classes=2, thresholds=[0.0, 0.75, 0.85, 1.0])
    assert [entry['score_threshold'] for entry in curve] == [0, 0.75, 0.85, 1]
    assert [entry['mRec50'] for entry in curve] == [1, 0.5, 0.5, 0]
    assert [entry['mPrec50'] for entry in curve] == [1, 0.5, 0.5, 0]


def test_nothing_to_score():
    room = dict(
        masks=np.zeros((0, 3), bool),
        labels=np.zeros(0, int),
        scores=np.zeros(0),
        instance=np.full(3, -1),
        semantic=np.zeros(3, int),
    )
    for make in (scene_table, painted_table):
        means = coverage([table(room, make)], num_classes=2, score_threshold=0).means()
        assert all(np.isnan(value) for value in means.values())
