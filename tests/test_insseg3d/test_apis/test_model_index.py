# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Names of models, in a checkout and in an installed package."""

import json
import shutil
from pathlib import Path

import pytest
from mmengine.config import Config

from insseg3d.apis.model_index import (
    find_config,
    find_weights,
    index_folder,
    models,
    voxel_size_of,
)
from insseg3d.engine import installed

ROOT = Path(__file__).parents[3]


def test_every_name_is_a_config_that_loads():
    known = models()
    assert {'queryis-s_1xb10-150k_scannet', 'queryis-s_demo'} <= known.keys()
    for name in ('queryis-s_1xb10-150k_scannet', 'queryis-s_demo'):
        assert 'decode_head' in Config.fromfile(known[name]).model
    assert all(path.is_file() for path in known.values())


def test_names_paths_and_nonsense():
    path = ROOT / 'configs' / 'queryis' / 'queryis-s_demo.py'
    assert find_config(str(path)) == path
    assert find_config('QueryIS-S_demo').resolve() == path
    with pytest.raises(ValueError, match='nonsense: neither the path.*queryis-s_demo'):
        find_config('nonsense')


def test_an_installed_package_and_a_checkout_without_links(tmp_path, monkeypatch):
    package = tmp_path / 'projects' / 'insseg3d'
    package.mkdir(parents=True)
    monkeypatch.setattr(installed, '_PACKAGE', package)
    with pytest.raises(FileNotFoundError, match='install the package again'):
        index_folder()
    for folder in (tmp_path, package / '.mim'):  # the second name takes precedence
        shutil.copytree(ROOT / 'configs', folder / 'configs')
        shutil.copy(ROOT / 'model-index.yml', folder)
        assert index_folder() == folder
        assert find_config('queryis-s_demo').is_relative_to(folder)


def write_index(package, *models):
    """Write an index with some models, and their empty configs."""
    folder = package / '.mim'
    (folder / 'configs').mkdir(parents=True)
    for config in {model['Config'] for model in models}:
        (folder / config).write_text('')
    (folder / 'model-index.yml').write_text('Import: [all.yml]')
    (folder / 'all.yml').write_text(json.dumps(dict(Models=models)))
    return folder


def test_aliases_are_names(tmp_path, monkeypatch):
    write_index(tmp_path, dict(Name='One', Alias=['Two', 'three'], Config='configs/a.py'))
    monkeypatch.setattr(installed, '_PACKAGE', tmp_path)
    assert models().keys() == {'one', 'two', 'three', 'a'}


def test_weights_that_ship_are_found_unless_others_were_trained(tmp_path, monkeypatch):
    shipped = dict(Name='One', Alias='box', Config='configs/a.py', Weights='configs/w.safetensors')
    folder = write_index(tmp_path, shipped, dict(Name='Two', Config='configs/b.py'))
    monkeypatch.setattr(installed, '_PACKAGE', tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match='box: no checkpoint of it'):
        find_weights('box')  # the file is missing
    weights = folder / 'configs' / 'w.safetensors'
    weights.touch()
    assert find_weights('box') == find_weights('One') == weights
    with pytest.raises(FileNotFoundError, match='two: no checkpoint of it'):
        find_weights('two')
    own = tmp_path / 'work_dirs' / 'one'
    own.mkdir(parents=True)
    (own / 'iter_1.pth').touch()
    (own / 'last_checkpoint').write_text('iter_1.pth')
    assert find_weights('box').name == 'iter_1.pth'


def test_the_size_of_voxels_is_found_in_transforms_that_hold_others():
    voxels = dict(type='AddVoxelTables', voxel_size=0.05)
    for pipeline in (
        [voxels],
        [dict(type='Compose', transforms=[voxels])],
        [dict(type='MultiScaleFlipAug3D', transforms=[dict(type='Compose', transforms=[voxels])])],
    ):
        config = Config(dict(test_dataloader=dict(dataset=dict(pipeline=pipeline))))
        assert voxel_size_of(config) == 0.05
    assert voxel_size_of(Config(dict(test_dataloader=dict(dataset=dict(pipeline=[]))))) is None
