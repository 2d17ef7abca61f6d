# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Queries read means under their masks, and see how these overlap."""

import dataclasses

import pytest
import torch
from mmdet3d.registry import MODELS

from insseg3d.ops.masks import mask_iou
from queryis.plus.mask_reader import MaskReader
from queryis.plus.row_features import RowFeatures

from .scenes import PLACED, batch_of, make_scene, plus_head

SIZES = (30, 19)
NUM = 6


def reader_of(seed=0, places=True, max_rows=None):
    """Make a reader of two scenes, and queries; the first two have no mask and a mask over all."""
    generator = torch.Generator().manual_seed(seed)
    features = [torch.randn(size, 4, generator=generator) for size in SIZES]
    for scene in features:
        scene[:, 0] = 1
        scene.requires_grad_()
    counts = [torch.randint(1, 5, (size,), generator=generator) for size in SIZES]
    queries = torch.randn(2, NUM, 4, generator=generator)
    queries[:, :2] = torch.tensor([[-1.0, 0, 0, 0], [1, 0, 0, 0]])
    where = [torch.randn(size, 3, generator=generator) for size in SIZES] if places else None
    rows = RowFeatures(features, centers=where)
    read = MaskReader(lambda q: 2 * q, lambda f: 3 * f, rows, counts, max_rows)
    return read, queries.requires_grad_()


def members_of(read, b, query):
    """List the rows in a query's mask."""
    rows = read.features[b].tolist()
    return [r for r, row in enumerate(rows) if sum(x * y for x, y in zip(row, query)) > 0]


def mean_of(values, counts, members):
    """Average over the points of some rows."""
    total = sum(int(counts[r]) for r in members)
    return sum(int(counts[r]) * values[r] for r in members) / total if members else 0 * values[0]


def test_means_equal_a_naive_loop():
    read, queries = reader_of()
    found = read(queries)
    sizes = set()
    for b, counts in enumerate(read.counts):
        members = [members_of(read, b, query) for query in queries[b].tolist()]
        sizes |= {len(some) for some in members}
        for q, some in enumerate(members):
            expected = mean_of(read.features[b], counts, some)
            torch.testing.assert_close(found.features[b, q], expected)
            expected = mean_of(read.centers[b], counts, some)
            torch.testing.assert_close(found.places[b, q], expected)
            for other, others in enumerate(members):
                both = sum(int(counts[r]) for r in some if r in others)
                total = sum(int(counts[r]) for r in some)
                share = found.shared[b, q, other].item()
                assert share == pytest.approx(both / total if some else 0)
    assert {0, *SIZES} < sizes  # also masks over nothing, and over all rows


def test_masks_over_nothing_and_over_everything():
    read, queries = reader_of()
    found = read(queries)
    for part in found[:3]:
        assert not part[:, 0].any()
    for b, (scene, counts) in enumerate(zip(read.features, read.counts)):
        expected = (scene * counts[:, None]).sum(0) / counts.sum()
        torch.testing.assert_close(found.features[b, 1], expected)
    assert not found.shared[:, :, 0].any()
    torch.testing.assert_close(found.shared[:, 2:, 1], torch.ones(2, NUM - 2))


def test_regions_replace_the_masks_of_the_last_queries():
    read, queries = reader_of()
    regions = [torch.rand(size, 2) > 0.5 for size in SIZES]
    regions[1][:, 1] = False
    found, plain = read(queries, regions), read(queries)
    assert torch.equal(found.features[:, :-2], plain.features[:, :-2])
    for b, counts in enumerate(read.counts):
        for p in range(2):
            members = regions[b][:, p].nonzero()[:, 0].tolist()
            expected = mean_of(read.features[b], counts, members)
            torch.testing.assert_close(found.features[b, NUM - 2 + p], expected)


def test_no_gradient_passes_through_a_mask():
    read, queries = reader_of()
    scale = torch.ones((), requires_grad=True)
    read.embed = lambda q: scale * q
    found = read(queries)
    weight = torch.randn_like(found.features)
    for scene in read.features:
        scene.retain_grad()
    (found.features * weight).sum().backward()
    assert queries.grad is None and scale.grad is None
    assert not found.shared.requires_grad and not found.places.requires_grad
    # With respect to the features, the gradient is that of a mean.
    for b, (scene, counts) in enumerate(zip(read.features, read.counts)):
        expected = torch.zeros_like(scene)
        for q, query in enumerate(queries[b].tolist()):
            members = members_of(read, b, query)
            total = sum(int(counts[r]) for r in members)
            for r in members:
                expected[r] += weight[b, q] * counts[r] / total
        torch.testing.assert_close(scene.grad, expected)


def test_mask_features_are_made_once_and_without_gradient():
    read, queries = reader_of()
    calls, project = [], read.project
    read.project = lambda features: calls.append(features) or project(features)
    assert not calls
    read(queries)
    read(queries)
    assert len(calls) == 2  # of scenes, not of readings
    assert not any(scene.requires_grad for scene in read.mask_features)


@pytest.mark.parametrize(('most', 'steps'), [(30, (1, 1)), (29, (2, 1)), (10, (3, 2)), (1, (8, 8))])
def test_of_large_scenes_every_nth_row_is_read(most, steps):
    """The result is that of a reader which has no other rows; scenes do not affect each other."""
    whole, queries = reader_of()
    regions = [torch.rand(size, 2) > 0.5 for size in SIZES]
    read, _ = reader_of(max_rows=most)
    for b, step in enumerate(steps):
        assert torch.equal(read.counts[b], whole.counts[b][::step])
        rows = RowFeatures([whole.features[b][::step]], centers=[whole.centers[b][::step]])
        alone = MaskReader(whole.embed, whole.project, rows, [whole.counts[b][::step]])
        expected = alone(queries[b : b + 1], [regions[b][::step]])
        for found, part in zip(read(queries, regions)[:3], expected):
            torch.testing.assert_close(found[b : b + 1], part)
        for found, part in zip(read.moments(queries), alone.moments(queries[b : b + 1])):
            torch.testing.assert_close(found[b : b + 1], part)


def test_objects_of_a_hundred_rows_are_read_in_scenes_of_any_size():
    generator = torch.Generator().manual_seed(0)
    number = 200_000
    places = torch.randint(0, 400, (number, 3), generator=generator).sort(0).values.float()
    features = (places - places[77_777]).abs().sum(1, keepdim=True)
    nearest = features.kthvalue(100, 0).values
    rows = RowFeatures([nearest - features + 0.5], centers=[places])
    counts = [torch.ones(number, dtype=torch.long)]
    few = MaskReader(lambda q: q, lambda f: f, rows, counts, 16_384)
    every = MaskReader(lambda q: q, lambda f: f, rows, counts)
    (found,), (expected,) = (read(torch.ones(1, 1, 1)).places for read in (few, every))
    assert len(few.counts[0]) == number // 8 and few.features[0].gt(0).sum() >= 12
    assert (found - expected).abs().max() < 1


def test_a_scene_without_rows_is_read_as_nothing():
    rows = RowFeatures([torch.zeros(0, 4)], centers=[torch.zeros(0, 3)])
    read = MaskReader(lambda q: q, lambda f: f, rows, [torch.zeros(0, dtype=torch.long)], 5)
    assert not any(part.any() for part in read(torch.ones(1, 2, 4))[:3])


@pytest.mark.parametrize('half', [torch.float16, torch.bfloat16], ids=str)
def test_autocast_reaches_no_mean(half):
    read, queries = reader_of()
    exact = read(queries)
    other, _ = reader_of()
    with torch.autocast('cpu', dtype=half):
        found = other(queries)
    for ours, theirs in zip(found[:3], exact):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs)


def test_rows_without_places_have_none():
    read, queries = reader_of(places=False)
    assert read(queries).places is None


@pytest.mark.parametrize('prefix', ['d0.', 'd1.', ''])
def test_mask_losses_reach_projection_and_backbone(prefix):
    """The first output precedes all readings: its gradient comes through mask features alone."""
    head = plus_head(PLACED, pilots=None)
    batch = batch_of(make_scene(), make_scene(50, seed=1))
    features = [rows.features.requires_grad_() for rows in batch.rows]
    losses = head.loss(batch)
    (losses[f'{prefix}loss_bce'] + losses[f'{prefix}loss_dice']).backward()
    assert head.point_projection.weight.grad.any()
    assert all(scene.grad.any(1).all() for scene in features)
    reached = head.decoder.readings[0][0].weight.grad
    assert (reached is None or not reached.any()) == (prefix == 'd0.')


def test_outputs_begin_with_the_queries_as_they_are():
    head = plus_head(pilots=None).eval()
    batch = batch_of(make_scene(), make_scene(50, seed=1))
    outputs = head(batch)
    assert head.decoder.num_outputs == len(outputs.class_logits) == 3
    first = outputs.class_logits[0]
    assert torch.equal(first[0], first[1])  # the same queries, before they have read
    assert not torch.allclose(outputs.class_logits[1][0], outputs.class_logits[1][1])


@torch.no_grad()
def test_a_scene_does_not_depend_on_other_scenes_of_the_batch():
    head = plus_head().eval()
    scenes = [make_scene(80, seed=2), make_scene(35, 0, seed=3), make_scene(1, 1, seed=4)]
    together = head(batch_of(*scenes))
    for b, scene in enumerate(scenes):
        alone = head(batch_of(scene))
        for found, expected in zip(together.class_logits, alone.class_logits):
            torch.testing.assert_close(found[b], expected[0])
        for found, expected in zip(together.mask_embeddings, alone.mask_embeddings):
            torch.testing.assert_close(found[b], expected[0])
        torch.testing.assert_close(together.mask_features[b], alone.mask_features[0])


@torch.no_grad()
def test_rows_in_another_order_permute_the_masks():
    head = plus_head().eval()
    scene = make_scene(seed=5)
    batch = batch_of(scene)
    (rows,) = batch.rows
    order = torch.randperm(len(rows.counts))
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    mixed = dataclasses.replace(
        batch,
        rows=[
            type(rows)(rows.features[order], rows.counts[order], place[rows.point2row]),
        ],
    )
    plain, found = head(batch), head(mixed)
    torch.testing.assert_close(found.class_logits[-1], plain.class_logits[-1])
    logits, mixed_logits = (
        outputs.mask_features[0] @ outputs.mask_embeddings[-1][0].T for outputs in (plain, found)
    )
    torch.testing.assert_close(mixed_logits, logits[order], rtol=1e-4, atol=1e-4)
    assert (logits > 0).any() and (logits < 0).any()
    (before,), (after,) = head.predict(batch), head.predict(mixed)
    assert torch.equal(before.masks, after.masks)  # of points, whose order is the same
    assert torch.equal(before.labels_3d, after.labels_3d)


@torch.no_grad()
def test_queries_follow_what_is_under_their_masks():
    """The scene's features change, its memory does not."""
    head = plus_head(PLACED).eval()
    scene = make_scene(seed=6)
    plain = head(batch_of(scene))
    other = head(batch_of(scene._replace(features=-scene.features)))
    assert torch.equal(plain.class_logits[0], other.class_logits[0])
    assert not torch.allclose(plain.class_logits[1], other.class_logits[1], atol=1e-3)


def test_rows_without_places_are_refused_and_the_remedy_works():
    head = plus_head(dict(type='BackboneFeatures'), pilots=None)
    with pytest.raises(ValueError, match="rows have no places.*features=dict.type='PlacedFeat"):
        head(batch_of(make_scene()))
    plus_head(PLACED, pilots=None)(batch_of(make_scene()))


def test_without_memory_the_error_names_the_neck():
    batch = dataclasses.replace(batch_of(make_scene()), memory=None)
    with pytest.raises(ValueError, match='MaskReadingDecoder: .*no memory, .* a neck'):
        plus_head()(batch)


def relation(heads=3):
    torch.manual_seed(0)
    return MODELS.build(dict(type='MaskRelation', num_heads=heads))


def test_overlaps_by_hand():
    part = relation()
    part.mlp = torch.nn.Identity()  # three heads: IoU and the two shares
    counts = torch.tensor([2, 1, 1, 4])
    masks = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0]])
    inside = masks.T.float()
    weights = inside * counts[:, None]
    shared = (weights / weights.sum(0).clamp(min=1)).T @ inside
    iou, mine, others = part(shared[None])[0]
    expected = torch.tensor(
        [
            [1, 1 / 4, 0, 3 / 8, 1],
            [1 / 4, 1, 0, 2 / 8, 1 / 4],
            [0, 0, 0, 0, 0],
            [3 / 8, 2 / 8, 0, 1, 3 / 8],
            [1, 1 / 4, 0, 3 / 8, 1],
        ]
    )
    torch.testing.assert_close(iou, expected)
    torch.testing.assert_close(iou, mask_iou(masks.bool(), counts))
    assert mine[0].tolist() == pytest.approx([1, 1 / 3, 0, 1, 1])
    assert torch.equal(others, mine.T)


def test_overlaps_of_what_a_reader_returns():
    read, queries = reader_of()
    part = relation()
    part.mlp = torch.nn.Identity()
    found = part(read(queries).shared)[:, 0]
    for b, counts in enumerate(read.counts):
        masks = torch.zeros(NUM, SIZES[b], dtype=torch.bool)
        for q, query in enumerate(queries[b].tolist()):
            masks[q, members_of(read, b, query)] = True
        torch.testing.assert_close(found[b], mask_iou(masks, counts))


def test_biases_are_finite_also_of_no_masks_and_equal_ones():
    part = relation()
    for shared in (torch.zeros(2, 4, 4), torch.ones(2, 4, 4), torch.eye(4).expand(2, 4, 4)):
        shared = shared.clone().requires_grad_()
        biases = part(shared)
        biases.sum().backward()
        assert biases.shape == (2, 3, 4, 4)
        assert torch.isfinite(biases).all() and torch.isfinite(shared.grad).all()


@torch.no_grad()
def test_biases_of_zero_are_no_relation():
    head = plus_head().eval()
    plain = plus_head(decoder=dict(relation=None)).eval()
    missing, unexpected = plain.load_state_dict(head.state_dict(), strict=False)
    assert not missing and all('.relations.' in name for name in unexpected)
    batch = batch_of(make_scene(), make_scene(50, seed=1))
    expected = plain(batch).class_logits[-1]
    assert not torch.allclose(head(batch).class_logits[-1], expected, atol=1e-4)
    for part in head.decoder.relations:
        part.mlp[-1].weight.zero_()
        part.mlp[-1].bias.zero_()
    torch.testing.assert_close(head(batch).class_logits[-1], expected)
