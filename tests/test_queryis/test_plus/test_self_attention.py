# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Queries that attend to each other alone need no neck."""

import dataclasses

import pytest
import torch

from queryis import SelfAttentionLayer

from ..helpers import WIDTH
from .scenes import batch_of, make_scene, plus_head

LAYER = dict(layer=dict(type='SelfAttentionLayer', embed_dims=WIDTH, num_heads=2))


def without_memory(*scenes):
    return dataclasses.replace(batch_of(*scenes), memory=None)


def naive(layer, queries, place, bias):
    """Attention head by head and query by query, then the feed-forward network, each normed."""
    heads = layer.self_attn.num_heads
    placed, size = queries + place, WIDTH // heads
    weights = layer.self_attn.in_proj_weight.split(WIDTH)
    biases = layer.self_attn.in_proj_bias.split(WIDTH)
    q, k, v = (x @ w.T + b for x, w, b in zip((placed, placed, queries), weights, biases))
    found = torch.zeros_like(queries)
    for h in range(heads):
        part = slice(h * size, (h + 1) * size)
        for i in range(len(queries)):
            scores = torch.stack([q[i, part] @ k[j, part] for j in range(len(queries))])
            attention = (scores / size**0.5 + bias[h, i]).softmax(0)
            found[i, part] = attention @ v[:, part]
    queries = layer.norms[0](queries + layer.self_attn.out_proj(found))
    return layer.norms[1](queries + layer.ffn(queries))


@torch.no_grad()
def test_equals_attention_written_out():
    torch.manual_seed(0)
    layer = SelfAttentionLayer(embed_dims=WIDTH, num_heads=2).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    queries, place = torch.randn(2, 3, 5, WIDTH, dtype=torch.float64)
    bias = torch.randn(3, 2, 5, 5, dtype=torch.float64)
    bias[1, :, 2, 3] = -torch.inf
    found = layer(queries, place=place, attn_mask=bias.flatten(0, 1))
    for b in range(3):
        torch.testing.assert_close(found[b], naive(layer, queries[b], place[b], bias[b]))


def test_every_parameter_of_a_head_without_memory_is_trained():
    torch.manual_seed(0)
    head = plus_head(decoder=LAYER)
    batch = without_memory(make_scene(80, 3, seed=1), make_scene(50, 2, seed=2))
    sum(head.loss(batch).values()).backward()
    idle = [name for name, p in head.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []
    assert len(head.eval().predict(batch)) == 2


def test_memory_changes_nothing():
    torch.manual_seed(0)
    head = plus_head(decoder=LAYER, pilots=None).eval()
    batch = batch_of(make_scene(80, 3, seed=1))
    with torch.no_grad():
        found, expected = head(batch), head(dataclasses.replace(batch, memory=None))
    assert torch.equal(found.class_logits[-1], expected.class_logits[-1])


def test_layers_that_attend_to_memory_need_it():
    batch = without_memory(make_scene(80, 3, seed=1))
    with pytest.raises(ValueError, match='the batch has no memory'):
        plus_head().loss(batch)
