# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Sums over the points of a scene are never in half precision, even under autocast."""

import pytest
import torch

from insseg3d.ops.grouping.pointwise import (
    instance_centres,
    offset_direction_loss,
    offset_l1_loss,
    point_cross_entropy,
)
from insseg3d.ops.masks import (
    binary_masks,
    mask_bce_loss,
    mask_dice_loss,
    mask_sums,
    object_ious,
    object_points,
)
from insseg3d.ops.precision import HALVES
from insseg3d.ops.segment import segment_mean, segment_sum
from insseg3d.structures import SceneTargets

NUM = 70_000
ROWS = torch.arange(NUM)
TARGETS = SceneTargets(
    torch.full((NUM,), 2),
    ROWS,
    torch.zeros(NUM, dtype=torch.long),
    torch.full((NUM,), 2),
    torch.zeros(1, dtype=torch.long),
)


def _binary(values):
    return binary_masks(values.__getitem__, TARGETS.counts)


def _inside(values):
    return object_points(TARGETS, torch.zeros(3, dtype=torch.long), torch.float32)


SUMS = {
    'mask_sums': lambda values: mask_sums(values, TARGETS),
    'mask_bce_loss': lambda values: mask_bce_loss(values, _inside(values), TARGETS.counts),
    'mask_dice_loss': lambda values: mask_dice_loss(values, _inside(values), TARGETS.counts),
    'object_ious': lambda values: object_ious(values, TARGETS),
    'binary_masks': lambda values: _binary(values)[1:],
    'segment_sum': lambda values: segment_sum(values, TARGETS.inst_index, 1),
    'segment_mean': lambda values: segment_mean(values, TARGETS.inst_index, torch.tensor([NUM])),
    'point_cross_entropy': lambda values: point_cross_entropy(values, ROWS, ROWS % 3),
    'offset_l1_loss': lambda values: offset_l1_loss(values, torch.ones(NUM, 3)),
    'offset_direction_loss': lambda values: offset_direction_loss(values, torch.ones(NUM, 3)),
    'instance_centres': lambda values: instance_centres(values, TARGETS.inst_index, 1),
}


@pytest.mark.parametrize('half', HALVES, ids=str)
@pytest.mark.parametrize('name', SUMS)
def test_autocast_does_not_reach_them(name, half):
    values = 1 + torch.rand(NUM, 3, generator=torch.Generator().manual_seed(0))
    exact = SUMS[name](values)
    with torch.autocast('cpu', dtype=half):
        found = SUMS[name](values)
    torch.testing.assert_close(found, exact, rtol=0, atol=0)


@pytest.mark.parametrize('half', HALVES, ids=str)
@pytest.mark.parametrize('name', SUMS)
def test_half_precision_is_refused(name, half):
    match = r'are torch.\w*float16, expected float32.*float\(\)'
    with pytest.raises(TypeError, match=match) as error:
        SUMS[name](torch.ones(NUM, 3, dtype=half))
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('dtype', [torch.float64, torch.int64])
def test_wider_types_and_integers_are_summed(dtype):
    total = segment_sum(torch.ones(NUM, 1, dtype=dtype), TARGETS.inst_index, 1)
    assert total.dtype == dtype and total.item() == NUM
