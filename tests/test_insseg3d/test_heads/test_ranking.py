# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Which proposals come out, in which order."""

import torch

from insseg3d.heads import ProposalRanking
from insseg3d.heads import ranking as module
from insseg3d.ops.grouping.clusters import Proposals


def packed(*sets):
    return Proposals(
        torch.tensor([p for points in sets for p in points]),
        torch.arange(len(sets)).repeat_interleave(torch.tensor([len(s) for s in sets])),
        torch.tensor([len(s) for s in sets]),
    )


PROPOSALS = packed(range(10), range(2, 12), range(20, 25), range(30, 33))
LABELS, SCORES = torch.tensor([0, 1, 2, 3]), torch.tensor([0.5, 0.9, 0.7, 0.8])


def rank(**options):
    return ProposalRanking(**options)(PROPOSALS, LABELS, SCORES, 40)


def test_best_first_with_masks_of_their_points():
    instances, point_map = rank(min_points=1)
    assert instances.labels_3d.tolist() == [1, 3, 2, 0]
    assert instances.masks.shape == (4, 40) and instances.masks.sum(1).tolist() == [10, 3, 5, 10]
    assert instances.masks[0].nonzero()[:, 0].tolist() == list(range(2, 12))
    # The worst keeps only two of its ten points beside the best: it is not in the map.
    assert point_map.instance_labels.tolist() == [1, 3, 2]
    assert point_map.pts_instance_mask[[0, 2, 20, 30, 39]].tolist() == [-1, 0, 2, 1, -1]


def test_small_weak_and_overlapping_ones_are_dropped():
    assert rank(min_points=5)[0].labels_3d.tolist() == [1, 2, 0]
    assert rank(min_points=1, score_thr=0.7)[0].labels_3d.tolist() == [1, 3]  # above, not at
    assert rank(min_points=1, nms_thr=0.6)[0].labels_3d.tolist() == [1, 3, 2]  # IoU 8 / 12
    assert rank(min_points=1, nms_thr=0.7)[0].labels_3d.tolist() == [1, 3, 2, 0]
    assert rank(min_points=1, max_instances=2)[0].labels_3d.tolist() == [1, 3]


def test_only_the_best_are_compared_with_each_other(monkeypatch):
    monkeypatch.setattr(module, '_MOST_FOR_NMS', 2)
    assert rank(min_points=1, nms_thr=0.6)[0].labels_3d.tolist() == [1, 3]


def test_no_proposals():
    none = torch.zeros(0, dtype=torch.int64)
    for nms_thr in (None, 0.3):
        instances, point_map = ProposalRanking(nms_thr=nms_thr)(
            Proposals(none, none, none), none, none.float(), 7
        )
        assert instances.masks.shape == (0, 7) and (point_map.pts_instance_mask == -1).all()
