# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import pytest
import torch
from mmdet3d.registry import TASK_UTILS

import queryis  # noqa: F401
from insseg3d.ops.masks import binary_masks


def rank(class_probs, mask_probs, counts, point2voxel, type='ArgmaxRanking', **cfg):
    ranking = TASK_UTILS.build(dict(type=type, **cfg))
    masks = binary_masks(torch.tensor(mask_probs).T.logit().__getitem__, torch.tensor(counts))
    return ranking(torch.tensor(class_probs).log(), masks, torch.tensor(point2voxel))


SCENE = dict(
    # Two classes and "no object"; query 1 is most likely "no object" and still has a label.
    class_probs=[[0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.0, 0.9, 0.1]],
    mask_probs=[[0.8, 0.4, 0.1], [0.9, 0.9, 0.9], [0.2, 0.6, 0.9]],
    counts=[2, 1, 3], point2voxel=[2, 0, 1, 2, 0, 2])


def test_equation_8_by_hand():
    instances, _ = rank(**SCENE, min_points=1)
    assert instances.labels_3d.tolist() == [1, 0, 1]
    expected = [0.9 * (0.6 + 3 * 0.9) / 4, 0.6 * 0.8, 0.2 * 0.9]
    assert instances.scores_3d.tolist() == pytest.approx(expected, abs=1e-5)
    assert instances.masks.int().tolist() == [
        [1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 1, 0], [1, 1, 1, 1, 1, 1]]


def test_small_and_weak_masks_are_dropped():
    assert len(rank(**SCENE, min_points=3)[0]) == 2
    assert rank(**SCENE, min_points=1, score_thr=0.5)[0].labels_3d.tolist() == [1]
    assert len(rank(**SCENE, min_points=100)[0]) == 0


def test_empty_masks_never_come_out():
    scene = dict(SCENE, mask_probs=[[0.1] * 3, [0.4] * 3, [0.2] * 3])
    instances, point_map = rank(**scene, min_points=0)
    assert len(instances) == 0 and instances.masks.shape == (0, 6)
    assert point_map.pts_instance_mask.tolist() == [-1] * 6


def test_map_gives_each_point_to_the_best_mask_and_renumbers():
    _, point_map = rank(**SCENE, min_points=1, map_score_thr=0.1)
    # The third mask owns nothing after the first two, so two instances remain.
    assert point_map.pts_instance_mask.tolist() == [0, 1, 0, 0, 1, 0]
    assert point_map.instance_labels.tolist() == [1, 0]
    assert len(point_map.instance_scores) == 2
    # The second owns nothing; the third takes its number: ids index the labels without gaps.
    scene = dict(SCENE, mask_probs=[[0.1, 0.4, 0.8], [0.7, 0.4, 0.1], [0.2, 0.3, 0.9]])
    _, gap = rank(**scene, min_points=1, map_score_thr=0.0)
    assert gap.pts_instance_mask.tolist() == [0, 1, -1, 0, 1, 0]
    assert gap.instance_labels.tolist() == [1, 1]
    _, confident = rank(**SCENE, min_points=1, map_score_thr=0.5)
    assert confident.pts_instance_mask.tolist() == [0, -1, 0, 0, -1, 0]


def test_flat_top_k_by_hand():
    """Pairs by probability: (2, 1) .9, (0, 0) .6, (0, 1) .3, (1, 1) .2, (1, 0) .1, (2, 0) 0."""
    instances, _ = rank(**SCENE, type='FlatTopKRanking', num_results=4, min_points=1)
    means = [0.8, 0.9, (0.6 + 3 * 0.9) / 4]  # of the masks of queries 0, 1 and 2
    assert instances.labels_3d.tolist() == [1, 0, 1, 1]
    expected = [0.9 * means[2], 0.6 * means[0], 0.3 * means[0], 0.2 * means[1]]
    assert instances.scores_3d.tolist() == pytest.approx(expected, abs=1e-5)
    assert instances.masks.int().tolist() == [
        [1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 1, 0], [0, 1, 0, 0, 1, 0], [1, 1, 1, 1, 1, 1]]


def test_flat_top_k_counts_pairs_before_it_drops_small_masks():
    scene = dict(SCENE, type='FlatTopKRanking')
    assert len(rank(**scene, num_results=2, min_points=3)[0]) == 1
    assert len(rank(**scene, num_results=50, min_points=1)[0]) == 6
    assert len(rank(**scene, min_points=1)[0]) == 3  # as many as queries
    _, point_map = rank(**scene, num_results=50, min_points=1, map_score_thr=0.1)
    # A query's other labels own nothing of the map.
    assert point_map.pts_instance_mask.tolist() == [0, 1, 0, 0, 1, 0]
    with pytest.raises(ValueError, match='num_results is 0'):
        rank(**scene, num_results=0)
