# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import argparse

import pytest
from mmdet3d.datasets import S3DISSegDataset
from mmdet3d.registry import DATASETS
from mmengine.config import Config, ConfigDict, DictAction
from mmengine.registry import init_default_scope

from insseg3d.datasets import S3DISInstanceSegDataset
from insseg_preparation.s3dis.release import prepare_s3dis

from ...test_insseg_preparation import raw_s3dis as typed
from .config import FRAGMENT, ROOT, load_config

META = S3DISInstanceSegDataset.METAINFO
ROOMS = [
    'Area_1_office_1',
    'Area_1_office_2',
    'Area_2_WC_1',
    'Area_3_lobby_1',
    'Area_4_pantry_1',
    'Area_5_hallway_1',
    'Area_6_office_1',
]


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmdet3d')


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
    raw, out = tmp_path_factory.mktemp('raw'), tmp_path_factory.mktemp('data') / 's3dis'
    typed.write_release(raw, [f'{room[:6]}/{room[7:]}' for room in ROOMS])
    prepare_s3dis(raw, out)
    return out


def names(dataset):
    paths = [dataset.get_data_info(k)['lidar_path'] for k in range(len(dataset))]
    return [path.split('/')[-1].removesuffix('.bin') for path in paths]


def test_classes_are_those_of_mmdetection3d_in_its_order():
    stock = S3DISSegDataset.METAINFO
    for key in ('classes', 'palette', 'seg_valid_class_ids', 'seg_all_class_ids'):
        assert META[key] == stock[key]
    assert DATASETS.get('S3DISSegDataset') is S3DISSegDataset
    assert DATASETS.get('S3DISInstanceSegDataset') is S3DISInstanceSegDataset


def test_areas_follow_each_other_in_the_order_given(prepared):
    data = S3DISInstanceSegDataset(areas=(5, 1), data_root=str(prepared))
    assert names(data) == ['Area_5_hallway_1', 'Area_1_office_1', 'Area_1_office_2']
    assert data.get_data_info(1)['lidar_path'] == str(prepared / 'points/Area_1_office_1.bin')
    assert data.metainfo['release'] == 'aligned'
    few = S3DISInstanceSegDataset(areas=(5, 1), data_root=str(prepared), indices=[2])
    assert names(few) == ['Area_1_office_2']
    assert names(S3DISInstanceSegDataset(areas=6, data_root=str(prepared))) == ROOMS[-1:]


def test_a_label_set_without_an_ignored_id_is_refused(prepared):
    """Otherwise, transforms would treat the last class as ignored and drop its objects."""

    class Other(S3DISInstanceSegDataset):
        METAINFO = {**META, 'seg_all_class_ids': tuple(range(13))}

    with pytest.raises(ValueError, match='Other.METAINFO: all seg_all_class_ids are classes'):
        Other(areas=1, data_root=str(prepared))


@pytest.mark.parametrize('areas', [(), (0,), (1, 7), (2, 2), ('1',), 9])
def test_areas_that_are_none_are_refused(prepared, areas):
    with pytest.raises(ValueError, match='expected some of'):
        S3DISInstanceSegDataset(areas=areas, data_root=str(prepared))


def test_a_misspelt_argument_is_refused(prepared):
    with pytest.raises(TypeError, match='arae'):
        S3DISInstanceSegDataset(arae=(1,), data_root=str(prepared))


def test_an_area_that_is_not_prepared_is_named(prepared, tmp_path):
    with pytest.raises(FileNotFoundError, match=r's3dis_infos_Area_1.pkl.*--areas 1'):
        S3DISInstanceSegDataset(data_root=str(tmp_path))


def build(config, loader, root):
    return DATASETS.build({**config[loader]['dataset'], 'data_root': str(root)})


def test_training_sample_has_every_object(prepared):
    config = load_config('s3dis')
    random = ('RandomSubsample', 'RandomMatrix', 'ElasticDistortion')
    pipeline = [t for t in config['train_pipeline'] if t['type'] not in random]
    config['train_dataloader']['dataset']['pipeline'] = pipeline
    dataset = build(config, 'train_dataloader', prepared)
    assert len(dataset) == 6
    sample = dataset[0]['data_samples']
    # board, ceiling, three chairs, and stairs, which are clutter
    assert sample.gt_instances_3d.labels_3d.tolist() == [11, 0, 8, 8, 8, 12]
    assert sample.gt_pts_seg.pts_instance_mask.tolist() == [0, 0, 1, 2, 2, 3, 4, 5]
    assert sample.gt_pts_seg.pts_semantic_mask.tolist() == typed.SEMANTIC


def test_test_sample_keeps_points_and_order(prepared):
    dataset = build(load_config('s3dis'), 'test_dataloader', prepared)
    assert names(dataset) == ['Area_5_hallway_1']
    sample = dataset[0]
    truth = sample['data_samples'].eval_ann_info
    assert truth['pts_semantic_mask'].tolist() == typed.SEMANTIC
    assert truth['pts_instance_mask'].tolist() == [k - 1 for k in typed.INSTANCE]
    assert len(sample['inputs']['points']) == 8


def test_a_quarter_of_the_points_before_anything_else_in_training():
    config, scannet = load_config('s3dis'), load_config()
    train, other = ([t['type'] for t in c['train_pipeline']] for c in (config, scannet))
    assert train[5] == 'RandomSubsample' and train[:5] + train[6:] == other
    assert config['train_pipeline'][5]['ratio'] == 0.25
    crop = config['train_pipeline'][train.index('CropToMaxPoints')]
    size = config['train_pipeline'][-1]['voxel_size']
    assert round(crop['step'] / size) == 64
    assert config['test_dataloader']['dataset']['pipeline'] == scannet['test_pipeline']
    assert config['train_dataloader']['batch_size'] == 10


def test_data_root_comes_from_the_environment_or_lies_beside_configs(monkeypatch, tmp_path):
    monkeypatch.delenv('INSSEG3D_DATA', raising=False)
    assert load_config('s3dis')['data_root'] == str(ROOT / 'data' / 's3dis')
    monkeypatch.setenv('INSSEG3D_DATA', str(tmp_path))
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        assert load_config('s3dis')[loader]['dataset']['data_root'] == str(tmp_path / 's3dis')


def test_six_folds_part_the_rooms(prepared, tmp_path):
    """Folds can be set in a leaf or on the command line, as the fragment describes."""
    tested = []
    for fold in range(1, 7):
        others = tuple(area for area in range(1, 7) if area != fold)
        leaf = tmp_path / f'fold{fold}.py'
        leaf.write_text(
            f'_base_ = {str(FRAGMENT.with_stem("s3dis"))!r}\n'
            f'train_dataloader = dict(dataset=dict(areas={others}))\n'
            f'val_dataloader = dict(dataset=dict(areas=({fold},)))\n'
            'test_dataloader = val_dataloader\n'
        )
        config = Config.fromfile(leaf)
        by_option = Config.fromfile(FRAGMENT.with_stem('s3dis'))
        by_option.merge_from_dict(
            options(
                f'train_dataloader.dataset.areas={others}'.replace(' ', ''),
                f'val_dataloader.dataset.areas={fold}',
                f'test_dataloader.dataset.areas={fold}',
            )
        )
        for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            rooms = names(build(config, loader, prepared))
            assert rooms == names(build(by_option, loader, prepared))
            if loader == 'train_dataloader':
                trained = rooms
        assert sorted(trained + rooms) == ROOMS
        tested += rooms
    assert sorted(tested) == ROOMS


def options(*texts):
    """Parse ``--cfg-options`` like mmengine."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    return ConfigDict(parser.parse_args(['--cfg-options', *texts]).cfg_options)
