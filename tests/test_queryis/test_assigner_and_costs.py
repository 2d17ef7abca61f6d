# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import itertools

import pytest
import torch
from mmdet3d.registry import TASK_UTILS

import queryis  # noqa: F401
from insseg3d.ops.masks import mask_sums, object_points
from queryis.match_costs import total_cost
from queryis.matching import SceneMatching, to_host

from .helpers import make_targets

PAPER_COSTS = [
    dict(type='QueryClassCost', weight=2.0),
    dict(type='MaskBCECost', weight=5.0),
    dict(type='MaskDiceCost', weight=5.0),
]


def make_matching(num_objects, num_queries, seed=0):
    targets = make_targets(25, num_objects, seed)
    torch.manual_seed(seed)
    logits = torch.randn(25, num_queries)
    share = object_points(targets, torch.arange(num_objects), torch.float32)
    share = share / targets.counts[:, None]
    return SceneMatching(
        torch.randn(num_queries, 5),
        targets.labels,
        mask_sums(logits, targets),
        dense=lambda: (logits.T, share.T),
    )


@pytest.mark.parametrize('num_objects,num_queries', [(3, 4), (4, 3), (1, 5), (3, 3), (0, 4)])
def test_least_cost_of_all_assignments(num_objects, num_queries):
    assigner = TASK_UTILS.build(dict(type='HungarianAssigner', match_costs=PAPER_COSTS))
    scene = make_matching(num_objects, num_queries)
    queries, objects = assigner.assign(scene)
    cost = total_cost(assigner.match_costs, scene)
    size = min(num_objects, num_queries)
    assert len(queries) == len(objects) == size
    assert len(set(queries.tolist())) == len(set(objects.tolist())) == size
    best = min(
        sum(cost[g, q].item() for g, q in zip(chosen, order))
        for chosen in itertools.combinations(range(num_objects), size)
        for order in itertools.permutations(range(num_queries), size)
    )
    assert cost[objects, queries].sum().item() == pytest.approx(best, abs=1e-5)


def test_hand_made_assignment():
    """Query 0 is best for both objects; the object that loses less gets the other query."""
    assigner = TASK_UTILS.build(
        dict(type='HungarianAssigner', match_costs=[dict(type='QueryClassCost')])
    )
    probs = torch.tensor([[0.9, 0.8, 0.1], [0.1, 0.7, 0.2]])
    scene = make_matching(2, 2)._replace(class_logits=probs.log(), labels=torch.tensor([0, 1]))
    queries, objects = assigner.assign(scene)
    assert dict(zip(objects.tolist(), queries.tolist())) == {0: 0, 1: 1}


def test_class_cost_is_minus_probability():
    cost = TASK_UTILS.build(dict(type='QueryClassCost', weight=2.0))
    scene = make_matching(2, 2)._replace(
        class_logits=torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]).log(),
        labels=torch.tensor([1, 0]),
    )
    torch.testing.assert_close(cost(scene), torch.tensor([[-0.6, -0.2], [-1.0, -0.2]]))


def test_not_finite_costs_are_large():
    scene = make_matching(2, 3)
    scene.class_logits[1] = float('nan')
    cost = total_cost([TASK_UTILS.build(cfg) for cfg in PAPER_COSTS], scene)
    assert torch.isfinite(cost).all() and (cost[:, 1] == 1e6).all()


def test_mmdet_costs_serve_through_the_adapter():
    scene = make_matching(3, 6)
    own = TASK_UTILS.build(dict(type='QueryClassCost', weight=2.0))
    mmdet = TASK_UTILS.build(
        dict(type='DenseMatchCost', cost=dict(type='mmdet.ClassificationCost', weight=2.0))
    )
    torch.testing.assert_close(mmdet(scene), own(scene))
    dice = TASK_UTILS.build(
        dict(
            type='DenseMatchCost',
            needs_masks=True,
            cost=dict(type='mmdet.DiceCost', pred_act=True, eps=1.0, weight=5.0),
        )
    )
    logits, share = scene.dense()
    probs = logits.sigmoid()
    expected = torch.stack(
        [5 * (1 - (2 * (probs * g).sum(1) + 1) / (probs.sum(1) + g.sum() + 1)) for g in share]
    )
    torch.testing.assert_close(dice(scene), expected)
    with pytest.raises(ValueError, match='DiceCost reads dense masks'):
        dice(scene._replace(dense=None))


def test_assigner_without_costs_is_refused():
    with pytest.raises(ValueError, match='match_costs is empty'):
        TASK_UTILS.build(dict(type='HungarianAssigner', match_costs=[]))


def test_matchings_arrive_on_the_host_as_they_were_in_one_copy(monkeypatch):
    scenes = [make_matching(3, 6), make_matching(0, 2, seed=1), make_matching(1, 4, seed=2)]
    copies, cpu = [], torch.Tensor.cpu
    monkeypatch.setattr(torch.Tensor, 'cpu', lambda self: copies.append(self) or cpu(self))
    found = to_host(scenes)
    assert len(copies) == 1 and len(found) == 3
    for ours, theirs in zip(found, scenes):
        assert torch.equal(ours.class_logits, theirs.class_logits)
        assert torch.equal(ours.labels, theirs.labels) and ours.labels.dtype == torch.int64
        assert len(ours.sums) == len(theirs.sums)
        for one, other in zip(ours.sums, theirs.sums):
            assert torch.equal(one, other) and one.shape == other.shape
        assert ours.dense is theirs.dense
