# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import torch

from insseg3d.ops.segment import pad_rows


def test_scenes_of_unequal_length_are_padded_behind():
    block, padding = pad_rows([torch.ones(2, 3), torch.zeros(0, 3), 2 * torch.ones(3, 3)])
    assert block[:, :, 0].tolist() == [[1, 1, 0], [0, 0, 0], [2, 2, 2]]
    # The empty scene keeps one row of zeros, that there is something to attend to.
    assert padding.int().tolist() == [[0, 0, 1], [0, 1, 1], [0, 0, 0]]


def test_scenes_of_one_length_have_no_padding():
    scenes = [torch.rand(4, 2), torch.rand(4, 2)]
    block, padding = pad_rows(scenes)
    assert torch.equal(block, torch.stack(scenes)) and padding is None


def test_only_empty_scenes():
    block, padding = pad_rows([torch.zeros(0, 2)] * 2)
    assert block.shape == (2, 1, 2) and (padding is None or not padding.any())
