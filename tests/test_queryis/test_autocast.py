# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Under autocast, the decoder uses half precision, but sums over the points of a scene do not."""

import pytest
import torch

from insseg3d.structures import SceneTargets

from .helpers import CHANNELS, NUM_CLASSES, WIDTH, batch_of, build_head

HALVES = [torch.float16, torch.bfloat16]
SIZES = [45_000, 9_000, 3_000, 1_500, 700, 300]
"""Voxels of each object, of two points: float16 counts to 2048, bfloat16 to 256."""
NUM_VOXELS = 62_000
OWN = {}
DENSE = dict(
    assigner=dict(
        type='HungarianAssigner',
        match_costs=[
            dict(type='DenseMatchCost', cost=dict(type='mmdet.ClassificationCost', weight=2.0)),
            dict(
                type='DenseMatchCost',
                needs_masks=True,
                cost=dict(type='mmdet.DiceCost', pred_act=True, eps=1.0, weight=5.0),
            ),
        ],
    ),
    mask_losses=dict(
        bce=dict(type='DenseMaskLoss', loss=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True)),
        dice=dict(type='DenseMaskLoss', loss=dict(type='mmdet.DiceLoss', eps=1.0)),
    ),
)


def large_scene():
    """Make 124,000 points of objects with distinguishable features."""
    generator = torch.Generator().manual_seed(0)
    owner = torch.arange(len(SIZES)).repeat_interleave(torch.tensor(SIZES))
    kinds = torch.randn(len(SIZES) + 1, CHANNELS, generator=generator)
    features = kinds[torch.nn.functional.pad(owner, (0, NUM_VOXELS - len(owner)), value=-1)]
    features = features + 0.3 * torch.randn(NUM_VOXELS, CHANNELS, generator=generator)
    counts = torch.full((NUM_VOXELS,), 2)
    targets = SceneTargets(
        counts,
        torch.arange(len(owner)),
        owner,
        counts[: len(owner)],
        torch.arange(len(SIZES)) % NUM_CLASSES,
    )
    memory = torch.randn(1, 5, WIDTH, generator=generator)
    return memory, features, targets


def loss_and_matches(head, memory, features, targets):
    matches, assign = [], head.assigner.assign

    def spy(scene):
        queries, objects = assign(scene)
        matches.append(sorted(zip(objects.tolist(), queries.tolist())))
        return queries, objects

    head.assigner.assign = spy
    losses = head.loss(batch_of(memory, [features], [targets]))
    head.assigner.assign = assign
    return losses, matches


@pytest.mark.parametrize('half', HALVES, ids=str)
@pytest.mark.parametrize('parts', [OWN, DENSE], ids=['own', 'dense'])
def test_autocast_changes_neither_matches_nor_losses(half, parts):
    memory, features, targets = large_scene()
    exact, pairs = loss_and_matches(build_head(**parts), memory, features, targets)
    head = build_head(**parts)
    with torch.autocast('cpu', dtype=half):
        losses, found = loss_and_matches(head, memory, features, targets)
    assert found == pairs
    for name, loss in losses.items():
        torch.testing.assert_close(loss, exact[name], rtol=1e-3, atol=0, msg=name)
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in head.parameters())


@pytest.mark.parametrize('half', HALVES, ids=str)
def test_autocast_reaches_no_gradient_of_the_masks(half):
    memory, features, targets = large_scene()
    grads = []
    for enabled in (False, True):
        head = build_head()
        with torch.autocast('cpu', dtype=half, enabled=enabled):
            losses = head.loss(batch_of(memory, [features], [targets]))
        sum(losses.values()).backward()
        grads.append(head.mask_embedding[-1].weight.grad)
    assert (grads[1] - grads[0]).norm() < 0.02 * grads[0].norm()


@pytest.mark.parametrize('half', HALVES, ids=str)
@pytest.mark.parametrize('features_half', [False, True])
def test_scores_of_large_masks_under_autocast(half, features_half):
    """A backbone under autocast returns features in half precision."""
    memory, features, targets = large_scene()
    head = build_head().eval()
    with torch.no_grad():
        head.mask_embedding[-1].bias[:] = 1  # masks of all sizes; some cover most of the scene
    results = []
    for enabled in (False, True):
        rows = features.to(half) if features_half else features
        batch = batch_of(memory, [rows if enabled else rows.float()], [targets])
        with torch.no_grad(), torch.autocast('cpu', dtype=half, enabled=enabled):
            (instances,) = head.predict(batch)
        assert instances.scores_3d.dtype == torch.float32
        assert not instances.scores_3d.isnan().any()
        results.append(instances)
    exact, found = results
    assert exact.masks.sum(1).max() > 66_000  # the largest number of float16 is 65,504
    assert len(found) == len(exact)
    torch.testing.assert_close(found.scores_3d, exact.scores_3d, rtol=1e-2, atol=0)
