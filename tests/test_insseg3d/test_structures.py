# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Maps of objects that share no points: made from masks, reduced, converted to arrays."""

import numpy as np
import pytest
import torch

from insseg3d.structures import InstanceMap

MASKS = torch.tensor(
    [
        [1, 1, 1, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 0, 0, 0, 0],  # a third is left
        [0, 0, 0, 1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 1, 0],
    ],
    dtype=torch.bool,
)
LABELS, SCORES = torch.tensor([5, 6, 7, 8]), torch.tensor([0.9, 0.8, 0.7, 0.2])


def test_masks_become_a_map_in_their_order():
    found = InstanceMap.of_masks(MASKS, LABELS, SCORES)
    assert found.instance.tolist() == [0, 0, 0, 1, 1, 1, 2, -1]
    assert found.labels.tolist() == [5, 7, 8] and len(found) == 3
    assert found.sizes.tolist() == [3, 3, 1]
    assert torch.equal(found.scores, SCORES[[0, 2, 3]])


@pytest.mark.parametrize(
    'limits, labels',
    [
        (dict(score_thr=0.7), [5, 7]),
        (dict(score_thr=0.95), []),
        (dict(min_points=2), [5, 7]),
        (dict(min_share=0.3), [5, 6, 7, 8]),
    ],
)
def test_limits_leave_masks_out(limits, labels):
    found = InstanceMap.of_masks(MASKS, LABELS, SCORES, **limits)
    assert found.labels.tolist() == labels
    assert set(found.instance.tolist()) == {-1, *range(len(labels))}


def test_no_mask_gives_an_empty_map():
    found = InstanceMap.of_masks(MASKS[:0], LABELS[:0], SCORES[:0])
    assert found.instance.tolist() == [-1] * 8 and len(found) == 0


def test_points_of_objects_that_are_not_chosen_belong_to_none():
    found = InstanceMap.of_masks(MASKS, LABELS, SCORES)
    chosen = found.choose(torch.tensor([True, False, True]))
    assert chosen.instance.tolist() == [0, 0, 0, -1, -1, -1, 1, -1]
    assert chosen.labels.tolist() == [5, 8]


def test_arrays_of_a_map_and_some_of_its_points():
    arrays = InstanceMap.of_masks(MASKS, LABELS, SCORES).numpy()
    assert [values.dtype for values in (arrays.instance, arrays.labels, arrays.scores)] == [
        np.int64,
        np.int64,
        np.float64,
    ]
    some = arrays.take(np.array([6, 0]))
    assert some.instance.tolist() == [2, 0] and some.labels.tolist() == [5, 7, 8]
