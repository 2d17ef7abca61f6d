# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import math

import pytest
import torch
from mmdet3d.registry import TASK_UTILS

import queryis  # noqa: F401
from insseg3d.heads import RowMasks
from insseg3d.ops.masks import binary_masks, mask_iou
from insseg3d.structures import InstanceMap


def rank(class_probs, mask_probs, counts, point2voxel, type='ArgmaxRanking', **cfg):
    ranking = TASK_UTILS.build(dict(type=type, **cfg))
    masks = binary_masks(torch.tensor(mask_probs).T.logit().__getitem__, torch.tensor(counts))
    return ranking(RowMasks(masks, torch.tensor(point2voxel)), torch.tensor(class_probs).log())


def point_map(instances, score_thr):
    return InstanceMap.of_masks(
        instances.masks, instances.labels_3d, instances.scores_3d, score_thr=score_thr
    )


SCENE = dict(
    # Two classes and "no object"; query 1 is most likely "no object" and still has a label.
    class_probs=[[0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.0, 0.9, 0.1]],
    mask_probs=[[0.8, 0.4, 0.1], [0.9, 0.9, 0.9], [0.2, 0.6, 0.9]],
    counts=[2, 1, 3],
    point2voxel=[2, 0, 1, 2, 0, 2],
)


def test_equation_8_by_hand():
    instances = rank(**SCENE, min_points=1)
    assert instances.labels_3d.tolist() == [1, 0, 1]
    expected = [0.9 * (0.6 + 3 * 0.9) / 4, 0.6 * 0.8, 0.2 * 0.9]
    assert instances.scores_3d.tolist() == pytest.approx(expected, abs=1e-5)
    assert instances.masks.int().tolist() == [
        [1, 0, 1, 1, 0, 1],
        [0, 1, 0, 0, 1, 0],
        [1, 1, 1, 1, 1, 1],
    ]


def test_small_and_weak_masks_are_dropped():
    assert len(rank(**SCENE, min_points=3)) == 2
    assert rank(**SCENE, min_points=1, score_thr=0.5).labels_3d.tolist() == [1]
    assert len(rank(**SCENE, min_points=100)) == 0


def test_empty_masks_never_come_out():
    scene = dict(SCENE, mask_probs=[[0.1] * 3, [0.4] * 3, [0.2] * 3])
    instances = rank(**scene, min_points=0)
    assert len(instances) == 0 and instances.masks.shape == (0, 6)
    assert point_map(instances, 0.3).instance.tolist() == [-1] * 6


def test_map_gives_each_point_to_the_best_mask_and_renumbers():
    found = point_map(rank(**SCENE, min_points=1), 0.1)
    # The first two masks leave the third no points, so two instances remain.
    assert found.instance.tolist() == [0, 1, 0, 0, 1, 0]
    assert found.labels.tolist() == [1, 0]
    assert len(found.scores) == 2
    # The second has no points. The third gets its number: ids index the labels without gaps.
    scene = dict(SCENE, mask_probs=[[0.1, 0.4, 0.8], [0.7, 0.4, 0.1], [0.2, 0.3, 0.9]])
    gap = point_map(rank(**scene, min_points=1), 0.0)
    assert gap.instance.tolist() == [0, 1, -1, 0, 1, 0]
    assert gap.labels.tolist() == [1, 1]
    confident = point_map(rank(**SCENE, min_points=1), 0.5)
    assert confident.instance.tolist() == [0, -1, 0, 0, -1, 0]


def test_flat_top_k_by_hand():
    """Pairs by probability: (2, 1) .9, (0, 0) .6, (0, 1) .3, (1, 1) .2, (1, 0) .1, (2, 0) 0."""
    instances = rank(**SCENE, type='FlatTopKRanking', num_results=4, min_points=1)
    means = [0.8, 0.9, (0.6 + 3 * 0.9) / 4]  # of the masks of queries 0, 1 and 2
    assert instances.labels_3d.tolist() == [1, 0, 1, 1]
    expected = [0.9 * means[2], 0.6 * means[0], 0.3 * means[0], 0.2 * means[1]]
    assert instances.scores_3d.tolist() == pytest.approx(expected, abs=1e-5)
    assert instances.masks.int().tolist() == [
        [1, 0, 1, 1, 0, 1],
        [0, 1, 0, 0, 1, 0],
        [0, 1, 0, 0, 1, 0],
        [1, 1, 1, 1, 1, 1],
    ]


def test_flat_top_k_counts_pairs_before_it_drops_small_masks():
    scene = dict(SCENE, type='FlatTopKRanking')
    assert len(rank(**scene, num_results=2, min_points=3)) == 1
    assert len(rank(**scene, num_results=50, min_points=1)) == 6
    assert len(rank(**scene, min_points=1)) == 3  # as many as queries
    # The other labels of a query have no points in the map.
    found = point_map(rank(**scene, num_results=50, min_points=1), 0.1)
    assert found.instance.tolist() == [0, 1, 0, 0, 1, 0]
    with pytest.raises(ValueError, match='num_results is 0'):
        rank(**scene, num_results=0)


# Three masks of class 0 and one of class 1 over four voxels of 3, 1, 2 and 4 points. The second is
# the best; the first shares 4 of 6 points with it, the fourth is of another class.
CROWD = dict(
    class_probs=[[0.6, 0.3, 0.1], [0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0.1, 0.5, 0.4]],
    mask_probs=[
        [0.9, 0.9, 0.9, 0.1],
        [0.9, 0.9, 0.1, 0.1],
        [0.1, 0.1, 0.1, 0.9],
        [0.9, 0.9, 0.1, 0.1],
    ],
    counts=[3, 1, 2, 4],
    point2voxel=[0, 0, 0, 1, 2, 2, 3, 3, 3, 3],
)


@pytest.mark.parametrize('sigma, factor', [(None, 1 - 4 / 6), (2.0, math.exp(-2 * (4 / 6) ** 2))])
def test_matrix_nms_by_hand(sigma, factor):
    instances = rank(**CROWD, type='MatrixNMSRanking', sigma=sigma, min_points=1)
    found = dict(zip(instances.masks.sum(1).tolist(), instances.scores_3d.tolist()))
    assert instances.scores_3d.tolist() == pytest.approx(
        sorted([0.9 * 0.8, 0.9 * 0.7, 0.9 * 0.5, 0.9 * 0.6 * factor], reverse=True), abs=1e-5
    )
    assert found[6] == pytest.approx(0.9 * 0.6 * factor, abs=1e-5)  # the first, of six points


def test_matrix_nms_leaves_masks_alone_that_share_nothing_with_their_class():
    scene = dict(
        CROWD,
        mask_probs=[
            [0.9, 0.1, 0.1, 0.1],
            [0.1, 0.9, 0.1, 0.1],
            [0.1, 0.1, 0.9, 0.1],
            [0.9, 0.9, 0.9, 0.9],
        ],
    )
    plain = rank(**scene, min_points=1)
    lowered = rank(**scene, min_points=1, type='MatrixNMSRanking')
    for key in ('masks', 'labels_3d', 'scores_3d'):
        assert torch.equal(plain[key], lowered[key])
    assert torch.equal(point_map(plain, 0.3).instance, point_map(lowered, 0.3).instance)


def test_lowered_scores_decide_what_is_dropped_and_small_masks_lower_none():
    cfg = dict(type='MatrixNMSRanking', min_points=1)
    assert len(rank(**CROWD, **cfg, score_thr=0.3)) == 3
    assert len(rank(**CROWD, min_points=1, score_thr=0.3)) == 4
    # The better mask has four points: it is too small to be returned, so it lowers no other.
    scores = rank(**CROWD, type='MatrixNMSRanking', min_points=5).scores_3d
    assert scores.tolist() == pytest.approx([0.9 * 0.6], abs=1e-5)


def test_matrix_nms_without_a_mask():
    instances = rank(**CROWD, type='MatrixNMSRanking', min_points=100)
    assert len(instances) == 0
    with pytest.raises(ValueError, match='sigma is -1.0, expected a number above 0'):
        TASK_UTILS.build(dict(type='MatrixNMSRanking', sigma=-1.0))


@pytest.mark.parametrize(
    'preset, parts',
    [
        (dict(type='ArgmaxRanking'), dict(candidates=dict(type='ArgmaxCandidates'))),
        (
            dict(type='FlatTopKRanking', num_results=7),
            dict(candidates=dict(type='FlatTopKCandidates', num_results=7)),
        ),
        (
            dict(type='MatrixNMSRanking', sigma=2.0),
            dict(
                candidates=dict(type='ArgmaxCandidates'),
                suppression=dict(type='MatrixNMS', sigma=2.0),
            ),
        ),
    ],
)
def test_presets_are_rankings_of_these_parts(preset, parts):
    preset = rank(**CROWD, **preset, min_points=1)
    plain = rank(**CROWD, type='Ranking', **parts, min_points=1)
    for key in ('masks', 'labels_3d', 'scores_3d'):
        assert len(plain) > 3 and torch.equal(preset[key], plain[key])


def test_queries_may_be_suppressed_like_proposals():
    """The best mask contains 4 of 6 points of the first mask, and all points of the fourth."""
    cfg = dict(type='Ranking', candidates=dict(type='ArgmaxCandidates'), min_points=1)
    found = rank(**CROWD, **cfg, suppression=dict(type='MaskNMS', threshold=0.5))
    assert found.masks.sum(1).tolist() == [4, 4] and found.labels_3d.tolist() == [0, 0]
    found = rank(**CROWD, **cfg, suppression=dict(type='MaskNMS', threshold=0.7))
    assert found.masks.sum(1).tolist() == [4, 4, 6]  # the fourth has the points of the best


def test_iou_counts_points_in_any_chunks():
    generator = torch.Generator().manual_seed(0)
    inside = torch.rand(5, 40, generator=generator) > 0.5
    inside[3] = False
    counts = torch.randint(1, 9, (40,), generator=generator)
    points = inside.repeat_interleave(counts, dim=1)
    expected = torch.tensor(
        [[(a & b).sum() / max((a | b).sum(), 1) for b in points] for a in points]
    )
    for chunk in (7, 1000):
        torch.testing.assert_close(mask_iou(inside, counts, chunk=chunk), expected)
