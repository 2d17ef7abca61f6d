# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""AP against a naive transcription of the rules, mmdetection3d's AP, and hand-computed values."""

import numpy as np
import pytest
import torch
from mmdet3d.evaluation.functional.scannet_utils.evaluate_semantic_instance import scannet_eval

from insseg3d.evaluation.functional import (
    AP_THRESHOLDS,
    average_precision,
    class_agnostic_ap,
    instance_ap,
    scene_table,
)
from insseg3d.ops.contingency import pack_masks

NUM_CLASSES = 4
MIN_POINTS = 20


# --- the oracle: the benchmark's rules, literally, one scene, class and threshold at a time -------


def oracle_ap(scenes, num_classes, min_points):
    """Compute ``(K, T)`` AP literally by the rules."""
    ap = np.full((num_classes, len(AP_THRESHOLDS)), np.nan)
    for label in range(num_classes):
        for column, threshold in enumerate(AP_THRESHOLDS):
            ap[label, column] = oracle_class_ap(scenes, label, threshold, num_classes, min_points)
    return ap


def oracle_class_ap(scenes, label, threshold, num_classes, min_points):
    truths, scores, hard_missed, has_gt, has_pred = [], [], 0, False, False
    for scene in scenes:
        void = (scene['semantic'] < 0) | (scene['semantic'] >= num_classes)
        void |= scene['instance'] < 0
        objects = []
        for number in np.unique(scene['instance']):
            mask = (scene['instance'] == number) & (scene['semantic'] == label)
            if number >= 0 and mask.any():
                objects.append(mask)
        preds = []
        for mask, pred_label, score in zip(scene['masks'], scene['labels'], scene['scores']):
            if pred_label == label and mask.sum() >= min_points:
                preds.append((mask, float(score)))
        has_gt |= any(mask.sum() >= min_points for mask in objects)
        has_pred |= bool(preds)
        found, surplus = [], []
        used = [False] * len(preds)
        for gt in objects:
            if gt.sum() < min_points:
                continue
            gt_score = None
            for index, (mask, score) in enumerate(preds):
                if used[index] or not _iou(gt, mask) > threshold:
                    continue
                if gt_score is None:
                    gt_score = score
                    used[index] = True
                else:
                    surplus.append(min(gt_score, score))
                    gt_score = max(gt_score, score)
            if gt_score is None:
                hard_missed += 1
            else:
                found.append(gt_score)
        for mask, score in preds:
            if any(_iou(gt, mask) > threshold for gt in objects):
                continue
            ignored = (void & mask).sum()
            for gt in objects:
                if gt.sum() < min_points:
                    ignored += (gt & mask).sum()
            if ignored / mask.sum() <= threshold:
                surplus.append(score)
        truths += [1] * len(found) + [0] * len(surplus)
        scores += found + surplus
    if not has_gt:
        return np.nan
    if not has_pred:
        return 0.0
    return oracle_curve(truths, scores, hard_missed)


def oracle_curve(truths, scores, hard_missed):
    points = []
    for cut in sorted(set(scores)):
        tp = sum(truth for truth, score in zip(truths, scores) if score >= cut)
        fp = sum(1 - truth for truth, score in zip(truths, scores) if score >= cut)
        fn = sum(truths) - tp + hard_missed
        points.append((tp / (tp + fp), tp / (tp + fn)))
    points.append((1.0, 0.0))
    area = 0.0
    for index, (precision, _) in enumerate(points):
        before = points[max(index - 1, 0)][1]
        after = points[index + 1][1] if index + 1 < len(points) else 0.0
        area += precision * (before - after) / 2
    return area


def _iou(one, other):
    return (one & other).sum() / (one | other).sum()


# --- random cases ---


def random_scene(rng):
    """Make objects and masks of multiples of 10 points, which often tie in size, IoU and score."""
    num_cells = int(rng.integers(1, 50))
    instance = np.repeat(rng.integers(-1, 8, num_cells), 10)
    label_of = rng.integers(0, NUM_CLASSES + 1, 9)
    if rng.random() < 0.2:
        label_of[:] = NUM_CLASSES  # void only
    elif rng.random() < 0.4:
        label_of[:] = rng.integers(0, 2)  # many objects of one class
    semantic = label_of[instance]
    semantic[rng.random(len(semantic)) < 0.02] = rng.integers(-1, NUM_CLASSES + 1)
    cells = np.repeat(np.arange(num_cells), 10)
    masks, labels = [], []
    for _ in range(int(rng.integers(0, 16))):
        kind = rng.random()
        if kind < 0.15 and masks:
            mask, label = masks[-1].copy(), labels[-1]  # a duplicate
        elif kind < 0.75:
            number = rng.integers(-1, 8)
            mask, label = instance == number, label_of[number]
            drop, add = rng.random(2) * rng.choice([0.0, 0.3, 0.8])
            mask = mask & (rng.random(num_cells) >= drop)[cells]
            mask = mask | (rng.random(num_cells) < add * 0.3)[cells]
        else:
            mask, label = (rng.random(num_cells) < rng.random())[cells], rng.integers(NUM_CLASSES)
        if rng.random() < 0.2 or label >= NUM_CLASSES:
            label = rng.integers(NUM_CLASSES)
        masks.append(mask)
        labels.append(int(label))
    scores = rng.random(len(masks))
    if rng.random() < 0.5:
        scores = np.round(scores, 1)  # ties
    return {
        'instance': instance,
        'semantic': semantic,
        'masks': np.array(masks, dtype=bool).reshape(-1, len(instance)),
        'labels': np.array(labels, dtype=np.int64),
        'scores': scores,
    }


def random_case(seed):
    rng = np.random.default_rng(seed)
    return [random_scene(rng) for _ in range(int(rng.integers(1, 6)))]


def tables_of(scenes, num_classes=NUM_CLASSES):
    return [
        scene_table(
            pred_masks=scene['masks'],
            pred_labels=scene['labels'],
            pred_scores=scene['scores'],
            gt_instance=scene['instance'],
            gt_semantic=scene['semantic'],
            num_classes=num_classes,
        )
        for scene in scenes
    ]


def mmdet3d_metrics(scenes, num_classes=NUM_CLASSES, min_points=MIN_POINTS):
    ids = list(range(1, num_classes + 1))  # its coding would lose class 0
    names = [str(label) for label in range(num_classes)]
    preds, gts = [], []
    for index, scene in enumerate(scenes):
        preds.append(
            {
                f'{index}_{row}': {'mask': mask, 'label_id': int(label) + 1, 'conf': float(score)}
                for row, (mask, label, score) in enumerate(
                    zip(scene['masks'], scene['labels'], scene['scores'])
                )
            }
        )
        valid = (scene['instance'] >= 0) & (scene['semantic'] >= 0)
        valid &= scene['semantic'] < num_classes
        gts.append(np.where(valid, 1000 * (scene['semantic'] + 1) + scene['instance'], 0))
    with np.errstate(all='ignore'):
        return scannet_eval(
            preds=preds,
            gts=gts,
            options={'min_region_sizes': np.array([min_points])},
            valid_class_ids=ids,
            class_labels=names,
            id_to_label=dict(zip(ids, names)),
        )


def check_against_both(seed):
    scenes = random_case(seed)
    ours = instance_ap(tables_of(scenes), num_classes=NUM_CLASSES, min_points=MIN_POINTS)
    np.testing.assert_allclose(
        ours.ap, oracle_ap(scenes, NUM_CLASSES, MIN_POINTS), rtol=0, atol=1e-12
    )
    theirs = mmdet3d_metrics(scenes)
    for threshold, key in ((None, ''), (0.5, '50%'), (0.25, '25%')):
        overall = theirs['all_ap_' + key if key else 'all_ap']
        per_class = [theirs['classes'][str(label)]['ap' + key] for label in range(NUM_CLASSES)]
        np.testing.assert_allclose(ours.per_class(threshold), per_class, rtol=0, atol=1e-12)
        np.testing.assert_allclose(ours.overall(threshold), overall, rtol=0, atol=1e-12)
    return ours


@pytest.mark.filterwarnings('ignore:Mean of empty slice:RuntimeWarning')
def test_equals_oracle_and_mmdet3d_on_random_cases():
    finite = [check_against_both(seed).ap for seed in range(300)]
    values = np.concatenate(finite).ravel()
    # The cases are meaningful: all outcomes occur.
    assert np.isnan(values).any() and (values == 0).any() and (values == 1).any()
    assert len(np.unique(values[~np.isnan(values)])) > 300


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore:Mean of empty slice:RuntimeWarning')
def test_equals_oracle_and_mmdet3d_on_thousands_of_cases():
    for seed in range(1000, 4000):
        check_against_both(seed)


# --- by hand ---


def line(length, *spans):
    """Make masks on a line of points, one per (start, stop)."""
    masks = np.zeros((len(spans), length), dtype=bool)
    for mask, (start, stop) in zip(masks, spans):
        mask[start:stop] = True
    return masks


def scene_of(gt, gt_labels, masks, labels, scores):
    """Make a scene from object masks and predicted masks; all other points are void."""
    instance = np.full(gt.shape[1], -1)
    semantic = np.full(gt.shape[1], 99)
    for number, (mask, label) in enumerate(zip(gt, gt_labels)):
        instance[mask], semantic[mask] = number, label
    return {
        'instance': instance,
        'semantic': semantic,
        'masks': masks,
        'labels': np.array(labels, dtype=np.int64),
        'scores': np.array(scores, dtype=np.float64),
    }


def score(*scenes, num_classes=2, min_points=100):
    return instance_ap(
        tables_of(scenes, num_classes), num_classes=num_classes, min_points=min_points
    )


def of_one_class(scene):
    """Give all objects and predictions the class 0, without merging objects."""
    known = (scene['semantic'] >= 0) & (scene['semantic'] < NUM_CLASSES) & (scene['instance'] >= 0)
    pairs = scene['semantic'] * 100 + scene['instance']  # in the order of class, then number
    instance = np.where(known, np.unique(pairs, return_inverse=True)[1], -1)
    semantic = np.where(known, 0, NUM_CLASSES)
    return dict(scene, instance=instance, semantic=semantic, labels=[0] * len(scene['labels']))


@pytest.mark.filterwarnings('ignore:Mean of empty slice:RuntimeWarning')
def test_without_classes_equals_the_oracle_on_scenes_of_one_class():
    for seed in range(60):
        scenes = random_case(seed)
        found = class_agnostic_ap(tables_of(scenes), num_classes=NUM_CLASSES, min_points=MIN_POINTS)
        expected = oracle_ap([of_one_class(scene) for scene in scenes], 1, MIN_POINTS)
        np.testing.assert_allclose(found.ap, expected, atol=1e-9)


def test_without_classes_a_wrong_class_is_right_and_a_second_one_is_a_duplicate():
    gt = line(400, (0, 150), (200, 350))
    wrong = scene_of(gt, [0, 1], gt, [1, 0], [0.9, 0.8])
    tables = tables_of([wrong], 2)
    assert instance_ap(tables, num_classes=2).overall(0.5) == 0
    assert class_agnostic_ap(tables, num_classes=2).overall(0.5) == 1
    both = line(400, (0, 150), (0, 150), (200, 350))
    twice = tables_of([scene_of(gt, [0, 1], both, [0, 1, 1], [0.9, 0.8, 0.7])], 2)
    assert class_agnostic_ap(twice, num_classes=2).overall(0.5) < 1
    assert class_agnostic_ap(twice, num_classes=1).num_pred.tolist() == [1]  # others: ignored


def test_thresholds_are_nine_and_a_quarter():
    assert len(AP_THRESHOLDS) == 10 and AP_THRESHOLDS[-1] == 0.25
    assert AP_THRESHOLDS[:9] == tuple(np.arange(0.5, 0.95, 0.05))
    np.testing.assert_allclose(AP_THRESHOLDS[:9], [0.5 + 0.05 * step for step in range(9)])


def test_perfect_prediction_scores_one_and_class_zero_counts():
    gt = line(600, (0, 200), (200, 500))
    result = score(scene_of(gt, [0, 1], gt, [0, 1], [0.9, 0.1]))
    assert np.array_equal(result.ap, np.ones((2, 10)))
    assert result.overall() == result.overall(0.5) == result.overall(0.25) == 1.0


def test_iou_must_exceed_the_threshold():
    gt = line(200, (0, 100))
    half = score(scene_of(line(400, (0, 100)), [0], line(400, (0, 200)), [0], [0.9]))
    assert half.per_class(0.5)[0] == 0.0 and half.per_class(0.25)[0] == 1.0
    more = score(scene_of(gt, [0], line(200, (0, 199)), [0], [0.9]))
    assert more.per_class(0.5)[0] == 1.0


def test_average_is_over_fifty_to_ninety_without_the_quarter():
    # IoU 0.7: found at 0.50, 0.55, 0.60, 0.65 and, as arange gives 0.7000000000000002, no more.
    gt, masks = line(1000, (0, 1000)), line(1000, (0, 700))
    result = score(scene_of(gt, [0], masks, [0], [0.5]))
    assert result.per_class(0.25)[0] == 1.0
    assert result.overall() == pytest.approx(4 / 9)


def test_curve_by_hand():
    # Found at 0.9 and 0.5, false at 0.7, one object missed. From the lowest score upwards:
    # precision 2/3, 1/2, 1, (1); recall 2/3, 1/3, 1/3, (0).
    expected = 2 / 3 * (2 / 3 - 1 / 3) / 2 + 1 / 2 * (2 / 3 - 1 / 3) / 2
    expected += 1 * (1 / 3 - 0) / 2 + 1 * (1 / 3 - 0) / 2
    value = average_precision(np.array([0.9, 0.5]), np.array([0.7]), num_missed=1)
    assert value == pytest.approx(expected, abs=1e-15)


def test_duplicate_costs_a_false_positive_with_the_lower_score():
    gt = line(500, (0, 200), (200, 400))
    masks = gt[[0, 0, 1]]
    # The duplicate is ranked last: it only lowers the end of the curve.
    late = score(scene_of(gt, [0, 0], masks, [0, 0, 0], [0.9, 0.1, 0.8])).per_class(0.5)[0]
    early = score(scene_of(gt, [0, 0], masks, [0, 0, 0], [0.9, 0.85, 0.8])).per_class(0.5)[0]
    assert early < late <= 1.0


def test_input_order_decides_at_a_quarter():
    # One mask covers two objects, each at IoU 1/2; another covers the first alone.
    gt = line(700, (0, 200), (200, 400))
    masks = line(700, (0, 400), (0, 200))
    first = score(scene_of(gt, [0, 0], masks, [0, 0], [0.9, 0.8])).per_class(0.25)[0]
    second = score(scene_of(gt, [0, 0], masks[::-1], [0, 0], [0.8, 0.9])).per_class(0.25)[0]
    # Wide mask first: it matches object one, the narrow mask is surplus, object two is missed.
    # Narrow mask first: the wide mask is surplus on object one (at the lower score, the object
    # keeps the higher one) but stays free for object two.
    assert first == pytest.approx(oracle_curve([1, 0], [0.9, 0.8], 1)) and first < 1
    assert second == pytest.approx(oracle_curve([1, 1, 0], [0.9, 0.9, 0.8], 0)) == 1


def test_void_is_ignored_more_easily_at_low_thresholds():
    # 40 % of the mask is void and the rest an object of another class.
    gt = line(1000, (0, 300), (300, 600))
    masks = np.concatenate([gt[:1], line(1000, (480, 680))])
    result = score(scene_of(gt, [0, 1], masks, [0, 0], [0.5, 0.9]))
    assert result.per_class(0.25)[0] == 1.0  # 0.4 > 0.25: ignored
    assert result.per_class(0.5)[0] < 1.0  # 0.4 <= 0.5: a false positive


def test_small_objects_and_predictions_do_not_count():
    gt = line(1000, (0, 99), (200, 400))
    alone = score(scene_of(gt, [0, 0], gt[1:], [0], [0.9]))
    with_small = score(scene_of(gt, [0, 0], gt[::-1], [0, 0], [0.9, 0.8]))
    on_small = score(scene_of(gt, [0, 0], line(1000, (200, 400), (0, 100)), [0, 0], [0.1, 0.9]))
    for result in (alone, with_small, on_small):
        assert result.overall() == 1.0
        assert result.num_gt.tolist() == [2, 0] and result.num_gt_scored.tolist() == [1, 0]
    assert score(scene_of(gt, [0, 0], gt[1:], [0], [0.9]), min_points=50).overall() == 0.5


def test_missing_predictions_are_zero_and_missing_objects_are_nan():
    gt = line(400, (0, 200))
    empty = scene_of(gt, [0], np.zeros((0, 400), bool), [], [])
    result = score(empty)
    assert np.all(result.ap[0] == 0) and np.isnan(result.ap[1]).all()
    assert result.overall() == 0.0
    nothing = score(scene_of(gt[:0], [], gt, [1], [0.9]))
    assert np.isnan(nothing.ap).all() and np.isnan(nothing.overall())
    assert np.isnan(score().overall())


def test_every_prediction_ignored_gives_zero():
    gt = line(400, (0, 100))
    assert score(scene_of(gt, [0], line(400, (200, 400)), [0], [0.9])).overall() == 0.0


def test_scene_order_and_tensors_make_no_difference():
    scenes = [random_scene(np.random.default_rng(seed)) for seed in range(20)]
    expected = score(*scenes, num_classes=NUM_CLASSES, min_points=MIN_POINTS)
    as_tensors = [
        {key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in scene.items()}
        for scene in scenes[::-1]
    ]
    actual = score(*as_tensors, num_classes=NUM_CLASSES, min_points=MIN_POINTS)
    np.testing.assert_array_equal(actual.ap, expected.ap)


def test_table_by_hand():
    gt = line(10, (0, 4), (4, 6))
    table = tables_of(
        [scene_of(gt, [1, 0], line(10, (2, 5), (8, 10)), [1, 0], [0.25, 0.75])], num_classes=2
    )[0]
    assert table.gt_labels.tolist() == [0, 1] and table.gt_sizes.tolist() == [2, 4]
    assert table.intersections.tolist() == [[1, 2], [0, 0]]
    assert table.pred_sizes.tolist() == [3, 2] and table.pred_void.tolist() == [0, 2]
    assert table.pred_labels.tolist() == [1, 0] and table.pred_scores.tolist() == [0.25, 0.75]


def test_huge_instance_numbers_take_no_memory():
    scene = scene_of(line(500, (0, 200), (200, 400)), [0, 1], line(500, (0, 200)), [0], [0.5])
    expected = tables_of([scene], 2)[0]
    scene['instance'] = np.where(scene['instance'] >= 0, scene['instance'] * 10**12 + 7, -1)
    actual = tables_of([scene], 2)[0]
    for name, value in vars(expected).items():
        np.testing.assert_array_equal(getattr(actual, name), value)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'masks': np.zeros((1, 399), bool)}, r'P = 400 points .*found \(1, 399\)'),
        ({'labels': np.array([0, 1])}, r'found \(2,\) and \(1,\)'),
        ({'scores': np.array([np.nan])}, 'score of prediction 0 is nan'),
        ({'semantic': np.zeros(3, int)}, r'found \(400,\) and \(3,\)'),
    ],
)
def test_bad_input_is_refused(change, message):
    scene = scene_of(line(400, (0, 200)), [0], line(400, (0, 200)), [0], [0.9])
    with pytest.raises(ValueError, match=message):
        tables_of([{**scene, **change}])


@pytest.mark.parametrize('shape', [(0, 9), (3, 0), (1, 1), (4, 8), (5, 83)])
def test_packed_masks_are_those_of_numpy(shape):
    masks = np.random.default_rng(0).random(shape) < 0.5
    np.testing.assert_array_equal(
        pack_masks(torch.from_numpy(masks)).numpy(), np.packbits(masks, axis=1)
    )


@pytest.mark.gpu
def test_masks_of_a_gpu_give_the_same_table():
    scene = random_case(0)[0]
    masks = torch.from_numpy(np.asarray(scene['masks'], dtype=bool))
    one, two = (tables_of([dict(scene, masks=some)])[0] for some in (masks, masks.cuda()))
    np.testing.assert_array_equal(one.intersections, two.intersections)
    np.testing.assert_array_equal(one.pred_void, two.pred_void)
