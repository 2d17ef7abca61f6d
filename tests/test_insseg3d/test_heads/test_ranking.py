# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Selection and order of the instances that a ranking returns."""

from types import SimpleNamespace

import pytest
import torch

from insseg3d.heads import (
    ArgmaxCandidates,
    ObjectCandidates,
    ProposalMasks,
    ProposalRanking,
    Ranking,
    RowMasks,
)
from insseg3d.ops.grouping.clusters import Proposals
from insseg3d.ops.masks import BinaryMasks
from insseg3d.structures import InstanceMap


def packed(*sets):
    return Proposals(
        torch.tensor([p for points in sets for p in points]),
        torch.arange(len(sets)).repeat_interleave(torch.tensor([len(s) for s in sets])),
        torch.tensor([len(s) for s in sets]),
    )


PROPOSALS = packed(range(10), range(2, 12), range(20, 25), range(30, 33))
LABELS, SCORES = torch.tensor([0, 1, 2, 3]), torch.tensor([0.5, 0.9, 0.7, 0.8])


def rank(**options):
    return ProposalRanking(**options)(ProposalMasks(PROPOSALS, 40), LABELS, SCORES)


def test_best_first_with_masks_of_their_points():
    instances = rank(min_points=1)
    assert instances.labels_3d.tolist() == [1, 3, 2, 0]
    assert instances.masks.shape == (4, 40) and instances.masks.sum(1).tolist() == [10, 3, 5, 10]
    assert instances.masks[0].nonzero()[:, 0].tolist() == list(range(2, 12))
    # The best leaves the worst only two of its ten points, so it is not in the map.
    found = InstanceMap.of_masks(
        instances.masks, instances.labels_3d, instances.scores_3d, score_thr=0.3, min_share=0.5
    )
    assert found.labels.tolist() == [1, 3, 2]
    assert found.instance[[0, 2, 20, 30, 39]].tolist() == [-1, 0, 2, 1, -1]


def test_small_weak_and_overlapping_ones_are_dropped():
    assert rank(min_points=5).labels_3d.tolist() == [1, 2, 0]
    assert rank(min_points=1, score_thr=0.7).labels_3d.tolist() == [1, 3]  # above, not at
    assert rank(min_points=1, nms_thr=0.6).labels_3d.tolist() == [1, 3, 2]  # IoU 8 / 12
    assert rank(min_points=1, nms_thr=0.7).labels_3d.tolist() == [1, 3, 2, 0]
    assert rank(min_points=1, max_instances=2).labels_3d.tolist() == [1, 3]


def test_only_the_best_are_compared_with_each_other():
    ranking = ProposalRanking(min_points=1, nms_thr=0.6)
    assert ranking.suppression.most == 2000
    ranking.suppression.most = 2
    found = ranking(ProposalMasks(PROPOSALS, 40), LABELS, SCORES)
    assert found.labels_3d.tolist() == [1, 3]


def test_without_classes_the_best_of_any_class_suppresses_others():
    ranking = ProposalRanking(min_points=1, nms_thr=0.6)
    ranking.candidates = ObjectCandidates(ranking.candidates)
    found = ranking(ProposalMasks(PROPOSALS, 40), LABELS, SCORES)
    assert found.labels_3d.tolist() == [0, 0, 0]
    assert found.scores_3d.tolist() == pytest.approx([0.9, 0.8, 0.7])  # as with classes


def test_the_score_of_an_object_is_that_of_all_classes_together():
    masks = SimpleNamespace(scores=torch.tensor([1.0, 0.5]))
    logits = torch.tensor([[0.3, 0.3, 0.4], [0.1, 0.8, 0.1]]).log()
    found = ObjectCandidates(ArgmaxCandidates())(masks, logits)
    assert found.mask.tolist() == [0, 1] and found.labels.tolist() == [0, 0]
    assert found.scores.tolist() == pytest.approx([0.6, 0.45])  # not 0.3 and 0.4


@pytest.mark.parametrize('rows, points', [(5, 9), (5, 0), (0, 0)])
def test_masks_over_rows_become_masks_over_points(rows, points):
    generator = torch.Generator().manual_seed(0)
    inside = torch.rand(4, rows, generator=generator) > 0.5
    point2row = torch.randint(max(rows, 1), (points,), generator=generator)
    masks = RowMasks(BinaryMasks(inside, torch.ones(4), inside.sum(1)), point2row)
    for which in ([2, 0, 2], []):
        found = masks.over_points(torch.tensor(which, dtype=torch.long))
        assert found.shape == (len(which), points) and found.dtype == torch.bool
        assert found.tolist() == [[bool(inside[m, r]) for r in point2row] for m in which]


def test_no_proposals():
    none = torch.zeros(0, dtype=torch.int64)
    for nms_thr in (None, 0.3):
        instances = ProposalRanking(nms_thr=nms_thr)(
            ProposalMasks(Proposals(none, none, none), 7), none, none.float()
        )
        assert instances.masks.shape == (0, 7)
        found = InstanceMap.of_masks(instances.masks, instances.labels_3d, instances.scores_3d)
        assert (found.instance == -1).all()


def test_proposals_may_be_suppressed_by_the_matrix():
    """The third best shares 8 of 12 points with the best, which has another class."""
    cfg = dict(candidates=dict(type='JudgedCandidates'), min_points=1)
    ranking = Ranking(**cfg, suppression=dict(type='MatrixNMS'))
    masks = ProposalMasks(PROPOSALS, 40)
    assert ranking(masks, LABELS, SCORES).scores_3d.tolist() == sorted(SCORES, reverse=True)
    lowered = ranking(masks, torch.zeros(4, dtype=torch.int64), SCORES)
    torch.testing.assert_close(lowered.scores_3d, torch.tensor([0.9, 0.8, 0.7, 0.5 * (1 - 8 / 12)]))


def test_scores_at_the_threshold_stay_unless_they_are_of_proposals():
    masks = ProposalMasks(PROPOSALS, 40)
    ranking = Ranking(candidates=dict(type='JudgedCandidates'), min_points=1, score_thr=0.7)
    assert ranking(masks, LABELS, SCORES).labels_3d.tolist() == [1, 3, 2]
    assert rank(min_points=1, score_thr=0.7).labels_3d.tolist() == [1, 3]
