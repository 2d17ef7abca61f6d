# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Predictions of a scene that is turned by 90 degrees, or passes through the backbone in pieces."""

import torch
from torch import nn

from ..helpers import CHANNELS, WIDTH
from .scenes import batch_of, in_pieces, make_scene, plus_head

TURN = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])


def turned(scene):
    return scene._replace(coords=scene.coords @ TURN.T)


def turn_of(wavelengths):
    """Matrix by which the features of a position turn with the scene."""
    return torch.block_diag(TURN, *[TURN] * wavelengths, *[TURN.abs()] * wavelengths)


def turn_weights(head):
    """Let each part of a head expect the features of turned positions."""
    place, vote = turn_of(2), turn_of(1)
    row = torch.block_diag(torch.eye(CHANNELS), place, vote, torch.eye(5))
    moments = torch.block_diag(torch.eye(WIDTH), row, row.abs())
    inputs = [(head.point_projection, row), (head.decoder.place, place)]
    inputs += [(reading[0], row) for reading in head.decoder.readings]
    for linear, turn in [*inputs, (head.quality.mlp[0], moments)]:
        linear.weight.data = linear.weight @ turn.T
    offset = head.features.pointwise.offset[-1]
    offset.weight.data, offset.bias.data = TURN @ offset.weight, TURN @ offset.bias


def assert_same(found, expected, objects=2):
    assert torch.equal(found.masks, expected.masks) and len(expected) >= objects
    assert torch.equal(found.labels_3d, expected.labels_3d)
    torch.testing.assert_close(found.scores_3d, expected.scores_3d, rtol=1e-3, atol=1e-5)


@torch.no_grad()
def test_position_enters_by_the_weights_of_its_channels_alone():
    """If these are turned with the scene, the predictions stay as they are."""
    head, scene = plus_head().eval(), make_scene(seed=5)
    (expected,) = head.predict(batch_of(scene))
    (other,) = head.predict(batch_of(turned(scene)))
    assert not torch.equal(other.masks, expected.masks)
    turn_weights(head)
    (found,) = head.predict(batch_of(turned(scene)))
    assert_same(found, expected)


@torch.no_grad()
def test_queries_that_have_not_read_do_not_see_the_turn():
    head, scene = plus_head().eval(), make_scene(seed=5)
    before, after = head(batch_of(scene)), head(batch_of(turned(scene)))
    assert torch.equal(before.class_logits[0], after.class_logits[0])
    assert torch.equal(before.mask_embeddings[0], after.mask_embeddings[0])
    assert not torch.allclose(before.class_logits[1], after.class_logits[1])


@torch.no_grad()
def test_without_weights_of_position_predictions_do_not_see_the_turn():
    head, scene = plus_head().eval(), make_scene(seed=5)
    position = slice(CHANNELS, CHANNELS + 15 + 9)
    columns = [(head.point_projection, position), (head.decoder.place, slice(None))]
    columns += [(reading[0], position) for reading in head.decoder.readings]
    for moment in range(2):
        start = WIDTH + moment * head.features.num_channels
        some = slice(start + position.start, start + position.stop)
        columns.append((head.quality.mlp[0], some))
    for linear, some in columns:
        nn.init.zeros_(linear.weight[:, some])
    (expected,), (found,) = head.predict(batch_of(scene)), head.predict(batch_of(turned(scene)))
    assert_same(found, expected)


@torch.no_grad()
def test_predictions_of_a_scene_in_pieces_are_those_of_the_whole():
    """The pieces have the same features here, so queries read the same under their masks."""
    head, scene = plus_head().eval(), make_scene(200, seed=2)
    pieces, voxels = in_pieces(scene)
    assert len(voxels) > len(scene.features)
    (found,), (expected,) = head.predict(pieces), head.predict(batch_of(scene))
    assert_same(found, expected)
