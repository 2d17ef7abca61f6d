# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Scans in a folder are found by name, even if they cannot be reached."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from insseg_preparation.s3dis.release import prepare_s3dis
from insseg_preparation.scannet.release import prepare_scannet
from insseg_scans.errors import RawDataError, visible
from insseg_scans.folders import (
    LONGEST_NAME,
    arrays_in,
    file_name,
    files_of,
    is_there,
    marked_name,
    scans_in,
    why_out_of_reach,
)
from insseg_scans.points.tables import ENDINGS

from ..test_insseg_preparation import raw_s3dis, raw_scannet

ODD = os.fsdecode(b'k\xfcche')


def names_in(folder):
    scans, others = scans_in(folder, ENDINGS)
    return [path.name for path in scans], [path.name for path in others]


def write_arrays(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        np.save(folder / f'{name}.npy', np.zeros((4, 3)))
    return folder


def test_dead_links_are_scans_by_their_names(tmp_path):
    (tmp_path / 'a.ply').touch()
    (tmp_path / 'b.ply').symlink_to(tmp_path / 'disk' / 'b.ply')
    (tmp_path / 'folder of arrays').symlink_to(tmp_path / 'disk' / 'folder')
    (tmp_path / 'notes.md').symlink_to(tmp_path / 'disk' / 'notes.md')
    (tmp_path / 'loop.ply').symlink_to(tmp_path / 'loop.ply')
    assert names_in(tmp_path) == (['a.ply', 'b.ply', 'folder of arrays', 'loop.ply'], ['notes.md'])


def test_companions_of_a_mac_and_hidden_files_are_passed_over(tmp_path):
    for name in ('kitchen.ply', '._kitchen.ply', '.DS_Store', '.hidden.npy'):
        (tmp_path / name).touch()
    assert names_in(tmp_path) == (['kitchen.ply'], [])


@pytest.mark.parametrize(
    'names, is_scan',
    [
        (['coord'], True),
        (['coord', 'color', 'segment20', 'instance', 'normal'], True),
        (['xyz', 'rgb'], True),
        (['xyz'], False),
        (['color', 'normal'], False),
        (['coord', 'xyz', 'color'], False),
        (['room1', 'room2'], False),
    ],
)
def test_a_folder_with_a_file_an_array(tmp_path, names, is_scan):
    folder = write_arrays(tmp_path / 'scan', *names)
    assert bool(arrays_in(folder)) == is_scan
    assert names_in(tmp_path)[0] == (['scan'] if is_scan else [])
    inside = names_in(folder)[0]
    assert inside == (
        ['scan']
        if is_scan
        else [f'{name}.npy' for name in names if name not in ('color', 'normal')]
    )


def test_files_of_a_scan(tmp_path):
    folder = write_arrays(tmp_path / 'scan', 'coord', 'color', 'instance', 'anything')
    assert [path.name for path in files_of(folder)] == ['coord.npy', 'color.npy', 'instance.npy']
    assert [path.name for path in files_of(folder, labels=False)] == ['coord.npy', 'color.npy']
    (tmp_path / 'a.ply').touch()
    assert files_of(tmp_path / 'a.ply') == [tmp_path / 'a.ply']
    (folder / 'color.npy').unlink()
    (folder / 'color.npy').symlink_to(tmp_path / 'disk' / 'color.npy')
    with pytest.raises(RawDataError, match='color.npy: link to .*color.npy, which is not there'):
        files_of(folder)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(RawDataError, match='empty: a folder that is no scan'):
        files_of(tmp_path / 'empty')


def test_why_a_name_leads_to_nothing(tmp_path):
    (tmp_path / 'a.ply').touch()
    assert why_out_of_reach(tmp_path / 'a.ply') is None
    assert why_out_of_reach(tmp_path / 'b.ply') == 'No such file or directory'
    assert why_out_of_reach(tmp_path / 'b.ply', absent='no such folder') == 'no such folder'
    (tmp_path / 'link').symlink_to('disk')
    assert why_out_of_reach(tmp_path / 'link') == 'link to disk, which is not there'
    told = why_out_of_reach(tmp_path / 'link' / 'c.ply')
    assert told == f'{tmp_path}/link is a link to disk, which is not there'
    assert not is_there(tmp_path / ('x' * 5000), stat.S_ISREG)
    assert not is_there(Path('a\0b'), stat.S_ISREG)


@pytest.mark.parametrize(
    'name', ['plain', 'Küche 北京 🪑', ODD, 'x' * 250, '室' * 100, ODD * 40, '\ud83d', '.' * 240]
)
def test_names_that_can_be_written(tmp_path, name):
    made = file_name(name, f'/somewhere/{name}')
    assert len(made.encode()) <= LONGEST_NAME and '/' not in made
    (tmp_path / made).mkdir()
    visible(name).encode()
    if len(name.encode(errors='replace')) < LONGEST_NAME and name != ODD and name != '\ud83d':
        assert made == name == visible(name)


def test_long_names_stay_apart():
    names = [f'/{"室" * 100}/{k}/mesh' for k in range(50)]
    made = {file_name(name.replace('/', ' '), name) for name in names}
    assert len(made) == 50
    assert marked_name('a', 'b') != marked_name('a', 'c')


def link_to_nothing(path):
    """Replace a file or folder by a dead link."""
    path.rename(path.with_name(f'{path.name} moved'))
    path.symlink_to(path.parent / 'disk' / path.name)


@pytest.mark.parametrize(
    'name',
    [
        'scans/scene0000_00',
        'scans/scene0000_00/scene0000_00_vh_clean_2.ply',
        'scans/scene0000_00/scene0000_00_vh_clean_2.labels.ply',
        'scans/scene0000_00/scene0000_00.aggregation.json',
    ],
)
def test_dead_links_in_raw_scannet_fail_their_scene(tmp_path, name):
    (tmp_path / 'raw').mkdir()
    raw = raw_scannet.write_release(tmp_path / 'raw', train=('scene0000_00', 'scene0001_00'))
    link_to_nothing(raw / name)
    report = prepare_scannet(raw, tmp_path / 'out')
    by_scene = {outcome.scene: outcome for outcome in report.outcomes}
    assert by_scene['scene0001_00'].state == 'converted'
    assert 'which is not there' in by_scene['scene0000_00'].remarks[0]


@pytest.mark.parametrize(
    'name, failed',
    [
        ('Area_5', 'Area_5'),
        ('Area_1/office_1', 'Area_1_office_1'),
        ('Area_1/office_1/Annotations', 'Area_1_office_1'),
    ],
)
def test_dead_links_in_raw_s3dis_fail_their_room(tmp_path, name, failed):
    (tmp_path / 'raw').mkdir()
    raw = raw_s3dis.write_release(tmp_path / 'raw')
    link_to_nothing(raw / name)
    report = prepare_s3dis(raw, tmp_path / 'out', kind='aligned')
    states = {outcome.scene: outcome for outcome in report.outcomes}
    assert states.pop(failed).state == 'failed'
    assert {outcome.state for outcome in states.values()} == {'converted'}
