# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import pickle
from collections import Counter

import numpy as np
import pytest
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from insseg3d.datasets import ScanNet200InsSegDataset, ScanNetInsSegDataset
from insseg3d.datasets.scannet200 import CATEGORIES
from insseg_preparation.scannet.release import prepare_scannet

from ...test_insseg_preparation import raw_scannet as typed
from .config import ROOT

META = ScanNet200InsSegDataset.METAINFO
# armchair, couch and wall with their ids of the benchmark; none of the 200 is "gadget".
LABEL_MAP = 'id\traw_category\tnyu40id\n1\twall\t1\n23\tarmchair\t5\n6\tcouch\t6\n777\tgadget\t40\n'


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / 'raw'
    folder.mkdir()
    typed.write_release(folder, val=('scene0011_00',))
    (folder / typed.LABEL_MAP_NAME).write_text(LABEL_MAP)
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'data' / 'scannet200'


def prepare(raw, out, **options):
    report = prepare_scannet(raw, out, label_set='scannet200', **options)
    assert all(outcome.state != 'failed' for outcome in report.outcomes), report
    return report


def mask(out, kind, scene='scene0000_00'):
    return np.fromfile(out / kind / f'{scene}.bin', np.int64).tolist()


def test_198_classes_of_the_200_without_wall_and_floor():
    assert len(CATEGORIES) == 200 and len(META['classes']) == len(set(META['classes'])) == 198
    assert not {'wall', 'floor'} & set(META['classes'])
    assert META['classes'][:3] == ('chair', 'table', 'door')
    assert META['seg_valid_class_ids'][:3] == (2, 4, 5)
    assert (META['classes'][-1], META['seg_valid_class_ids'][-1]) == ('mattress', 1191)
    assert set(META['seg_all_class_ids']) == {0, 1, 3, *META['seg_valid_class_ids']}
    assert len({tuple(color) for color in META['palette']}) == 198


def test_head_common_and_tail():
    assert Counter(category.frequency for category in CATEGORIES) == {
        'head': 66,
        'common': 68,
        'tail': 66,
    }
    assert set(META['frequency']) == set(META['classes'])
    assert Counter(META['frequency'].values()) == {'head': 64, 'common': 68, 'tail': 66}
    assert META['frequency']['chair'] == 'head' and META['frequency']['mattress'] == 'common'


def test_stored_ids_are_those_of_the_column_id(raw, out):
    report = prepare(raw, out)
    assert [path.name for path in report.infos] == [
        'scannet200_infos_train.pkl',
        'scannet200_infos_val.pkl',
    ]
    assert mask(out, 'semantic_mask') == [23, 23, 6, 6, 6, 1, 0, 23]
    assert mask(out, 'instance_mask') == typed.INSTANCE  # the same as for 18 classes
    assert not (out / 'seg_info').exists()


def test_info_file_names_the_198_classes(raw, out):
    prepare(raw, out)
    info = pickle.loads((out / 'scannet200_infos_train.pkl').read_bytes())
    assert info['metainfo']['dataset'] == 'scannet200'
    assert info['metainfo']['categories']['armchair'] == META['classes'].index('armchair')
    labels = [box['bbox_label_3d'] for box in info['data_list'][0]['instances']]
    assert [META['classes'][label] for label in labels] == ['armchair', 'couch', 'armchair']


def test_id_outside_the_200_is_unannotated(raw, out):
    groups = typed.AGGREGATION.replace('couch', 'gadget')
    typed.write_scene(raw, **{'.aggregation.json': groups})
    prepare(raw, out)
    assert mask(out, 'semantic_mask') == [23, 23, 0, 0, 0, 1, 0, 23]
    assert mask(out, 'instance_mask') == typed.INSTANCE
    info = pickle.loads((out / 'scannet200_infos_train.pkl').read_bytes())
    assert len(info['data_list'][0]['instances']) == 2


def test_label_without_any_row_is_an_error(raw, out):
    typed.write_scene(raw, **{'.aggregation.json': typed.AGGREGATION.replace('couch', 'kouch')})
    report = prepare_scannet(raw, out, label_set='scannet200')
    assert report.outcomes[0].state == 'failed' and 'kouch' in report.outcomes[0].remarks[0]


@pytest.mark.parametrize(
    'table, message',
    [
        (typed.LABEL_MAP, r"'armchair \(23\)'.*older release"),  # here armchair has id 2
        ('id\traw_category\tnyu40id\n900\tgadget\t40\n', '0 of the 200 ids.*older release'),
        ('raw_category\tnyu40id\nwall\t1\n', r"no columns \['id'\]"),
    ],
)
def test_label_table_of_an_older_release(raw, out, table, message):
    (raw / typed.LABEL_MAP_NAME).write_text(table)
    with pytest.raises(ValueError, match=message):
        prepare_scannet(raw, out, label_set='scannet200')
    assert not out.exists()


@pytest.mark.parametrize('first, second', [('scannet', 'scannet200'), ('scannet200', 'scannet')])
def test_one_folder_does_not_hold_both_label_sets(raw, out, first, second):
    prepare_scannet(raw, out, label_set=first)
    before = {path: path.read_bytes() for path in out.rglob('*') if path.is_file()}
    with pytest.raises(ValueError, match=f'holds the label set {first}; .*another --out'):
        prepare_scannet(raw, out, label_set=second)
    assert before == {path: path.read_bytes() for path in out.rglob('*') if path.is_file()}


def test_a_run_that_was_stopped_leaves_nothing_of_the_other_label_set(raw, out):
    prepare_scannet(raw, out)
    for path in out.glob('*.pkl'):
        path.unlink()  # as if interrupted before the info files
    assert {outcome.state for outcome in prepare(raw, out).outcomes} == {'converted'}
    assert mask(out, 'semantic_mask') == [23, 23, 6, 6, 6, 1, 0, 23]


def test_config_loads_scenes_with_the_class_indices(raw, out, monkeypatch):
    prepare(raw, out)
    monkeypatch.setenv('INSSEG3D_DATA', str(out.parent))
    init_default_scope('mmdet3d')
    config = Config.fromfile(ROOT / 'configs/_base_/datasets/scannet200.py').to_dict()
    chair, couch = META['classes'].index('armchair'), META['classes'].index('couch')
    sample = DATASETS.build(config['train_dataloader']['dataset'])[0]['data_samples']
    assert sample.gt_instances_3d.labels_3d.tolist() == [chair, couch, chair]
    for name in ('val_dataloader', 'test_dataloader'):
        dataset = DATASETS.build(config[name]['dataset'])
        truth = dataset[0]['data_samples'].eval_ann_info
        assert truth['pts_semantic_mask'].tolist() == [
            chair,
            chair,
            couch,
            couch,
            couch,
            198,
            198,
            chair,
        ]
        assert dataset.metainfo['frequency']['couch'] == 'head'


def test_masks_of_the_other_label_set_are_refused(raw, out):
    typed.write_scene(raw, **{'.aggregation.json': typed.AGGREGATION.replace('couch', 'gadget')})
    (raw / typed.LABEL_MAP_NAME).write_text(LABEL_MAP.replace('23', '1191'))
    with pytest.raises(ValueError, match='older release'):
        prepare(raw, out)
    (raw / typed.LABEL_MAP_NAME).write_text(LABEL_MAP)
    prepare(raw, out)
    init_default_scope('mmdet3d')
    config = Config.fromfile(ROOT / 'configs/_base_/datasets/scannet.py').to_dict()
    cfg = config['train_dataloader']['dataset']
    np.full(8, 1191).tofile(out / 'semantic_mask' / 'scene0000_00.bin')
    cfg.update(data_root=str(out), ann_file='scannet200_infos_train.pkl')
    assert cfg['type'] == ScanNetInsSegDataset.__name__
    with pytest.raises(ValueError, match=r'semantic ids \[1191\]; expected 0..40'):
        DATASETS.build(cfg)[0]


# --- superpoints ----------------------------------------------------------------------------------

# Of SEGS, [5753, 5753, 12, 7, 7, 100, 3, 44]: 3, 7, 12, 44, 100, 5753 become 0..5.
SUPERPOINTS = [5, 5, 2, 1, 1, 4, 0, 3]


@pytest.mark.parametrize('label_set', ['scannet', 'scannet200'])
def test_superpoints_are_consecutive_over_segments(raw, out, label_set):
    report = prepare_scannet(raw, out, label_set=label_set, superpoints=True)
    assert mask(out, 'super_points') == SUPERPOINTS
    (scene,) = pickle.loads(report.infos[0].read_bytes())['data_list']
    assert scene['super_pts_path'] == 'scene0000_00.bin'


def test_choosing_superpoints_later_converts_anew_and_so_does_leaving_them_out(raw, out):
    infos = []
    for superpoints, state in [
        (False, 'converted'),
        (True, 'converted'),
        (True, 'kept'),
        (False, 'converted'),
    ]:
        report = prepare_scannet(raw, out, superpoints=superpoints)
        assert {outcome.state for outcome in report.outcomes} == {state}
        infos.append(report.infos[0].read_bytes())
    assert infos[0] == infos[3] != infos[1] == infos[2]
    assert 'super_pts_path' not in pickle.loads(infos[0])['data_list'][0]


def test_test_scenes_have_superpoints_if_someone_made_over_segments(tmp_path, out):
    raw = tmp_path / 'raw_test'
    raw.mkdir()
    typed.write_release(raw, train=(), test=('scene0707_00', 'scene0708_00'))
    name = 'scene0708_00/scene0708_00_vh_clean_2.0.010000.segs.json'
    (raw / 'scans_test' / name).write_text(typed.SEGS)
    report = prepare_scannet(raw, out, superpoints=True)
    first, second = pickle.loads(report.infos[0].read_bytes())['data_list']
    assert 'super_pts_path' not in first and second['super_pts_path'] == 'scene0708_00.bin'
    assert report.outcomes[0].remarks == ['no over-segments, so no superpoints']
    assert mask(out, 'super_points', 'scene0708_00') == SUPERPOINTS
    assert 'pts_instance_mask_path' not in second


def test_superpoints_reach_the_packed_scene(raw, out, monkeypatch):
    prepare(raw, out, superpoints=True)
    monkeypatch.setenv('INSSEG3D_DATA', str(out.parent))
    init_default_scope('mmdet3d')
    config = Config.fromfile(ROOT / 'configs/_base_/datasets/scannet200.py').to_dict()
    cfg = config['val_dataloader']['dataset']
    cfg['pipeline'].insert(1, {'type': 'LoadSuperpoints'})
    sample = DATASETS.build(cfg)[0]
    assert sample['data_samples'].voxels.point2superpoint.tolist() == SUPERPOINTS
    assert sample['inputs']['points'].shape == (8, 6)
