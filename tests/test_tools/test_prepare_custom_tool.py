# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import os
import shlex
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from insseg3d.apis import class_names
from insseg_preparation.custom.leaf import write_leaf
from insseg_scans.columns import NAMES, POSITIONS
from insseg_scans.points.tables import ENDINGS

ROOT = Path(__file__).resolve().parents[2]


def boxes(num_objects, seed):
    """Points on a few boxes and a floor: x y z r g b, label 1 or 2, floor 7, object or −1."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(num_objects):
        xyz = rng.uniform(0, 0.6, (150, 3)) + [k % 4, k // 4, 0]
        rows.append(np.c_[xyz, rng.integers(0, 256, (150, 3)), np.tile([1 + k % 2, k], (150, 1))])
    floor = np.c_[rng.uniform(0, 4, (300, 2)), np.zeros(300)]
    rows.append(np.c_[floor, rng.integers(0, 256, (300, 3)), np.tile([7, -1], (300, 1))])
    return np.concatenate(rows)


@pytest.fixture
def run(tmp_path, run_here):
    """Run the tool on four scans in text; returns exit status, what it prints, errors."""
    raw = tmp_path / 'raw'
    raw.mkdir()
    for k in range(4):
        np.savetxt(raw / f'scan{k}.txt', boxes(6, k), fmt='%.4f')

    def run(*more, classes='1 chair,2 office table'):
        return run_here(
            'prepare_custom.py',
            '--raw',
            raw,
            '--out',
            tmp_path / 'data',
            '--workers',
            '1',
            '--classes',
            classes,
            '--leaf',
            tmp_path / 'mine.py',
            *more,
        )

    run.raw, run.leaf = raw, tmp_path / 'mine.py'
    return run


def test_converts_and_says_what_there_is(run):
    status, out, errors = run()
    assert status == 0 and not errors
    assert '4 converted, 0 kept, 0 failed' in out
    rows = {line[:13].strip(): line[13:].split() for line in out.splitlines()}
    assert rows['scans'] == ['3', '1'] and rows['chair'] == ['9', '3'] == rows['office table']
    status, out, _ = run()
    assert status == 0 and 'Nothing to do' in out


def test_the_printed_command_can_be_pasted(run, tmp_path):
    leaf = tmp_path / "my scans, Anna's" / 'leaf.py'
    status, out, _ = run('--leaf', leaf)
    (told,) = [line for line in out.splitlines() if 'trains on it: ' in line]
    assert shlex.split(told.split('trains on it: ')[1]) == ['python', 'tools/train.py', str(leaf)]


def test_names_that_are_no_text_are_printed(run):
    try:
        (run.raw / os.fsdecode(b'k\xfcche.txt')).write_text('1 2 3 4\n')
        (run.raw / os.fsdecode(b'k\xfcche.md')).touch()
    except OSError:
        pytest.skip('this file system takes no such name')
    status, out, errors = run()
    assert status == 1 and '4 converted, 0 kept, 1 failed' in out
    assert 'FAILED k%FCche' in errors and 'k\\xfcche.txt: 4 columns' in errors
    assert 'xfcche.md' in out


def test_failures_are_listed_at_the_end_and_no_leaf_is_written(run):
    (run.raw / 'scan1.txt').write_text('1 2 3 4\n')
    status, out, errors = run()
    assert status == 1 and '3 converted, 0 kept, 1 failed' in out
    assert 'FAILED scan1' in errors and '4 columns without names' in errors
    assert not run.leaf.exists()


@pytest.mark.parametrize(
    'classes, message',
    [
        ('chair,chair', 'twice'),
        ('classes.txt', 'no such file'),
        ('1 chair,2 void', 'Leave it out'),
    ],
)
def test_bad_class_list_is_one_line(run, classes, message):
    status, _, errors = run(classes=classes)
    assert status == 1 and message in errors and 'Traceback' not in errors


def test_class_without_objects_and_wrong_ids_are_told(run):
    status, out, _ = run(classes='1 chair,9 lamp')
    assert status == 0 and 'No lamp in train' in out and 'No lamp in val' in out
    status, _, errors = run('--out', str(run.raw.parent / 'other'), classes='8 chair,9 lamp')
    assert status == 1 and 'no object of any class in all scans of train' in errors


def test_files_that_are_no_scans_are_named(run):
    (run.raw / 'room.las').write_text('')
    assert "passed over 1 files that are no scans: ['room.las']" in run()[1]


def test_options_reach_the_converter(run):
    status, out, _ = run(
        '--units',
        'ft',
        '--up=-y',
        '--columns',
        'x,y,z,-,-,-,semantic,instance',
        '--val-share',
        '0.5',
    )
    assert status == 0 and 'scan0: no colours; stored as grey' in out
    points = np.fromfile(run.leaf.parent / 'data/points/scan0.bin', np.float32).reshape(-1, 6)
    given = np.loadtxt(run.raw / 'scan0.txt')
    np.testing.assert_allclose(points[:, 2], -0.3048 * given[:, 1], rtol=1e-6)
    assert (points[:, 3:] == 127.5).all()


def load(leaf, no_object=0.1):
    config = Config.fromfile(leaf)
    assert len(leaf.read_text().splitlines()) <= 25
    head = config.model.decode_head
    assert head.num_classes == len(config.train_dataloader.dataset.classes) == 2
    assert head.loss_cls.class_weight == [1.0, 1.0, no_object]
    assert config.param_scheduler[-1].end == config.train_cfg.max_iters
    assert config.val_dataloader == config.test_dataloader
    return config


def drops(config, name):
    types = [t.type for t in config[name].dataset.pipeline]
    return [
        (types[k - 1], types[k + 1], config[name].dataset.pipeline[k].prob)
        for k, kind in enumerate(types)
        if kind == 'DropColor'
    ]


def test_leaf_of_coloured_scans(run):
    run()
    config = load(run.leaf)
    assert not drops(config, 'train_dataloader') and not drops(config, 'val_dataloader')
    assert config.model.decode_head.decoder.queries.num_queries == 100
    assert config.val_dataloader.dataset.ann_file == 'custom_infos_val.pkl'


def test_leaf_of_scans_without_colours_takes_them_away(run):
    run('--columns', 'x,y,z,-,-,-,semantic,instance')
    config = load(run.leaf)
    assert drops(config, 'train_dataloader') == [('RandomColorShift', 'Pack3DDetInputs', 1.0)]
    assert drops(config, 'test_dataloader') == [('CenterCoordinates', 'Pack3DDetInputs', 1.0)]


def test_leaf_of_some_scans_without_colours(run):
    np.savetxt(run.raw / 'scan9.txt', boxes(6, 9)[:, [0, 1, 2, 6, 7]])
    run('--val-share', '0')
    config = load(run.leaf)
    assert drops(config, 'train_dataloader') == [('RandomColorShift', 'Pack3DDetInputs', 0.5)]
    assert not drops(config, 'val_dataloader')
    # Nothing is held out, so the training scans are scored.
    assert config.val_dataloader.dataset.ann_file == 'custom_infos_train.pkl'


def voxel_sizes(config):
    return [
        config[f'{split}_dataloader'].dataset.pipeline[-1].voxel_size
        for split in ('train', 'val', 'test')
    ]


@pytest.mark.parametrize('more', [[], ['--columns', 'x,y,z,-,-,-,semantic,instance']])
def test_leaf_with_other_voxels(run, more):
    run(*more)
    plain = load(run.leaf)
    run.leaf.unlink()
    run(*more, '--voxel-size', '0.05')
    config = load(run.leaf)
    assert voxel_sizes(plain) == 3 * [0.02] and voxel_sizes(config) == 3 * [0.05]
    for split in ('train', 'val'):
        pipelines = [c[f'{split}_dataloader'].dataset.pipeline[:-1] for c in (plain, config)]
        assert pipelines[0] == pipelines[1]


def test_leaf_of_another_model_has_its_classes_everywhere(run):
    run('--model', 'queryis-plus-s')
    config = load(run.leaf, no_object=0.5)
    assert '# 3D-QueryIS+-S on own scans' in run.leaf.read_text()
    pointwise = config.model.decode_head.features.pointwise
    assert (pointwise.num_classes, pointwise.num_stuff) == (2, 0)
    parent = Config.fromfile(ROOT / 'configs/queryis/queryis-plus-s_1xb10-150k_scannet.py')
    assert config.optim_wrapper == parent.optim_wrapper
    pointwise.update(num_classes=18, num_stuff=2)
    ours, theirs = config.model.decode_head, parent.model.decode_head
    assert ours.features == theirs.features and ours.decoder == theirs.decoder
    assert ours.loss_cls.class_weight[-1] == theirs.loss_cls.class_weight[-1]


def test_leaf_that_was_edited_is_left_as_it_is(run):
    run()
    assert 'trains on it' in run()[1]
    run.leaf.write_text(run.leaf.read_text() + 'randomness = dict(seed=1)\n')
    status, out, _ = run()
    assert status == 0 and 'left as it is' in out and 'seed=1' in run.leaf.read_text()


def test_leaf_of_scans_with_many_objects_has_more_queries(run):
    np.savetxt(run.raw / 'scan0.txt', boxes(110, 0))
    status, out, _ = run()
    assert status == 0 and 'A scan has 110 objects: a config needs more than 100 queries' in out
    assert load(run.leaf).model.decode_head.decoder.queries.num_queries == 200


def test_no_leaf_without_scans_to_train_on(run):
    (run.raw / 'test').mkdir()
    for path in run.raw.glob('*.txt'):
        path.rename(run.raw / 'test' / path.name)
    status, out, errors = run()
    assert status == 1 and '4 converted' in out and 'Traceback' not in errors
    assert 'found scans of test only; expected some of train' in errors and not run.leaf.exists()


def test_leaf_within_the_repository_names_its_bases_relatively(tmp_path, run, monkeypatch):
    run()
    (tmp_path / 'repository').mkdir()
    (tmp_path / 'repository' / 'configs').symlink_to(ROOT / 'configs')
    configs = tmp_path / 'repository' / 'configs'
    monkeypatch.setattr('insseg_preparation.custom.leaf.CONFIGS', configs)
    leaf = tmp_path / 'repository' / 'mine' / 'leaf.py'
    assert write_leaf(leaf, tmp_path / 'data')
    assert "'../configs/_base_/models/queryis-s.py'" in leaf.read_text()
    load(leaf)


def test_leaf_trains_and_scores_through_the_stock_runner(
    run, run_tool, tiny_config, tmp_path, read_losses
):
    run()
    tiny = tmp_path / 'tiny.py'
    _, overrides = tiny_config.read_text().lstrip().split('\n', 1)
    tiny.write_text(
        f'_base_ = {str(run.leaf)!r}\n{overrides}\ntrain_cfg = dict(max_iters=2, val_interval=2)'
    )
    result = run_tool('train.py', tiny, '--work-dir', tmp_path / 'work')
    losses = read_losses(tmp_path / 'work')
    assert set(losses) == {1, 2} and all(np.isfinite(row['loss']) for row in losses.values())
    table = [
        line.split('|')
        for line in (result.stdout + result.stderr).splitlines()
        if line.startswith('| office table')
    ]
    assert table and int(table[-1][5]) == 3  # objects of the class in val


def test_classes_of_a_model_are_those_of_its_config(run):
    run()
    config = Config.fromfile(run.leaf)
    assert class_names(config) == ('chair', 'office table')
    config.test_dataloader.dataset.metainfo = dict(classes=('office table',))
    assert class_names(config) == ('office table',)
    scannet = Config.fromfile(ROOT / 'configs/queryis/queryis-s_1xb10-150k_scannet.py')
    assert class_names(scannet)[:2] == ('cabinet', 'bed')


def test_page_names_all_that_is_read():
    page = (ROOT / 'docs/own-data.md').read_text()
    for column in ('semantic', 'instance'):
        assert all(f'`{name}`' in page for name in NAMES[column])
    assert all(f'`{ending}`' in page for ending in ENDINGS)
    assert all(
        f'| {width} | {" ".join(names)} |'
        in page.replace(' r g b', ' red green blue').replace('class object', 'semantic instance')
        for width, names in POSITIONS.items()
    )
