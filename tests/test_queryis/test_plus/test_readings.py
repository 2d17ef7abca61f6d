# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Queries that attend to the rows under their masks."""

import math

import torch
from mmdet3d.registry import MODELS

import queryis  # noqa: F401
from queryis.plus.mask_reader import MaskReader, MaskReadings
from queryis.plus.row_features import RowFeatures

from .scenes import batch_of, make_scene, plus_head

ATTENTION = dict(reading=dict(type='AttentionReading', num_heads=2))
WIDTH, ROW = 8, 5


def inputs_of(sizes, seed=0):
    """Make queries, of which the first have an empty mask and a mask over all, and rows."""
    generator = torch.Generator().manual_seed(seed)
    features = [torch.randn(size, ROW, generator=generator) for size in sizes]
    counts = [torch.randint(1, 5, (size,), generator=generator) for size in sizes]
    inside = [(torch.rand(size, 4, generator=generator) > 0.5).float() for size in sizes]
    for masks in inside:
        masks[:, :2] = torch.tensor([0.0, 1.0])
    queries = torch.randn(len(sizes), 4, WIDTH, generator=generator)
    return queries, features, counts, inside


def read_of(part, queries, features, counts, inside):
    reader = MaskReader(None, None, RowFeatures(features), counts)
    return part(queries, MaskReadings(None, None, None, inside), reader)


def attention(**changes):
    torch.manual_seed(0)
    cfg = dict(ATTENTION['reading'], embed_dims=WIDTH, reading_channels=ROW, **changes)
    return MODELS.build(cfg)


def attended(part, query, rows, counts):
    """Attend from one query to rows in loops, head by head."""
    size = WIDTH // part.num_heads
    query, result = part.query(query).tolist(), []
    keys, values = part.key(rows).tolist(), part.value(rows).tolist()
    for start in range(0, WIDTH, size):
        some = range(start, start + size)
        logits = [sum(query[c] * key[c] for c in some) / math.sqrt(size) for key in keys]
        weights = [int(n) * math.exp(logit) for n, logit in zip(counts, logits)]
        result += [
            sum(w * value[c] for w, value in zip(weights, values)) / sum(weights) for c in some
        ]
    return part.out(torch.tensor(result))


@torch.no_grad()
def test_attention_equals_a_naive_loop():
    part, (queries, features, counts, inside) = attention(), inputs_of((12, 7))
    found = read_of(part, queries, features, counts, inside)
    for b, masks in enumerate(inside):
        assert not found[b, 0].any()  # nothing is under an empty mask
        for q in range(1, 4):
            some = masks[:, q] > 0
            expected = attended(part, queries[b, q], features[b][some], counts[b][some])
            torch.testing.assert_close(found[b, q], expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_row_counts_as_often_as_it_has_points():
    part, (queries, (features,), (counts,), (inside,)) = attention(), inputs_of((9,))
    ones = torch.ones(int(counts.sum()), dtype=torch.long)
    points = [rows.repeat_interleave(counts, 0) for rows in (features, inside)]
    found = read_of(part, queries, [features], [counts], [inside])
    torch.testing.assert_close(found, read_of(part, queries, points[:1], [ones], points[1:]))


def test_gradients_reach_rows_under_masks_and_queries():
    part, (queries, features, counts, inside) = attention(), inputs_of((12, 0))
    inside[0][3] = torch.tensor([0.0, 0, 1, 1])  # row 3 is under two masks
    inside[0][4] = 0  # row 4 under none
    queries.requires_grad_()
    features[0].requires_grad_()
    read_of(part, queries, features, counts, inside).sum().backward()
    assert features[0].grad[3].any() and not features[0].grad[4].any()
    assert queries.grad[0, 1:].any(1).all()
    assert not queries.grad[0, 0].any() and not queries.grad[1].any()
    assert all(torch.isfinite(p.grad).all() for p in part.parameters())


def test_in_the_head_each_parameter_gets_a_gradient_also_without_objects():
    for objects in ((3, 0), (0, 0)):
        head = plus_head(decoder=ATTENTION)
        scenes = [make_scene(60, number, seed=seed) for seed, number in enumerate(objects)]
        sum(head.loss(batch_of(*scenes)).values()).backward()
        assert [name for name, p in head.named_parameters() if p.grad is None] == []
        assert all(torch.isfinite(p.grad).all() for p in head.parameters())


@torch.no_grad()
def test_in_the_head_a_scene_does_not_depend_on_others():
    head = plus_head(decoder=ATTENTION).eval()
    scenes = [make_scene(80, seed=2), make_scene(1, 1, seed=4)]
    together = head(batch_of(*scenes)).class_logits[-1]
    for b, scene in enumerate(scenes):
        torch.testing.assert_close(together[b], head(batch_of(scene)).class_logits[-1][0])


def test_autocast_changes_the_losses_little():
    head = plus_head(decoder=ATTENTION)
    batch = batch_of(make_scene(), make_scene(50, 1, seed=1))
    exact = head.loss(batch)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = head.loss(batch)
    for name, value in losses.items():
        torch.testing.assert_close(value.float(), exact[name], rtol=0.1, atol=0.05)
