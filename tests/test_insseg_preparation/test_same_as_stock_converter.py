# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Comparison of the info files with those of mmdetection3d's converter in its wheel."""

import importlib.util
import pickle
from pathlib import Path

import mmdet3d
import mmengine
import numpy as np
import pytest

from insseg_preparation.scannet.release import prepare_scannet

from . import raw_scannet as typed

CONVERTERS = Path(mmdet3d.__file__).parent / '.mim/tools/dataset_converters'
# Result of its export step, scannet_instance_data, for the scene typed by hand: centre, size and
# nyu40 id of the objects of the 18 classes.
ALIGNED = [[9.5, 21, 30.5, 0.5, 1, 1, 5], [8, 22.5, 30.625, 4, 1, 0.25, 6], [5, 24, 36, 0, 0, 0, 5]]
UNALIGNED = [[1, 0.5, 0.5, 1, 0.5, 1, 5], [2.5, 2, 0.625, 1, 4, 0.25, 6], [4, 5, 6, 0, 0, 0, 5]]
MATRIX = [[0, -1, 0, 10], [1, 0, 0, 20], [0, 0, 1, 30], [0, 0, 0, 1]]


def stock_module(name):
    path = CONVERTERS / f'{name}.py'
    if not path.is_file():
        pytest.skip('this mmdet3d carries no converters')
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_same(ours, theirs):
    """Assert that values are equal and of the same types at all levels."""
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert set(ours) == set(theirs)
        for key in ours:
            assert_same(ours[key], theirs[key])
    elif isinstance(ours, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs):
            assert_same(one, other)
    else:
        assert ours == theirs


@pytest.fixture
def stock(tmp_path):
    """Make a folder with the export of the typed scene in train, and of its mesh alone in test."""
    folder = tmp_path / 'stock'
    (folder / 'meta_data').mkdir(parents=True)
    exported = folder / 'scannet_instance_data'
    exported.mkdir()
    for scene, split in (('scene0000_00', 'train'), ('scene0707_00', 'test')):
        (folder / 'meta_data' / f'scannetv2_{split}.txt').write_text(f'{scene}\n')
        points = np.array([vertex[:6] for vertex in typed.VERTICES], np.float32)
        np.save(exported / f'{scene}_vert.npy', points)
        np.save(exported / f'{scene}_sem_label.npy', np.array(typed.SEMANTIC, np.uint32))
        np.save(exported / f'{scene}_ins_label.npy', np.array(typed.INSTANCE, np.uint32))
        np.save(exported / f'{scene}_aligned_bbox.npy', np.array(ALIGNED, float))
        np.save(exported / f'{scene}_unaligned_bbox.npy', np.array(UNALIGNED, float))
        np.save(exported / f'{scene}_axis_align_matrix.npy', np.array(MATRIX, float))
    return folder


def test_same_files_and_infos(stock, tmp_path, monkeypatch):
    utils, update = stock_module('scannet_data_utils'), stock_module('update_infos_to_v2')
    monkeypatch.setattr(update.time, 'sleep', lambda seconds: None)
    for split in ('train', 'test'):
        data = utils.ScanNetData(root_path=str(stock), split=split)
        infos = data.get_infos(num_workers=1, has_label=split == 'train')
        path = stock / f'scannet_infos_{split}.pkl'
        mmengine.dump(infos, str(path), 'pkl')
        if split == 'train':
            utils.ScanNetSegData(
                str(stock),
                str(path),
                split,
                num_points=8192,
                label_weight_func=lambda x: 1.0 / np.log(1.2 + x),
            ).get_seg_infos()
        update.update_scannet_infos(str(path), str(stock))
    raw, out = tmp_path / 'raw', tmp_path / 'out'
    raw.mkdir()
    typed.write_release(raw, test=('scene0707_00',))
    prepare_scannet(raw, out)
    for split in ('train', 'test'):
        name = f'scannet_infos_{split}.pkl'
        assert_same(*(pickle.loads((folder / name).read_bytes()) for folder in (out, stock)))
    names = ('train_resampled_scene_idxs', 'train_label_weight')
    for name in names:
        ours, theirs = (np.load(folder / 'seg_info' / f'{name}.npy') for folder in (out, stock))
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    files = ['points/scene0000_00.bin', 'points/scene0707_00.bin']
    files += ['instance_mask/scene0000_00.bin', 'semantic_mask/scene0000_00.bin']
    for name in files:
        assert (out / name).read_bytes() == (stock / name).read_bytes()
    assert sorted(str(p.relative_to(out)) for p in out.glob('*_mask/*')) == sorted(files[2:])
