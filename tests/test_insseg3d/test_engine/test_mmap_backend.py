# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Files mapped into memory load like files that are read."""

import mmap

import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.fileio import get
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader

MAPPED = dict(backend='mmap')


@pytest.fixture
def build(tiny_config, tiny_data, monkeypatch):
    monkeypatch.setenv('INSSEG3D_DATA', str(tiny_data))
    init_default_scope('mmdet3d')

    def make(backend_args, split='train', **changes):
        cfg = Config.fromfile(tiny_config)[f'{split}_dataloader'].dataset.to_dict()
        loading = [t for t in cfg['pipeline'] if t['type'].startswith('Load')]
        loading += [
            t
            for group in cfg['pipeline']
            for t in group.get('transforms', ())
            if t['type'].startswith('Load')
        ]
        assert len(loading) == 2
        for transform in loading:
            assert transform['backend_args'] == MAPPED  # the backend in the config
            transform['backend_args'] = backend_args
        return DATASETS.build(dict(cfg, **changes))

    return make


def content(sample):
    """Return all tensors of a packed sample."""
    voxels, truth = sample['data_samples'].voxels, sample['data_samples'].eval_ann_info or {}
    return [
        sample['inputs']['points'],
        *(voxels.get(key) for key in sorted(voxels.keys())),
        *(torch.as_tensor(truth[key]) for key in sorted(truth)),
    ]


@pytest.mark.parametrize('split', ['train', 'val'])
def test_samples_are_the_same_to_the_bit(build, split):
    mapped, read = build(MAPPED, split), build(None, split)
    for index in range(len(read)):
        samples = []
        for dataset in (mapped, read):
            np.random.seed(0)  # noqa: NPY002  (augmentation without DrawSampler uses it)
            samples.append(content(dataset[index]))
        assert len(samples[0]) >= 7 - (split == 'val')
        assert all(map(torch.equal, *samples))


def test_files_stay_as_they_are(build, tiny_data):
    files = sorted((tiny_data / 'scannet').rglob('*.bin'))
    before = [path.read_bytes() for path in files]
    dataset = build(MAPPED)
    for index in range(len(dataset)):
        dataset[index]
    assert before == [path.read_bytes() for path in files]


def test_workers_that_persist_load_epoch_after_epoch(build):
    dataset = build(MAPPED, 'val', indices=[0] * 4)
    loader = DataLoader(dataset, num_workers=2, persistent_workers=True, collate_fn=pseudo_collate)
    expected = content(dataset[0])[0]
    for _ in range(2):
        batches = [batch['inputs']['points'][0] for batch in loader]
        assert len(batches) == 4 and all(torch.equal(points, expected) for points in batches)


def test_buffer_is_a_map_that_cannot_be_written(tmp_path):
    path = tmp_path / 'a.bin'
    np.arange(5).tofile(path)
    buffer = get(path, backend_args=MAPPED)
    array = np.frombuffer(buffer, np.int64)
    assert isinstance(buffer, mmap.mmap) and array.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match='read-only'):
        array[0] = 1
    path.unlink()  # like a converter that replaces the file
    assert array.sum() == 10


def test_empty_file_gives_the_error_of_an_empty_scene(build, tmp_path):
    dataset = build(MAPPED, 'val')
    info = dataset.get_data_info(0)
    for key in ('pts_instance_mask_path', 'pts_semantic_mask_path', 'lidar_path'):
        info[key] = str(tmp_path / f'{key}.bin')
        (tmp_path / f'{key}.bin').touch()
    info['lidar_points']['lidar_path'] = info['lidar_path']
    with pytest.raises(ValueError, match='lidar_path.bin: the scene has no points; expected at'):
        dataset.pipeline(info)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.bin'):
        get(tmp_path / 'none.bin', backend_args=MAPPED)
