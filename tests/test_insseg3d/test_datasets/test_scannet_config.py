# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
from mmengine.config import Config

from .config import FRAGMENT, ROOT, load_config

VOXELS = {'type': 'AddVoxelTables', 'voxel_size': 0.02}


def pipelines(config):
    names = ('train_dataloader', 'val_dataloader', 'test_dataloader')
    return [config[name]['dataset']['pipeline'] for name in names]


def test_values_of_the_field():
    config = load_config()
    assert [pipeline[-1] for pipeline in pipelines(config)] == 3 * [VOXELS]
    assert config['train_dataloader']['batch_size'] == 10
    assert {'type': 'CropToMaxPoints', 'max_points': 250_000} in config['train_pipeline']
    order = [transform['type'] for transform in config['train_pipeline']]
    assert order == [
        'LoadPointsFromFile',
        'LoadAnnotations3D',
        'CheckAnnotations',
        'PointSegClassMapping',
        'SelectInstances',
        'NormalizeColor',
        'CenterCoordinates',
        'RandomMatrix',
        'ElasticDistortion',
        'CropToMaxPoints',
        'RelabelInstances',
        'RandomColorShift',
        'Pack3DDetInputs',
        'AddVoxelTables',
    ]
    random = {'RandomMatrix', 'ElasticDistortion', 'CropToMaxPoints', 'RandomColorShift'}
    assert not random & {transform['type'] for transform in config['test_pipeline']}


def test_data_root_comes_from_the_environment_or_lies_beside_configs(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('INSSEG3D_DATA', raising=False)
    assert load_config()['data_root'] == str(ROOT / 'data' / 'scannet')
    monkeypatch.setenv('INSSEG3D_DATA', str(tmp_path / 'some where'))
    assert load_config()['data_root'] == str(tmp_path / 'some where' / 'scannet')


def test_leaf_changes_the_voxel_size_as_documented(tmp_path):
    # The lines in the comment at the top of the fragment.
    lines = FRAGMENT.read_text().split('either pipeline:\n')[1].split('# All other')[0]
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(f'_base_ = {str(FRAGMENT)!r}\n' + lines.replace('#     ', ''))
    config = Config.fromfile(leaf).to_dict()
    assert [p[-1]['voxel_size'] for p in pipelines(config)] == 3 * [0.05]
    base = load_config()
    assert [p[:-1] for p in pipelines(config)] == [p[:-1] for p in pipelines(base)]
    assert config['train_dataloader']['batch_size'] == 10
