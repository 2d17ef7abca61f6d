# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Predicted quality of masks: its target, its inputs, and its effect on scores."""

import pytest
import torch
import torch.nn.functional as F

from queryis.plus.mask_quality import best_iou
from queryis.plus.mask_reading import MaskReader
from queryis.plus.row_features import RowFeatures

from ..helpers import QUERIES
from .scenes import batch_of, make_scene, plus_head
from .test_mask_reading import NUM, mean_of, members_of, reader_of


def naive_iou(inside, scene):
    """Find the best IoU of a mask by counting points voxel by voxel."""
    rows = set(inside.nonzero()[:, 0].tolist())
    size, best = sum(int(scene.counts[r]) for r in rows), 0.0
    for g in range(len(scene.labels)):
        table = [
            (int(v), int(points))
            for v, i, points in zip(scene.inst_voxel, scene.inst_index, scene.inst_points)
            if i == g
        ]
        both = sum(points for v, points in table if v in rows)
        best = max(best, both / (sum(points for _, points in table) + size - both))
    return best


@pytest.mark.parametrize('objects', [4, 1, 0])
def test_best_iou_equals_a_naive_loop(objects):
    (scene,) = batch_of(make_scene(120, objects, seed=1)).voxel_targets()
    inside = torch.rand(len(scene.counts), 8) > torch.rand(8)
    inside[:, 0], inside[:, 1] = False, True
    expected = [naive_iou(mask, scene) for mask in inside.T]
    assert best_iou(inside, scene).tolist() == pytest.approx(expected)
    assert expected[0] == 0 and (max(expected) > 0.2) == (objects > 0)


def test_moments_equal_a_naive_loop():
    read, queries = reader_of()
    mean, variance = read.moments(queries)
    assert not mean.requires_grad and not variance.requires_grad
    for b, (scene, counts) in enumerate(zip(read.features, read.counts)):
        for q, query in enumerate(queries[b].tolist()):
            members = members_of(read, b, query)
            expected = mean_of(scene, counts, members)
            torch.testing.assert_close(mean[b, q], expected)
            expected = mean_of((scene - expected).square(), counts, members)
            torch.testing.assert_close(variance[b, q], expected, atol=1e-5, rtol=1e-4)
    assert mean.shape == (2, NUM, 4) and not mean[:, 0].any() and not variance[:, 0].any()


def test_loss_compares_the_last_masks_with_the_best_objects():
    head = plus_head(pilots=None)
    batch = batch_of(make_scene(80, 3, seed=1), make_scene(50, 0, seed=2))
    outputs, targets = head(batch), batch.voxel_targets()
    assert outputs.quality.shape == (2, QUERIES)
    ious = []
    for features, embeddings, scene in zip(
        outputs.mask_features, outputs.mask_embeddings[-1], targets
    ):
        inside = features @ embeddings.T > 0
        ious.append([naive_iou(mask, scene) for mask in inside.T])
    expected = 2 * F.binary_cross_entropy_with_logits(outputs.quality, torch.tensor(ious))
    torch.testing.assert_close(head.loss(batch)['loss_quality'], expected)
    assert max(ious[0]) > 0.1 and max(ious[1]) == 0


def test_quality_trains_nothing_but_itself():
    head = plus_head()
    batch = batch_of(make_scene())
    features = batch.rows[0].features.requires_grad_()
    head.loss(batch)['loss_quality'].backward()
    trained = {name for name, p in head.named_parameters() if p.grad is not None and p.grad.any()}
    assert trained == {f'quality.{name}' for name, _ in head.quality.named_parameters()}
    assert features.grad is None


def test_pilots_do_not_change_the_loss_of_quality():
    batch = batch_of(make_scene(80, 3, seed=1), make_scene(50, 1, seed=2))
    head = plus_head()
    expected = head.loss(batch)['loss_quality']
    head.pilots = None
    torch.testing.assert_close(head.loss(batch)['loss_quality'], expected)


@torch.no_grad()
def test_scores_are_multiplied_by_the_quality():
    batch = batch_of(make_scene(80, 3, seed=1), make_scene(50, 1, seed=2))
    head, plain = plus_head().eval(), plus_head(quality=None).eval()
    missing, unexpected = plain.load_state_dict(head.state_dict(), strict=False)
    assert not missing and all(name.startswith('quality.') for name in unexpected)
    factors = head(batch).quality.sigmoid()
    assert (factors.std(1) > 0).all()
    seen = []
    for model in (head, plain):
        model.ranking = lambda masks, logits: seen.append(masks.masks)
        model.predict(batch)
    for found, before, factor in zip(seen[:2], seen[2:], factors):
        assert torch.equal(found.inside, before.inside) and before.scores.any()
        torch.testing.assert_close(found.scores, before.scores * factor)


@torch.no_grad()
def test_quality_is_that_of_the_last_output():
    head = plus_head().eval()
    batch = batch_of(make_scene(80, 3, seed=1), make_scene(50, 1, seed=2))
    read = head._reader(batch, head.features(batch))
    queries = head.decoder(batch, read)
    found = head(batch).quality
    torch.testing.assert_close(found, head.quality(queries[-1], read))
    assert not torch.allclose(found, head.quality(queries[-2], read))


def test_readings_of_a_model_in_half_precision_count_large_scenes():
    """A sum of 80,000 points in float16 is inf, and the means would be 0."""
    rows = RowFeatures([torch.ones(40_000, 4, dtype=torch.float16)])
    read = MaskReader(lambda q: q, lambda f: f, rows, [torch.full((40_000,), 2)])
    queries = torch.ones(1, 1, 4, dtype=torch.float16)
    found, (mean, variance) = read(queries), read.moments(queries)
    for part in (found.features, found.shared, mean):
        assert part.dtype == torch.float16
        torch.testing.assert_close(part, torch.ones_like(part), rtol=0, atol=0.01)
    assert (variance < 0.01).all()
