# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""DataLoader(pin_memory=True) pins all tensors; without a GPU, pinning is simulated."""

import pickle

import numpy as np
import pytest
import torch
from mmdet3d.structures import Det3DDataSample
from mmengine.dataset import pseudo_collate
from mmengine.structures import BaseDataElement
from torch.utils.data._utils.pin_memory import pin_memory

from insseg3d.transforms import AddVoxelTables

from .scenes import packed, scene


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    scenes = [
        scene(
            rng.uniform(0, 2, (40, 3)),
            pts_instance_mask=np.arange(40) % 3,
            pts_semantic_mask=np.full(40, 4),
        )
        for _ in range(2)
    ]
    return pseudo_collate([AddVoxelTables(voxel_size=0.5)(packed(results)) for results in scenes])


def tensors_in(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, BaseDataElement):
        value = dict(sorted(value.items()))  # its fields are a set, without an order
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [tensor for part in parts for tensor in tensors_in(part)]


def test_all_tensors_of_a_batch_are_pinned(batch, monkeypatch):
    pinned = []

    def pin(tensor):
        pinned.append(tensor.clone())
        return pinned[-1]

    monkeypatch.setattr(torch.Tensor, 'pin_memory', pin)
    found = pin_memory(batch)
    assert len(tensors_in(batch)) > 20  # points, voxels, labels, masks of two scenes
    assert {*map(id, tensors_in(found))} == {*map(id, pinned)}
    for before, after in zip(tensors_in(batch), tensors_in(found), strict=True):
        torch.testing.assert_close(before, after)
    for before, after in zip(batch['data_samples'], found['data_samples'], strict=True):
        assert type(after) is type(before) and isinstance(after, Det3DDataSample)
        assert after.metainfo == before.metainfo
        assert after.gt_instances_3d.labels_3d.shape == before.gt_instances_3d.labels_3d.shape


def test_samples_come_whole_through_workers_and_to_devices(batch):
    for sample in batch['data_samples']:
        for copy in (pickle.loads(pickle.dumps(sample)), sample.to('cpu'), sample.clone()):
            assert type(copy) is type(sample)
            assert {*copy.keys()} == {*sample.keys()} and copy.metainfo == sample.metainfo
