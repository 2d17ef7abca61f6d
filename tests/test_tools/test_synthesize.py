# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import errno
import importlib.util
from pathlib import Path

import pytest

from insseg_lab.synthesis import parse_splits
from made_rooms.writers import scannet as scannet_writer

PATH = Path(__file__).parents[2] / 'tools' / 'synthesize.py'
TINY = ['--spacing', '0.08', '--area', '6', '8', '--objects', '2', '4', '--clutter', '0', '2']


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('synthesize_tool', PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_writes_the_lists_and_the_rooms(tool, tmp_path, capsys):
    out = tmp_path / 'raw'
    assert (
        tool.main(
            [
                '--layout',
                'scannet',
                '--out',
                str(out),
                '--scenes',
                '4',
                '--seed',
                '3',
                '--splits',
                'train=2,val=1,test=1',
                '--kinds',
                'bed,chair',
                '--workers',
                '2',
                *TINY,
            ]
        )
        == 0
    )
    captured = capsys.readouterr()
    assert '2 train, 1 val, 1 test' in captured.out
    assert '4/4' in captured.err  # the progress bar
    assert (out / 'scannetv2_val.txt').read_text() == 'scene0002_00\n'
    assert len(list((out / 'scans').iterdir())) == 3
    assert len(list((out / 'scans_test').iterdir())) == 1


def test_writes_s3dis_areas_of_either_release(tool, tmp_path, capsys):
    command = ['--layout', 's3dis', '--scenes', '7', '--workers', '2', '--faults', *TINY]
    assert tool.main([*command, '--out', str(tmp_path / 'a'), '--release', 'v1.2']) == 0
    assert '2 Area_1, 1 Area_2' in capsys.readouterr().out
    assert (tmp_path / 'a/Area_6/Area_6_alignmentAngle.txt').is_file()
    assert (tmp_path / 'a/Area_3/office_1/Annotations/wall_3 (1).txt').is_file()


def test_a_corridor_is_one_scene(tool, tmp_path, capsys):
    out = tmp_path / 'raw'
    assert (
        tool.main(
            [
                '--layout',
                'scannet',
                '--out',
                str(out),
                '--scenes',
                '1',
                '--splits',
                'val=1',
                '--corridor',
                '6',
                *TINY,
            ]
        )
        == 0
    )
    (text,) = out.glob('scans/*/scene0000_00.txt')
    assert 'sceneType = Hallway' in text.read_text() and '1 val' in capsys.readouterr().out


def test_a_fifth_is_held_out_by_default():
    assert parse_splits('', 10) == {'train': 8, 'val': 2}


@pytest.mark.parametrize(
    'arguments, word',
    [
        (['--scenes', '3', '--splits', 'train=2,val=2'], 'add up to 4'),
        (['--scenes', '3', '--splits', 'trian=3'], 'trian=3'),
        (['--scenes', '0'], '--scenes'),
        (['--scenes', '1', '--kinds', 'chair,sofaa'], 'sofaa'),
        (['--scenes', '1', '--spacing', '3'], 'spacing'),
        (['--scenes', '1', '--objects', '9', '2'], 'objects'),
        (['--scenes', '1', '--faults'], '--layout s3dis'),
        (['--scenes', '1', '--layout', 's3dis', '--splits', 'train=1'], '--layout scannet'),
        (['--scenes', '1', '--layout', 's3dis', '--mixed-segments'], '--layout scannet'),
        (['--scenes', '1', '--layout', 's3dis', '--corridor', '60'], '--layout scannet'),
        (['--scenes', '1', '--corridor', '1'], 'length: found 1.0'),
    ],
)
def test_mistakes_are_explained(tool, tmp_path, capsys, arguments, word):
    assert tool.main(['--layout', 'scannet', '--out', str(tmp_path / 'raw'), *arguments]) == 1
    assert word in capsys.readouterr().err
    assert not (tmp_path / 'raw').exists()


@pytest.mark.parametrize('workers', ['1', '2'])
def test_a_full_disk_ends_cleanly(tool, tmp_path, capsys, monkeypatch, workers):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(scannet_writer, '_write_mesh', full)
    assert (
        tool.main(
            [
                '--layout',
                'scannet',
                '--out',
                str(tmp_path),
                '--scenes',
                '2',
                '--workers',
                workers,
                *TINY,
            ]
        )
        == 1
    )
    message = capsys.readouterr().err
    assert 'No space left on device' in message and 'Traceback' not in message
    assert not any(path.is_file() for path in tmp_path.rglob('*'))
    assert [path.name for path in tmp_path.rglob('scene*')] == []


def test_existing_rooms_are_replaced_only_on_request(tool, tmp_path, capsys):
    command = ['--layout', 'scannet', '--out', str(tmp_path), '--scenes', '1', *TINY]
    assert tool.main(command) == 0
    assert tool.main(command) == 1
    assert 'exists already' in capsys.readouterr().err
    assert tool.main([*command, '--overwrite']) == 0
