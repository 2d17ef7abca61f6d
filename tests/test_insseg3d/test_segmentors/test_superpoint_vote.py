# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Superpoints that are in a mask as a whole or not at all."""

import pytest
import torch
from mmdet3d.registry import TASK_UTILS
from mmdet3d.structures import Det3DDataSample
from mmengine.structures import BaseDataElement, InstanceData

from insseg3d.segmentors import superpoint_vote

from .test_auxiliary import batch, build_model, labelled


def sample_of(index):
    sample = Det3DDataSample()
    sample.voxels = BaseDataElement(point2superpoint=torch.as_tensor(index))
    return sample


def instances_of(masks):
    number = len(masks)
    return InstanceData(
        masks=torch.as_tensor(masks, dtype=torch.bool),
        labels_3d=torch.arange(number),
        scores_3d=torch.linspace(1, 0.1, number),
        metainfo=dict(of_scene=3),
    )


def vote(masks, index):
    part = TASK_UTILS.build(dict(type='SuperpointVote'))
    return part(instances_of(masks), sample_of(index))


def naive(mask, index):
    """Go through the points one by one."""
    result = []
    for own in index:
        votes = [bool(m) for m, other in zip(mask, index) if other == own]
        result.append(sum(votes) > len(votes) / 2)
    return result


@pytest.mark.parametrize('at_once', [1, 4, 100])
def test_equals_a_naive_loop(at_once, monkeypatch):
    monkeypatch.setattr(superpoint_vote, 'MOST_MASKS_AT_ONCE', at_once)
    index = torch.randint(6, (40,)).unique(return_inverse=True)[1].tolist()
    masks = torch.rand(9, 40) < torch.linspace(0.2, 1, 9)[:, None]
    expected = [naive(mask, index) for mask in masks.tolist()]
    found = vote(masks, index)
    kept = [q for q, mask in enumerate(expected) if any(mask)]
    assert found.labels_3d.tolist() == kept and 0 < len(kept)
    assert found.masks.tolist() == [expected[q] for q in kept]
    assert found.of_scene == 3


def test_half_of_a_superpoint_is_not_enough():
    found = vote([[1, 1, 0, 0, 1], [1, 1, 1, 0, 0], [0, 0, 0, 1, 0]], [0, 0, 0, 0, 1])
    assert found.masks.tolist() == [[0, 0, 0, 0, 1], [1, 1, 1, 1, 0]]
    assert found.labels_3d.tolist() == [0, 1]  # the third mask is empty and was dropped
    assert found.scores_3d.tolist() == pytest.approx([1, 0.55])


def test_no_masks():
    assert len(vote(torch.zeros(0, 3), [0, 1, 1])) == 0


def test_the_map_of_the_points_is_made_of_the_new_masks():
    points, sample = labelled(0)
    plain, voting = build_model().eval(), build_model(refinement=dict(type='SuperpointVote')).eval()
    voting.load_state_dict(plain.state_dict())
    sample.voxels.point2superpoint = torch.arange(len(points)) // 20
    (expected,) = plain(**batch((points, sample)), mode='predict')
    masks = expected.pred_instances_3d.masks.clone()
    (found,) = voting(**batch((points, sample)), mode='predict')
    index = sample.voxels.point2superpoint.tolist()
    voted = [mask for mask in (naive(m, index) for m in masks.tolist()) if any(mask)]
    assert found.pred_instances_3d.masks.tolist() == voted
    parts = found.pred_pts_seg.pts_instance_mask.view(-1, 20)
    assert all(len(set(part.tolist())) == 1 for part in parts)


def test_a_sample_without_superpoints_is_refused():
    model = build_model(refinement=dict(type='SuperpointVote')).eval()
    with pytest.raises(ValueError, match=r'no voxels\.point2superpoint; prepare the .*--superpoi'):
        model(**batch(labelled(0)), mode='predict')
