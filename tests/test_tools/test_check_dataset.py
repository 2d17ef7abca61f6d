# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The check of a config's data: report, files, exit status."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def own_data(tiny_data, tmp_path):
    """A copy of the data that may be spoilt."""
    shutil.copytree(tiny_data / 'scannet', tmp_path / 'data' / 'scannet')
    return tmp_path / 'data' / 'scannet'


def test_good_data_pass(here, tiny_config, tmp_path):
    result = here('check_dataset', tiny_config, '--out', 'check')
    assert 'ERROR' not in result.stdout and 'train' in result.stdout and 'chair' in result.stdout
    rows = [
        [cell.strip() for cell in line.split('|')[1:-1]]
        for line in result.stdout.splitlines()
        if line.startswith('|')
    ]
    assert ['scenes', '4', '1'] in rows
    assert (tmp_path / 'check' / 'distributions.png').stat().st_size > 10_000
    statistics = json.loads((tmp_path / 'check' / 'class_statistics.json').read_text())
    assert statistics['split'] == 'train' and len(statistics['classes']) == 18
    objects = sum(row['num_objects'] for row in statistics['classes'].values())
    assert ['objects', str(objects)] == [row for row in rows if row[0] == 'objects'][0][:2]


def test_spoilt_data_fail_with_the_remedy(here, tiny_config, own_data):
    for path in (own_data / 'points').glob('*.bin'):
        points = np.fromfile(path, np.float32).reshape(-1, 6)
        points[:, :3] *= 1000
        points.tofile(path)
    first = sorted((own_data / 'points').glob('*.bin'))[0]
    first.write_bytes(first.read_bytes()[:-4])
    data = [f'{split}_dataloader.dataset.data_root={own_data}' for split in ('train', 'val')]
    result = here('check_dataset', tiny_config, '--splits', 'train', 'val', '--cfg-options', *data)
    text = ' '.join(result.stdout.split())
    assert result.returncode == 1
    assert 'millimetres' in text and 'Multiply the coordinates by 0.001' in text
    assert first.name in text and 'cut off' in text


def spoil(own_data, scene, change):
    path = own_data / 'points' / f'{scene}.bin'
    points = np.fromfile(path, np.float32).reshape(-1, 6)
    change(points)
    points.tofile(path)
    return path.name


def scenes_of(own_data, split):
    infos = pickle.loads((own_data / f'scannet_infos_{split}.pkl').read_bytes())['data_list']
    return [Path(info['lidar_points']['lidar_path']).stem for info in infos]


def test_odd_scenes_are_named_in_every_split_though_the_first_cannot_be_built(
    here, tiny_config, own_data
):
    white, lost, lying, above = scenes_of(own_data, 'train')

    def paint(points):
        points[:, 3:] = 255

    def lose(points):
        points[:, 0] = np.round(points[:, 0] / 0.6) * 0.6

    def lay(points):
        points[:, 1:3] *= -1

    def brighten(points):
        points[:, 3:] /= 255
        points[9, 4] = 1.0001

    names = [
        spoil(own_data, *pair)
        for pair in ((white, paint), (lost, lose), (lying, lay), (above, brighten))
    ]
    data = [f'{split}_dataloader.dataset.data_root={own_data}' for split in ('train', 'val')]
    result = here('check_dataset', tiny_config, '--splits', 'train', '--cfg-options', *data)
    text = ' '.join(result.stdout.split())
    assert result.returncode == 1
    for name, words in zip(
        names,
        (
            'have a single colour, which is as good as none:',
            'planes 0.6 apart along x, voxels',
            '-z seems to point upwards, by floor and furniture, in 1 of 4 scenes:',
            'to 1.0001, expected 0..255:',
        ),
    ):
        start = text.index(words)
        assert name in text[start : start + 200], words

    (own_data / 'scannet_infos_train.pkl').unlink()
    spoil(own_data, scenes_of(own_data, 'val')[0], lose)
    result = here('check_dataset', tiny_config, '--out', 'check', '--cfg-options', *data)
    text = ' '.join(result.stdout.split())
    assert result.returncode == 1 and 'ERROR train: the dataset cannot be built' in text
    assert 'val: points lie in planes 0.6 apart along x' in text


def test_joined_data_sets_pass(here, tiny_config, tmp_path):
    joined = tmp_path / 'joined.py'
    joined.write_text(
        f'_base_ = {str(tiny_config)!r}\n'
        'one = {{_base_.train_dataloader.dataset}}\n'
        'train_dataloader = dict(dataset=dict(\n'
        "    _delete_=True, type='ConcatDataset', datasets=[one, one]))\n"
    )
    result = here('check_dataset', joined, '--splits', 'train')
    rows = [
        [cell.strip() for cell in line.split('|')[1:-1]]
        for line in result.stdout.splitlines()
        if line.startswith('|')
    ]
    assert ['scenes', '8'] in rows, result.stderr


def test_missing_data_are_named(here, tiny_config, tmp_path):
    result = here(
        'check_dataset',
        tiny_config,
        '--cfg-options',
        f'train_dataloader.dataset.data_root={tmp_path}/none',
    )
    assert result.returncode == 1 and 'scannet_infos_train.pkl: not found' in result.stderr
    assert 'tools/prepare_' in result.stderr


def test_a_class_table_of_other_data_is_an_error_beside_the_findings(here, tiny_config, tmp_path):
    """A leaf of SoftGroup with a table for five classes, as it comes from somewhere else."""
    leaf = tmp_path / 'softgroup.py'
    leaf.write_text(
        f"_base_ = '{ROOT}/configs/softgroup/softgroup-s_demo.py'\n"
        'model = dict(decode_head=dict(grouping=dict(class_points=[100, 200, 300, 400, 500])))\n'
    )
    result = here('check_dataset', leaf, '--splits', 'train', '--out', 'check')
    text = ' '.join(result.stdout.split())
    assert result.returncode == 1 and '| scenes' in result.stdout
    assert 'ERROR model: it cannot be built' in text and 'class_points has 5 entries' in text
    tables = json.loads((tmp_path / 'check' / 'class_statistics.json').read_text())['tables']
    fitting = here(
        'check_dataset',
        leaf,
        '--splits',
        'train',
        '--out',
        'check',
        '--cfg-options',
        'model.decode_head.grouping.class_points=' + str(tables['class_points']).replace(' ', ''),
    )
    assert 'cannot be built' not in fitting.stdout
