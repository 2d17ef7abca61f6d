# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import errno
import json

import numpy as np
import pytest
import trimesh
from plyfile import PlyData

from made_rooms import RoomOptions, make_room, synthesize_scannet
from made_rooms.writers import scannet as scannet_writer
from made_rooms.writers.scannet import write_scene, write_tables

TINY = RoomOptions(
    spacing=0.06, area=(6.0, 8.0), objects=(3, 5), clutter=(1, 3), vertices=(0, 10**6), frames=30
)
SCENE = 'scene0007_00'


@pytest.fixture(scope='module')
def room():
    return make_room(0, TINY)


@pytest.fixture(scope='module')
def folder(room, tmp_path_factory):
    folder = tmp_path_factory.mktemp('raw') / 'scans' / SCENE
    write_scene(room, folder)
    return folder


def test_folder_holds_the_files_of_a_scan_and_nothing_else(folder):
    assert {path.name.removeprefix(SCENE) for path in folder.iterdir()} == {
        '.txt',
        '.aggregation.json',
        '_vh_clean_2.ply',
        '_vh_clean_2.labels.ply',
        '_vh_clean_2.0.010000.segs.json',
    }
    assert [path.name for path in folder.parent.iterdir()] == [SCENE]


def test_mesh_header_is_scannets(folder, room):
    raw = (folder / f'{SCENE}_vh_clean_2.ply').read_bytes()
    assert raw.split(b'end_header\n')[0].decode().splitlines() == [
        'ply',
        'format binary_little_endian 1.0',
        'comment VCGLIB generated',
        f'element vertex {len(room.points)}',
        'property float x',
        'property float y',
        'property float z',
        'property uchar red',
        'property uchar green',
        'property uchar blue',
        'property uchar alpha',
        f'element face {len(room.faces)}',
        'property list uchar int vertex_indices',
    ]


def test_other_libraries_read_the_mesh(folder, room):
    path = folder / f'{SCENE}_vh_clean_2.ply'
    ply = PlyData.read(path)
    vertex = ply['vertex']
    np.testing.assert_array_equal(np.stack([vertex[k] for k in 'xyz'], 1), room.points)
    np.testing.assert_array_equal(
        np.stack([vertex[k] for k in ('red', 'green', 'blue')], 1), room.colors
    )
    assert set(vertex['alpha']) == {255}
    np.testing.assert_array_equal(np.stack(ply['face']['vertex_indices']), room.faces)
    mesh = trimesh.load(path, process=False)
    np.testing.assert_array_equal(mesh.faces, room.faces)


def test_labels_segments_and_objects_agree(folder, room, tmp_path):
    write_tables(tmp_path, {'train': [SCENE], 'val': [], 'test': []})
    rows = [
        line.split('\t')
        for line in (tmp_path / 'scannetv2-labels.combined.tsv').read_text().splitlines()
    ]
    raw, nyu = rows[0].index('raw_category'), rows[0].index('nyu40id')
    table = {row[raw]: int(row[nyu]) for row in rows[1:]}
    assert {len(row) for row in rows} == {17}
    segments = json.loads((folder / f'{SCENE}_vh_clean_2.0.010000.segs.json').read_text())
    groups = json.loads((folder / f'{SCENE}.aggregation.json').read_text())
    ids = np.array(segments['segIndices'])
    assert len(ids) == len(room.points)
    assert [g['objectId'] for g in groups['segGroups']] == list(range(len(room.groups)))
    expected = np.zeros(len(ids), int)
    for group in groups['segGroups']:
        expected[np.isin(ids, group['segments'])] = table[group['label']]
    vertex = PlyData.read(folder / f'{SCENE}_vh_clean_2.labels.ply')['vertex']
    np.testing.assert_array_equal(vertex['label'], expected)
    assert vertex['label'].dtype == np.uint16
    assert 0.0 < (expected == 0).mean() < 0.5


def test_text_file_turns_the_room_to_the_axes(folder, room):
    text = (folder / f'{SCENE}.txt').read_text()
    lines = dict(line.split(' = ', 1) for line in text.splitlines())
    matrix = np.array(lines['axisAlignment'].split(), float).reshape(4, 4)
    np.testing.assert_allclose(matrix, room.axis_alignment, atol=1e-6)
    aligned = room.points @ matrix[:3, :3].T + matrix[:3, 3]
    assert np.abs(aligned[:, :2].min(0) + aligned[:, :2].max(0)).max() < 1e-3
    assert lines['sceneType'] == room.scene_type


def test_nothing_says_that_the_room_is_made(folder):
    for path in folder.iterdir():
        start = path.read_bytes()[:4000].lower()
        assert not any(word in start for word in (b'synth', b'procedural', b'insseg', b'queryis'))


def test_test_scenes_carry_no_labels(room, tmp_path):
    write_scene(room, tmp_path / SCENE, annotated=False)
    assert sorted(p.name for p in (tmp_path / SCENE).iterdir()) == [
        f'{SCENE}.txt',
        f'{SCENE}_vh_clean_2.ply',
    ]
    assert 'axisAlignment' not in (tmp_path / SCENE / f'{SCENE}.txt').read_text()


def test_a_full_disk_leaves_no_half_written_scene(room, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(scannet_writer.json, 'dumps', full)
    with pytest.raises(OSError, match='No space'):
        write_scene(room, tmp_path / SCENE)
    assert list(tmp_path.iterdir()) == []


def contents(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob('*') if p.is_file()}


def test_same_seed_same_bytes_whatever_the_number_of_workers(tmp_path):
    splits = dict(train=2, val=1, test=1)
    for name, seed, workers in (('a', 0, 1), ('b', 0, 2), ('c', 1, 1)):
        names = synthesize_scannet(
            tmp_path / name, splits, seed=seed, options=TINY, workers=workers
        )
    assert names == dict(
        train=['scene0000_00', 'scene0001_00'], val=['scene0002_00'], test=['scene0003_00']
    )
    one, two, other = (contents(tmp_path / name) for name in 'abc')
    assert one == two
    mesh = 'scans/scene0000_00/scene0000_00_vh_clean_2.ply'
    assert one[mesh] != other[mesh]
    assert one[mesh] != one[mesh.replace('scene0000', 'scene0001')]  # rooms differ
    assert 'scans_test/scene0003_00/scene0003_00_vh_clean_2.ply' in one
    assert not any('scene0003' in name and 'segs' in name for name in one)
    assert one['scannetv2_train.txt'] == b'scene0000_00\nscene0001_00\n'


def test_scenes_are_not_replaced_unasked(tmp_path):
    synthesize_scannet(tmp_path, dict(train=1), seed=0, options=TINY)
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match='scene0000_00'):
        synthesize_scannet(tmp_path, dict(train=2), seed=1, options=TINY)
    assert contents(tmp_path) == before
    synthesize_scannet(tmp_path, dict(train=1), seed=1, options=TINY, overwrite=True)
    assert contents(tmp_path) != before
