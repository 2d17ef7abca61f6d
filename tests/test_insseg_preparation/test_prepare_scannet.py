# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import errno
import json
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from insseg_preparation import storage
from insseg_preparation.scannet.release import prepare_scannet
from insseg_preparation.seg_info import seg_info

from . import raw_scannet as typed


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / 'raw'
    folder.mkdir()
    return typed.write_release(folder)


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'out'


def read(out, kind, scene='scene0000_00'):
    dtype = np.float32 if kind == 'points' else np.int64
    return np.fromfile(out / kind / f'{scene}.bin', dtype)


def info_of(out, split='train'):
    return pickle.loads((out / f'scannet_infos_{split}.pkl').read_bytes())


def failure(raw, out):
    """Return the message of the only scene, which must fail without writing an info file."""
    report = prepare_scannet(raw, out)
    (outcome,) = report.outcomes
    assert outcome.state == 'failed' and report.incomplete == ['train']
    assert not (out / 'scannet_infos_train.pkl').exists()
    assert not list(out.rglob('*.bin'))
    return outcome.remarks[0]


def test_points_and_labels_are_those_typed_by_hand(raw, out):
    prepare_scannet(raw, out)
    expected = np.array([vertex[:6] for vertex in typed.VERTICES], np.float32)
    np.testing.assert_array_equal(read(out, 'points').reshape(-1, 6), expected)
    assert read(out, 'semantic_mask').tolist() == typed.SEMANTIC
    assert read(out, 'instance_mask').tolist() == typed.INSTANCE


def test_info_file_has_the_keys_types_and_boxes_of_version_2(raw, out):
    prepare_scannet(raw, out)
    info = info_of(out)
    assert info['metainfo']['dataset'] == 'scannet' and info['metainfo']['info_version'] == '1.1'
    assert info['metainfo']['categories']['showercurtrain'] == 13  # mmdetection3d's spelling
    (scene,) = info['data_list']
    assert scene == {
        'lidar_points': {'num_pts_feats': 6, 'lidar_path': 'scene0000_00.bin'},
        'pts_semantic_mask_path': 'scene0000_00.bin',
        'pts_instance_mask_path': 'scene0000_00.bin',
        'axis_align_matrix': [[0, -1, 0, 10], [1, 0, 0, 20], [0, 0, 1, 30], [0, 0, 0, 1]],
        # (x, y, z) becomes (10 - y, 20 + x, 30 + z); chair, sofa, chair; the wall has no box.
        'instances': [
            {'bbox_3d': [9.5, 21.0, 30.5, 0.5, 1.0, 1.0], 'bbox_label_3d': 2},
            {'bbox_3d': [8.0, 22.5, 30.625, 4.0, 1.0, 0.25], 'bbox_label_3d': 3},
            {'bbox_3d': [5.0, 24.0, 36.0, 0.0, 0.0, 0.0], 'bbox_label_3d': 2},
        ],
    }
    assert type(scene['instances'][0]['bbox_3d'][0]) is float
    assert type(scene['instances'][0]['bbox_label_3d']) is int


def test_test_split_has_points_and_no_labels(tmp_path, out):
    raw = tmp_path / 'raw'
    raw.mkdir()
    typed.write_release(raw, train=(), test=('scene0707_00',))
    (raw / 'scannetv2-labels.combined.tsv').unlink()  # not needed without labels
    report = prepare_scannet(raw, out)
    assert [path.name for path in report.infos] == ['scannet_infos_test.pkl']
    assert info_of(out, 'test')['data_list'] == [
        {'lidar_points': {'num_pts_feats': 6, 'lidar_path': 'scene0707_00.bin'}, 'instances': []}
    ]
    assert sorted(path.name for path in out.iterdir()) == [
        '.prepared',
        'points',
        'scannet_infos_test.pkl',
    ]


def test_shared_segment_gets_label_and_instance_of_the_later_object(raw, out):
    shared = typed.AGGREGATION.replace('"segments": [44]', '"segments": [44, 12]')
    typed.write_scene(raw, **{'.aggregation.json': shared})
    report = prepare_scannet(raw, out)
    assert read(out, 'semantic_mask').tolist() == [5, 5, 5, 6, 6, 1, 0, 5]
    assert read(out, 'instance_mask').tolist() == [1, 1, 4, 3, 3, 2, 0, 4]
    assert '1 over-segments belong to two objects' in report.outcomes[0].remarks[0]


def test_object_without_points_left_has_no_box(raw, out):
    groups = typed.AGGREGATION.replace('"segments": [44]', '"segments": [44, 5753]')
    typed.write_scene(raw, **{'.aggregation.json': groups})
    prepare_scannet(raw, out)
    assert read(out, 'instance_mask').tolist() == [4, 4, 3, 3, 3, 2, 0, 4]
    labels = [box['bbox_label_3d'] for box in info_of(out)['data_list'][0]['instances']]
    assert labels == [3, 2]


@pytest.mark.parametrize('scene, ids', [('scene0217_00', [1, 2, 0]), ('scene0218_00', [3, 4, 0])])
def test_second_listing_of_scene0217_00_is_dropped_and_only_there(tmp_path, out, scene, ids):
    raw = tmp_path / 'raw'
    raw.mkdir()
    typed.write_release(raw, train=(scene,))
    groups = [
        {'objectId': n, 'label': label, 'segments': segments}
        for n, (label, segments) in enumerate(2 * [('couch', [5753]), ('wall', [7, 12])])
    ]
    typed.write_scene(raw, scene, **{'.aggregation.json': json.dumps({'segGroups': groups})})
    prepare_scannet(raw, out)
    instance = read(out, 'instance_mask', scene)
    assert [instance[0], instance[2], instance[7]] == ids


def test_a_mended_scene0217_00_keeps_all_objects(tmp_path, out):
    raw = tmp_path / 'raw'
    raw.mkdir()
    typed.write_release(raw, train=('scene0217_00',))
    prepare_scannet(raw, out)
    assert read(out, 'instance_mask', 'scene0217_00').tolist() == typed.INSTANCE


def test_scene_without_objects_converts(raw, out):
    typed.write_scene(raw, **{'.aggregation.json': '{"segGroups": []}'})
    prepare_scannet(raw, out)
    assert not read(out, 'instance_mask').any() and not read(out, 'semantic_mask').any()
    assert info_of(out)['data_list'][0]['instances'] == []


def test_seg_info_repeats_scenes_by_size_and_weighs_rare_classes(raw, out):
    counts = np.zeros((2, 20), np.int64)
    counts[0, 0], counts[1, 4] = 8192, 8192
    sizes = np.array([8192, 3 * 8192])  # two thirds of the second scene have no class
    indices, weights = seg_info(sizes, counts, points_per_sample=8192)
    assert indices.tolist() == [0, 1, 1, 1] and indices.dtype == np.int32
    assert weights.shape == (20,) and weights.dtype == np.float32
    np.testing.assert_allclose(weights[[0, 4]], 1 / np.log(1.7), rtol=1e-6)
    np.testing.assert_allclose(weights[1], 1 / np.log(1.2), rtol=1e-6)
    prepare_scannet(raw, out)
    assert sorted(path.name for path in (out / 'seg_info').iterdir()) == [
        'train_label_weight.npy',
        'train_resampled_scene_idxs.npy',
    ]


# --- unusual files that can be read ---------------------------------------------------------------


def test_ascii_ply_with_windows_line_ends(raw, out):
    header = typed.MESH_HEADER.format(vertices=8).replace('binary_little_endian', 'ascii')
    rows = [' '.join(map(str, vertex)) for vertex in typed.VERTICES]
    text = header + '\n'.join([*rows, '3 0 1 2', '3 2 1 3', ''])
    typed.write_scene(raw, **{'_vh_clean_2.ply': text.replace('\n', '\r\n')})
    prepare_scannet(raw, out)
    expected = np.array([vertex[:6] for vertex in typed.VERTICES], np.float32)
    np.testing.assert_array_equal(read(out, 'points').reshape(-1, 6), expected)


def test_windows_line_ends_in_all_texts(tmp_path, out):
    raw = tmp_path / 'raw'
    raw.mkdir()
    typed.write_release(raw, train=('scene0000_00', 'scene0001_00'))
    typed.write_scene(
        raw,
        **{
            '.txt': typed.METADATA.replace('\n', '\r\n'),
            '.aggregation.json': typed.AGGREGATION.replace(', ', ',\r\n'),
            '_vh_clean_2.0.010000.segs.json': typed.SEGS + '\r\n',
        },
    )
    for path in raw.glob('scannetv2*'):
        text = path.read_bytes().replace(b'\n', b'\r\n')
        path.write_bytes(b'\xef\xbb\xbf' + text)  # with a byte order mark
    prepare_scannet(raw, out)
    first, second = info_of(out)['data_list']
    assert first['axis_align_matrix'] == second['axis_align_matrix'] != np.eye(4).tolist()
    assert read(out, 'semantic_mask').tolist() == typed.SEMANTIC
    assert read(out, 'instance_mask').tolist() == typed.INSTANCE


def test_big_endian_ply_with_normals_and_fractional_colours(raw, out):
    header = typed.MESH_HEADER.format(vertices=8).replace('little', 'big')
    header = header.replace('property float z\n', 'property float z\nproperty double nx\n')
    header = header.replace('property uchar alpha\n', '')
    for color in ('red', 'green', 'blue'):
        header = header.replace(f'property uchar {color}', f'property float {color}')
    rows = [
        struct.pack('>fffdfff', *v[:3], 0.1, *(channel / 255 for channel in v[3:6]))
        for v in typed.VERTICES
    ]
    faces = struct.pack('>BiiiBiii', 3, 0, 1, 2, 3, 2, 1, 3)
    typed.write_scene(raw, **{'_vh_clean_2.ply': header.encode() + b''.join(rows) + faces})
    report = prepare_scannet(raw, out)
    expected = np.array([vertex[:6] for vertex in typed.VERTICES], np.float32)
    np.testing.assert_array_equal(read(out, 'points').reshape(-1, 6), expected)
    assert 'fractions' in report.outcomes[0].remarks[0]


def test_a_colour_above_1_among_fractions_and_a_single_colour_are_remarked(raw, out):
    header = typed.MESH_HEADER.format(vertices=len(typed.VERTICES))
    for color in ('red', 'green', 'blue'):
        header = header.replace(f'property uchar {color}', f'property float {color}')

    def write(colors):
        rows = [
            struct.pack('<ffffffB', *vertex[:3], *color, 255)
            for vertex, color in zip(typed.VERTICES, colors)
        ]
        typed.write_scene(
            raw, **{'_vh_clean_2.ply': header.encode() + b''.join(rows) + typed.FACES}
        )
        report = prepare_scannet(raw, out)
        return ' '.join(report.outcomes[0].remarks), read(out, 'points').reshape(-1, 6)[:, 3:]

    fractions = np.linspace(0.1, 0.9, 24).reshape(8, 3)
    fractions[5, 1] = 1.0001
    remarks, stored = write(fractions)
    assert 'fractions' in remarks and '1 value is above' in remarks
    np.testing.assert_allclose(stored, np.minimum(fractions, 1) * 255, atol=0.51)
    remarks, stored = write([(0.0, 0.0, 0.0)] * 8)
    assert 'all points have the colour' in remarks and (stored == 127.5).all()


def test_aggregation_under_its_other_name(raw, out):
    folder = typed.write_scene(raw, **{'.aggregation.json': None})
    (folder / 'scene0000_00_vh_clean.aggregation.json').write_text(typed.AGGREGATION)
    prepare_scannet(raw, out)
    assert read(out, 'instance_mask').tolist() == typed.INSTANCE


def test_an_object_without_segments_has_no_points(raw, out):
    text = typed.AGGREGATION.replace('5753', '')
    typed.write_scene(raw, **{'.aggregation.json': text})
    prepare_scannet(raw, out)
    assert len(info_of(out)['data_list'][0]['instances']) == 2
    assert 1 not in read(out, 'instance_mask')


# --- bad input ------------------------------------------------------------------------------------

NAN_VERTEX = (*typed.VERTICES[:3], (np.nan, 0, 0, 1, 2, 3, 255), *typed.VERTICES[4:])
INF_VERTEX = (*typed.VERTICES[:3], (0, np.inf, 0, 1, 2, 3, 255), *typed.VERTICES[4:])
FLOAT_COLOR = typed.MESH_HEADER.format(vertices=1).replace(
    'property uchar red', 'property float red'
)
BAD_FILES = [
    ('_vh_clean_2.ply', None, 'no such file'),
    ('_vh_clean_2.ply', typed.mesh()[:-5], 'cut off'),  # within the faces
    ('_vh_clean_2.ply', typed.mesh()[:-100], 'cut off'),  # within the vertices
    ('_vh_clean_2.ply', typed.mesh()[:50], 'no complete PLY header'),
    ('_vh_clean_2.ply', b'', 'no complete PLY header'),
    ('_vh_clean_2.ply', typed.mesh().replace(b' red', b' rod'), "vertices without ['red']"),
    ('_vh_clean_2.ply', typed.mesh().replace(b'float x', b'flaot x'), "'property flaot x'"),
    ('_vh_clean_2.ply', typed.mesh(NAN_VERTEX), 'the first is number 3'),
    ('_vh_clean_2.ply', typed.mesh(INF_VERTEX), 'the first is number 3'),
    ('_vh_clean_2.ply', typed.mesh(()), 'no vertices'),
    (
        '_vh_clean_2.ply',
        FLOAT_COLOR.encode() + struct.pack('<ffff3B', 0, 0, 0, 256, 0, 0, 0) + typed.FACES,
        'colours from 0 to 256; expected 0..255',
    ),
    ('_vh_clean_2.labels.ply', typed.labels_mesh(typed.SEMANTIC[:7]), '7 vertices; expected 8'),
    ('_vh_clean_2.0.010000.segs.json', None, 'no such file'),
    ('_vh_clean_2.0.010000.segs.json', typed.SEGS[:-20], 'perhaps cut off'),
    ('_vh_clean_2.0.010000.segs.json', typed.SEGS.replace(', 44]', ']'), '7 segment ids'),
    ('_vh_clean_2.0.010000.segs.json', typed.SEGS.replace('44', '"44"'), '0 segment ids'),
    ('.aggregation.json', None, 'no such file'),
    ('.aggregation.json', typed.AGGREGATION[:200], 'perhaps cut off'),
    ('.aggregation.json', typed.AGGREGATION.replace('"objectId": 2, ', ''), 'objectId'),
    ('.aggregation.json', typed.AGGREGATION.replace('5753', '5754'), 'segments [5754]'),
    ('.aggregation.json', typed.AGGREGATION.replace('couch', 'kouch'), "labels ['kouch']"),
    ('.aggregation.json', typed.AGGREGATION.replace('couch', 'thing without id'), 'labels ['),
    ('.aggregation.json', typed.AGGREGATION.replace('couch', 'couch '), "labels ['couch ']"),
    ('.aggregation.json', typed.AGGREGATION.replace('couch', 'Couch'), "labels ['Couch']"),
    ('.aggregation.json', typed.AGGREGATION.replace('"couch"', 'null'), "labels ['None']"),
    ('_vh_clean_2.ply', typed.mesh()[:-13], 'cut off'),
    ('.aggregation.json', typed.AGGREGATION.replace('"objectId": 1', '"objectId": 0'), 'object 0'),
    ('.aggregation.json', typed.AGGREGATION.replace('Id": 1', 'Id": -1'), 'number -1'),
    ('.aggregation.json', typed.AGGREGATION.replace('5753', '1e999'), 'infinity'),
    ('.aggregation.json', typed.AGGREGATION.replace('5753', f'{2**63}'), f'{2**63}'),
    ('.aggregation.json', typed.AGGREGATION.replace('segGroups', 'groups'), 'segGroups'),
    ('.aggregation.json', '[]', 'segGroups'),
    ('_vh_clean_2.0.010000.segs.json', '[1, 2]', '0 segment ids'),
    ('_vh_clean_2.ply', typed.mesh().replace(b'uchar blue', b'uchar red'), "['red'] twice"),
    ('_vh_clean_2.labels.ply', typed.labels_mesh()[:60], 'no complete PLY header'),
    ('.txt', None, 'no such file'),
    ('.txt', 'colorHeight = 968\n', 'no line axisAlignment'),
    ('.txt', 'axisAlignment = 1 2 3\n', '16 '),
    ('.txt', 'axisAlignment = ' + 15 * '0 ' + 'nan\n', '16 '),
]


@pytest.mark.parametrize('ending, content, message', BAD_FILES)
def test_bad_raw_file_is_named_with_what_was_found(raw, out, ending, content, message):
    typed.write_scene(raw, **{ending: content})
    text = failure(raw, out)
    assert f'scene0000_00{ending}' in text and message in text and '; expected ' in text


def test_file_that_may_not_be_read_fails_its_scene_only(tmp_path, out, monkeypatch):
    raw = tmp_path / 'raw'
    raw.mkdir()
    typed.write_release(raw, train=('scene0000_00',), val=('scene0001_00',))
    read_bytes = Path.read_bytes

    def refuse(path):
        if path.name == 'scene0000_00.aggregation.json':
            raise PermissionError(errno.EACCES, 'Permission denied', str(path))
        return read_bytes(path)

    monkeypatch.setattr(Path, 'read_bytes', refuse)
    first, second = prepare_scannet(raw, out).outcomes
    assert (first.state, second.state) == ('failed', 'converted')
    assert 'Permission denied' in first.remarks[0] and 'aggregation.json' in first.remarks[0]


def test_missing_scene_folder(raw, out):
    (raw / 'scannetv2_train.txt').write_text('scene0042_00\n')
    assert 'scene0042_00: no such folder' in failure(raw, out)


def test_other_scenes_convert_when_one_fails(tmp_path, out):
    raw = tmp_path / 'raw'
    raw.mkdir()
    typed.write_release(raw, train=('scene0000_00', 'scene0001_00'), val=('scene0002_00',))
    typed.write_scene(raw, 'scene0000_00', **{'.txt': None})
    report = prepare_scannet(raw, out, workers=2)
    assert [outcome.state for outcome in report.outcomes] == ['failed', 'converted', 'converted']
    assert report.incomplete == ['train']
    assert [path.name for path in report.infos] == ['scannet_infos_val.pkl']


@pytest.mark.parametrize(
    'name, content, message',
    [
        ('scannetv2_train.txt', 'scene0000_00\nscene0000_00\n', 'twice'),
        ('scannetv2_train.txt', '\n', 'lists without scenes'),
        ('scannetv2_val.txt', 'scene0000_00\n', 'lists of train and val'),
        ('scannetv2-labels.combined.tsv', 'id\tcategory\n', "no columns ['nyu40id'"),
        ('scannetv2-labels.combined.tsv', 'raw_category\tnyu40id\nwall\tone\n', 'one'),
        ('scannetv2-labels.combined.tsv', 'raw_category\tnyu40id\nw' + 200_000 * 'a', 'field'),
        ('scannetv2-labels.combined.tsv', '', "no columns ['nyu40id'"),
    ],
)
def test_bad_side_file(raw, out, name, content, message):
    (raw / name).write_text(content)
    with pytest.raises(ValueError, match='expected') as error:
        prepare_scannet(raw, out)
    assert message in str(error.value)


def test_empty_list_is_passed_over_unless_asked_for(raw, out):
    (raw / 'scannetv2_test.txt').write_text('')
    assert [path.name for path in prepare_scannet(raw, out).infos] == ['scannet_infos_train.pkl']
    with pytest.raises(ValueError, match='scannetv2_test.txt: no scene'):
        prepare_scannet(raw, out, splits=['train', 'test'])
    with pytest.raises(FileNotFoundError, match='scannetv2_val.txt'):
        prepare_scannet(raw, out, splits=['train', 'val'])


@pytest.mark.parametrize(
    'gone, asked', [('scannetv2_train.txt', 'scannetv2_test.txt'), 2 * (typed.LABEL_MAP_NAME,)]
)
def test_missing_side_file_says_where_to_get_it(raw, out, gone, asked):
    (raw / gone).unlink()
    with pytest.raises(FileNotFoundError, match=f'{asked}: not found.*It (is|comes)'):
        prepare_scannet(raw, out)


# --- nothing is lost ------------------------------------------------------------------------------


def snapshot(out):
    return {path: path.read_bytes() for path in sorted(out.rglob('*')) if path.is_file()}


def test_second_run_does_nothing(raw, out):
    prepare_scannet(raw, out)
    before = snapshot(out)
    times = {path: path.stat().st_mtime_ns for path in before}
    report = prepare_scannet(raw, out)
    assert [outcome.state for outcome in report.outcomes] == ['kept']
    assert {path: path.stat().st_mtime_ns for path in snapshot(out)} == times


def test_changed_raw_file_is_converted_again(raw, out):
    prepare_scannet(raw, out)
    groups = typed.AGGREGATION.replace('"objectId": 3', '"objectId": 8')
    typed.write_scene(raw, **{'.aggregation.json': groups})
    assert prepare_scannet(raw, out).outcomes[0].state == 'converted'
    assert read(out, 'instance_mask')[-1] == 9


@pytest.mark.parametrize('kind', ['points', 'instance_mask', 'semantic_mask'])
def test_lost_or_short_output_is_made_again(raw, out, kind):
    prepare_scannet(raw, out)
    before = snapshot(out)
    os.truncate(out / kind / 'scene0000_00.bin', 8)
    assert prepare_scannet(raw, out).outcomes[0].state == 'converted'
    assert snapshot(out) == before


def test_interrupted_run_continues_to_the_same_bytes(tmp_path, out, monkeypatch):
    raw = tmp_path / 'raw'
    raw.mkdir()
    typed.write_release(raw, train=('scene0000_00', 'scene0001_00'))
    calls = []

    def killed(source, target):
        calls.append(target)
        if len(calls) == 6:  # in the middle of the second scene
            raise KeyboardInterrupt
        os.rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(storage.os, 'replace', killed)
        with pytest.raises(KeyboardInterrupt):
            prepare_scannet(raw, out)
    (out / 'points' / '.scene0001_00.bin.part').write_bytes(b'what a kill -9 leaves behind')
    report = prepare_scannet(raw, out)
    assert [outcome.state for outcome in report.outcomes] == ['kept', 'converted']
    undisturbed = tmp_path / 'undisturbed'
    prepare_scannet(raw, undisturbed)
    contents = {path.relative_to(out): data for path, data in snapshot(out).items()}
    assert contents == {p.relative_to(undisturbed): d for p, d in snapshot(undisturbed).items()}


@pytest.mark.parametrize('workers', [1, 2])
def test_full_disk_leaves_no_half_file_and_a_rerun_completes(raw, out, monkeypatch, workers):
    def full(descriptor):
        raise OSError(errno.ENOSPC, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(storage.os, 'fsync', full)
        with pytest.raises(OSError, match='the disk is full at scene0000_00') as error:
            prepare_scannet(raw, out, workers=workers)
    assert error.value.errno == errno.ENOSPC
    assert snapshot(out) == {}
    assert prepare_scannet(raw, out).outcomes[0].state == 'converted'


def test_record_is_gone_while_its_files_are_renewed(tmp_path, monkeypatch):
    source = tmp_path / 'source'
    source.write_bytes(b'raw')
    record = storage.SceneRecord(tmp_path / 'out', 'scene0000_00')
    record.write({'a': b'1', 'b': b'1'}, [source])
    assert record.read([source]) is not None
    monkeypatch.setattr(storage.os, 'fsync', lambda _: (_ for _ in ()).throw(OSError('full')))
    with pytest.raises(OSError, match='full'):
        record.write({'a': b'2', 'b': b'2'}, [source])
    assert record.read([source]) is None


def test_write_whole_keeps_the_old_file_when_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / 'file.bin'
    storage.write_whole(path, b'old')
    monkeypatch.setattr(storage.os, 'fsync', lambda _: (_ for _ in ()).throw(OSError('full')))
    with pytest.raises(OSError, match='full'):
        storage.write_whole(path, b'new and longer')
    assert [p.name for p in tmp_path.iterdir()] == ['file.bin'] and path.read_bytes() == b'old'
