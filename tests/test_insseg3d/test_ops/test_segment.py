# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import torch

from insseg3d.ops.segment import pad_rows, running_index, segment_max


def test_scenes_of_unequal_length_are_padded_behind():
    block, padding = pad_rows([torch.ones(2, 3), torch.zeros(0, 3), 2 * torch.ones(3, 3)])
    assert block[:, :, 0].tolist() == [[1, 1, 0], [0, 0, 0], [2, 2, 2]]
    # The empty scene keeps one row of zeros, because attention needs a row.
    assert padding.int().tolist() == [[0, 0, 1], [0, 1, 1], [0, 0, 0]]


def test_scenes_of_one_length_have_no_padding():
    scenes = [torch.rand(4, 2), torch.rand(4, 2)]
    block, padding = pad_rows(scenes)
    assert torch.equal(block, torch.stack(scenes)) and padding is None


def test_only_empty_scenes():
    block, padding = pad_rows([torch.zeros(0, 2)] * 2)
    assert block.shape == (2, 1, 2) and (padding is None or not padding.any())


def test_largest_of_each_segment_is_negative_too():
    values = torch.tensor([[-3.0, 1], [-1, -5], [-2, 0]], requires_grad=True)
    largest = segment_max(values, torch.tensor([2, 0, 2]), 3)
    assert largest.tolist() == [[-1, -5], [0, 0], [-2, 1]]  # 0 for a segment without rows
    largest.sum().backward()
    assert values.grad.tolist() == [[0, 1], [1, 1], [1, 0]]
    assert segment_max(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long), 0).shape == (0, 2)


def test_running_index():
    assert running_index(torch.tensor([2, 0, 3])).tolist() == [0, 1, 0, 1, 2]
    assert running_index(torch.zeros(0, dtype=torch.long)).tolist() == []
