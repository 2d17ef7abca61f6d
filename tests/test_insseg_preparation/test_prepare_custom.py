# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import errno
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insseg_preparation import storage
from insseg_preparation.custom.classes import ClassList, read_classes
from insseg_preparation.custom.release import find_scans, prepare_custom
from insseg_preparation.custom.scan import CustomOptions, convert_scan
from insseg_scans.columns import ColumnNames
from insseg_scans.errors import RawDataError
from insseg_scans.units import UNITS, UP_AXES

from .custom_scans import INSTANCE, NAMES, POINTS, SEMANTIC, WRITERS, write_npy

CLASSES = ClassList(('chair', 'table'))


@pytest.fixture
def raw(tmp_path):
    """Write two scans for training, one for validation, and one without labels."""
    for name, table in (
        ('train/a', POINTS),
        ('train/b', POINTS),
        ('val/c', POINTS),
        ('test/d', POINTS[:, :6]),
    ):
        (tmp_path / 'raw' / name).parent.mkdir(parents=True, exist_ok=True)
        write_npy(tmp_path / 'raw' / name, table)
    return tmp_path / 'raw'


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'out'


def read(out, kind, scan):
    return np.fromfile(out / kind / f'{scan}.bin', np.float32 if kind == 'points' else np.int64)


def info_of(out, split='train'):
    return pickle.loads((out / f'custom_infos_{split}.pkl').read_bytes())


def convert(tmp_path, table, classes=CLASSES, *, needs_labels=True, **options):
    path = write_npy(tmp_path / 'scan', np.asarray(table, dtype=np.float64))
    return convert_scan(path, classes, CustomOptions(**options), needs_labels=needs_labels)


def changed(column, values, rows=slice(None)):
    table = POINTS.copy()
    table[rows, NAMES.index(column)] = values
    return table


# --- what is written ------------------------------------------------------------------------------


@pytest.mark.parametrize('name', WRITERS)
def test_every_format_becomes_the_same_files_point_for_point(tmp_path, out, name):
    raw = tmp_path / 'raw' / 'train'
    raw.mkdir(parents=True)
    WRITERS[name](raw / 'scan', POINTS)
    report = prepare_custom(raw.parent, out, CLASSES)
    assert report.outcomes[0].state == 'converted', report
    np.testing.assert_array_equal(read(out, 'points', 'scan').reshape(-1, 6), POINTS[:, :6])
    assert read(out, 'semantic_mask', 'scan').tolist() == SEMANTIC
    assert read(out, 'instance_mask', 'scan').tolist() == INSTANCE


def test_info_files(raw, out):
    report = prepare_custom(raw, out, CLASSES)
    assert [path.name for path in report.infos] == [
        f'custom_infos_{split}.pkl' for split in ('train', 'val', 'test')
    ]
    info = info_of(out)
    assert info['metainfo'] == {
        'categories': {'chair': 0, 'table': 1},
        'dataset': 'custom',
        'without_color': 0,
        'info_version': '1.1',
    }
    first, second = info['data_list']
    assert first == {
        'lidar_points': {'num_pts_feats': 6, 'lidar_path': 'a.bin'},
        'pts_semantic_mask_path': 'a.bin',
        'pts_instance_mask_path': 'a.bin',
        'instances': [  # centre, size
            {'bbox_3d': [0.5625, 0.25, 0.3125, 0.125, 0.0, 0.375], 'bbox_label_3d': 0},
            {'bbox_3d': [2.25, 1.625, 0.5625, 0.5, 0.25, 0.125], 'bbox_label_3d': 1},
            {'bbox_3d': [3.5, 2.75, 0.25, 0.0, 0.0, 0.0], 'bbox_label_3d': 0},
        ],
    }
    assert second['lidar_points']['lidar_path'] == 'b.bin'
    assert info_of(out, 'test')['data_list'] == [
        {'lidar_points': {'num_pts_feats': 6, 'lidar_path': 'd.bin'}, 'instances': []}
    ]
    assert not (out / 'semantic_mask' / 'd.bin').exists()


def test_labelled_test_scans_keep_their_labels(raw, out):
    write_npy(raw / 'test' / 'd', POINTS)
    prepare_custom(raw, out, CLASSES)
    assert info_of(out, 'test')['data_list'][0]['pts_semantic_mask_path'] == 'd.bin'


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_random_labels_keep_their_meaning(tmp_path_factory, data):
    """Every point keeps its class name, and points of one object stay in one object."""
    ids = data.draw(st.lists(st.integers(0, 60), min_size=1, max_size=4, unique=True))
    num_points = data.draw(st.integers(1, 30))
    owner = np.array(
        data.draw(st.lists(st.integers(-1, 5), min_size=num_points, max_size=num_points))
    )
    class_of = data.draw(st.lists(st.integers(0, 60), min_size=7, max_size=7))
    semantic = np.array([class_of[k] for k in owner])
    table = np.zeros((num_points, 8))
    table[:, 0], table[:, 3] = np.linspace(0, 3, num_points), np.arange(num_points)
    table[:, 6], table[:, 7] = semantic, owner
    classes = ClassList(tuple(f'class {k}' for k in ids), tuple(ids))
    scan = convert(tmp_path_factory.mktemp('scan'), table, classes, units='m', first_instance=0)
    assert [ids[k - 1] if k else None for k in scan.semantic] == [
        given if given in ids else None for given in semantic
    ]
    np.testing.assert_array_equal(scan.instance[:, None] == scan.instance, owner[:, None] == owner)
    np.testing.assert_array_equal(scan.instance == 0, owner == -1)
    assert len(scan.boxes) == len(
        {k for k, label in zip(owner, semantic) if k >= 0 and label in ids}
    )


# --- splits ---------------------------------------------------------------------------------------


def empty_scans(folder, names):
    folder.mkdir(parents=True)
    for name in names:
        (folder / f'{name}.txt').write_text('')
    return folder


def test_names_decide_what_is_val_and_a_few_more_scans_change_little(tmp_path):
    names = [f'room{k}' for k in range(20)]
    first = find_scans(empty_scans(tmp_path / 'first', names))
    again = find_scans(empty_scans(tmp_path / 'again', reversed(names)))
    assert {k: list(v) for k, v in first.items()} == {k: list(v) for k, v in again.items()}
    assert (len(first['train']), len(first['val'])) == (16, 4)
    assert not set(first['train']) & set(first['val'])
    others = [f'attic{k}' for k in range(5)]  # first of all by name
    more = find_scans(empty_scans(tmp_path / 'more', [*names, *others]))
    assert len(more['val']) == 5 and len(set(first['val']) & set(more['val'])) >= 3


@pytest.mark.parametrize(
    'num_scans, share, num_val',
    [
        (1, 0.2, 0),
        (2, 0.2, 1),
        (5, 0, 0),
        (3, 0.9, 2),
        (10, 0.25, 2),
        (3, 0.01, 1),
    ],
)
def test_share_of_val(tmp_path, num_scans, share, num_val):
    raw = empty_scans(tmp_path / 'raw', [f'room{k}' for k in range(num_scans)])
    splits = find_scans(raw, val_share=share)
    assert len(splits['train']) == num_scans - num_val and len(splits.get('val', ())) == num_val


def test_scans_beside_the_folder_test_are_split(tmp_path):
    raw = empty_scans(tmp_path / 'raw', [f'room{k}' for k in range(5)])
    alone = find_scans(raw)
    empty_scans(raw / 'test', ['unlabelled'])
    splits = find_scans(raw)
    assert list(splits) == ['train', 'val', 'test'] and list(splits['test']) == ['unlabelled']
    assert {split: splits[split] for split in alone} == alone
    empty_scans(raw / 'more', ['passed over'])
    assert find_scans(raw) == splits
    (raw / 'test' / 'room3.txt').write_text('')
    with pytest.raises(RawDataError, match='room3.txt: also'):
        find_scans(raw)


@pytest.mark.parametrize('split', ['train', 'val'])
def test_scans_beside_train_or_val_are_named_and_passed_over(tmp_path, split):
    raw = empty_scans(tmp_path / 'raw', ['attic', 'cellar'])
    empty_scans(raw / split, ['room'])
    remarks = []
    assert find_scans(raw, on_remark=remarks.append) == {split: {'room': raw / split / 'room.txt'}}
    (remark,) = remarks
    assert f"passed over 2 files beside the folders {split}: ['attic.txt', 'cellar.txt']" in remark


def test_other_files_and_the_class_list_are_passed_over(raw, out):
    for name in ('notes.md', 'scan.las', '.hidden.npy'):
        (raw / 'train' / name).write_text('x')
    (raw / 'train' / 'classes.txt').write_text('chair\ntable\n')
    remarks = []
    report = prepare_custom(
        raw,
        out,
        read_classes(str(raw / 'train' / 'classes.txt')),
        leave_out=[raw / 'train' / 'classes.txt'],
        on_remark=remarks.append,
    )
    assert [outcome.state for outcome in report.outcomes] == 4 * ['converted']
    assert len(remarks) == 1 and "2 files that are no scans: ['notes.md', 'scan.las']" in remarks[0]


def test_same_name_twice(raw, out):
    WRITERS['txt'](raw / 'val' / 'a', POINTS)
    with pytest.raises(RawDataError, match=r'val.a\.txt: also .*train.a\.npy; expected every scan'):
        prepare_custom(raw, out, CLASSES)


def test_what_cannot_be_reached_is_a_scan_that_failed(raw, out):
    disk = out.parent / 'disk'
    (raw / 'train' / 'e.npy').symlink_to(disk / 'e.npy')
    report = prepare_custom(raw, out, CLASSES)
    states = {outcome.scene: outcome.state for outcome in report.outcomes}
    assert states == dict(a='converted', b='converted', c='converted', d='converted', e='failed')
    (failed,) = [outcome for outcome in report.outcomes if outcome.state == 'failed']
    assert f'e.npy: link to {disk}/e.npy, which is not there' in failed.remarks[0]
    assert report.incomplete == ['train']
    disk.mkdir()
    write_npy(disk / 'e', POINTS)
    assert not prepare_custom(raw, out, CLASSES).incomplete


def test_a_split_that_cannot_be_reached_fails(raw, out):
    (raw / 'val').rename(out.parent / 'elsewhere')
    (raw / 'val').symlink_to(out.parent / 'disk')
    report = prepare_custom(raw, out, CLASSES)
    (failed,) = [outcome for outcome in report.outcomes if outcome.state == 'failed']
    assert 'val: link to' in failed.remarks[0] and report.incomplete == ['val']


def test_links_do_not_change_which_scans_are_drawn(tmp_path):
    (tmp_path / 'whole').mkdir()
    for k in range(12):
        write_npy(tmp_path / 'whole' / f'scan{k}', POINTS)
    (tmp_path / 'linked').mkdir()
    for k in range(12):
        (tmp_path / 'linked' / f'scan{k}.npy').symlink_to(tmp_path / 'disk' / f'{k}.npy')
    drawn = [
        {
            split: list(scans)
            for split, scans in find_scans(tmp_path / folder, val_share=0.25).items()
        }
        for folder in ('whole', 'linked')
    ]
    assert drawn[0] == drawn[1] and len(drawn[0]['val']) == 3


def test_a_folder_with_a_file_an_array_is_a_scan(tmp_path, out):
    for name in 'ab':
        folder = tmp_path / 'raw' / 'train' / name
        folder.mkdir(parents=True)
        np.save(folder / 'coord.npy', POINTS[:, :3])
        np.save(folder / 'color.npy', POINTS[:, 3:6])
        np.save(folder / 'segment.npy', POINTS[:, 6].astype(int))
        np.save(folder / 'instance.npy', POINTS[:, 7].astype(int))
        np.save(folder / 'normal.npy', np.ones((len(POINTS), 3)))
    report = prepare_custom(tmp_path / 'raw', out, CLASSES)
    assert [outcome.state for outcome in report.outcomes] == ['converted', 'converted']
    whole = convert(tmp_path, POINTS)
    for name in 'ab':
        np.testing.assert_array_equal(read(out, 'points', name).reshape(-1, 6), whole.points)
        np.testing.assert_array_equal(read(out, 'instance_mask', name), whole.instance)


@pytest.mark.parametrize('name', [os.fsdecode(b'k\xfcche'), '室' * 80, 'a b\'"$'])
def test_odd_names_take_nothing_else_down(raw, out, name):
    try:
        write_npy(raw / 'train' / name, POINTS)
    except OSError:
        pytest.skip('this file system takes no such name')
    report = prepare_custom(raw, out, CLASSES)
    assert [outcome.state for outcome in report.outcomes] == 5 * ['converted']
    paths = [Path(info['lidar_points']['lidar_path']) for info in info_of(out)['data_list']]
    assert len(paths) == 3 and all((out / 'points' / path).is_file() for path in paths)
    assert all(outcome.state == 'kept' for outcome in prepare_custom(raw, out, CLASSES).outcomes)


def test_folders_that_cannot_be(tmp_path, raw, out):
    with pytest.raises(FileNotFoundError, match='nowhere: no such folder'):
        prepare_custom(tmp_path / 'nowhere', out, CLASSES)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(RawDataError, match='no scans; expected files that end in .ply'):
        prepare_custom(tmp_path / 'empty', out, CLASSES)
    for target in (raw, raw / 'train' / 'out'):
        with pytest.raises(RawDataError, match='lies in the folder of the scans'):
            prepare_custom(raw, target, CLASSES)
    with pytest.raises(ValueError, match='--val-share 1: expected'):
        prepare_custom(raw, out, CLASSES, val_share=1)


# --- class lists ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'text, names, ids',
    [
        ('chair,office table', ('chair', 'office table'), None),
        ('5 chair, 7 office table', ('chair', 'office table'), (5, 7)),
        ('chair', ('chair',), None),
        ('tv/monitor,chair', ('tv/monitor', 'chair'), None),
        ('1 tv/monitor,2 notes.txt', ('tv/monitor', 'notes.txt'), (1, 2)),
        ('3d printer,chair', ('3d printer', 'chair'), None),
    ],
)
def test_class_list_between_commas(text, names, ids):
    assert read_classes(text) == ClassList(names, ids)


@pytest.mark.parametrize(
    'content, ids',
    [
        ('chair\ntable\n', None),
        ('\ufeff# mine\r\nchair\r\n\r\ntable\r\n', None),
        ('5 chair\n7 table\n', (5, 7)),
        ('5,chair\n7,table\n', (5, 7)),
        ('5\tchair\n7\ttable', (5, 7)),
        ('5: chair\n7: table', (5, 7)),
    ],
)
def test_class_list_in_a_file(tmp_path, content, ids):
    (tmp_path / 'classes.txt').write_text(content)
    assert read_classes(str(tmp_path / 'classes.txt')) == ClassList(('chair', 'table'), ids)


@pytest.mark.parametrize(
    'text, message',
    [
        ('chair,chair', r"\['chair'\] twice"),
        ('5 chair,5 table', r"\['5'\] twice"),
        ('5 chair,table', r"\['table'\] without an id"),
        (' , ', '0 classes'),
        ('5,7', '2 classes'),
        ('unlabelled,chair', 'class \'unlabelled\'.*Leave it out.*--classes "1 chair"'),
        ('3 chair,0 Background', 'class \'Background\'.*--classes "3 chair"'),
    ],
)
def test_bad_class_list(text, message):
    with pytest.raises(RawDataError, match=message):
        read_classes(text)


def test_class_list_that_is_longer_than_a_name_of_a_file():
    names = tuple(f'class number {k}' for k in range(200))
    assert read_classes(','.join(names)).names == names


def test_class_file_that_is_no_text(tmp_path):
    (tmp_path / 'classes.txt').write_bytes('stühle\n'.encode('latin-1'))
    with pytest.raises(RawDataError, match='classes.txt: byte 3 is no UTF-8; expected text'):
        read_classes(str(tmp_path / 'classes.txt'))


def test_class_file_that_is_not_there():
    with pytest.raises(FileNotFoundError, match='classes.txt: no such file; expected one class '):
        read_classes('classes.txt')


# --- the most frequent failures -------------------------------------------------------------------


def test_labels_that_count_from_one_are_refused_with_the_remedy(tmp_path):
    table = changed('semantic', POINTS[:, 6] + 1)
    with pytest.raises(RawDataError, match=r'labels \[2, 256\] for 2 classes.*"1 chair,2 table"'):
        convert(tmp_path, table)
    given = ClassList(('chair', 'table'), (1, 2))
    assert convert(tmp_path, table, given).semantic.tolist() == SEMANTIC


def test_ids_outside_the_list_are_no_class_and_said_if_they_are_most(tmp_path):
    scan = convert(tmp_path, POINTS, ClassList(('bed',), (9,)))
    assert not scan.semantic.any() and not scan.boxes
    assert any('no point has a class of the list; labels [-1, 0, 1, 255]' in n for n in scan.notes)
    scan = convert(tmp_path, np.repeat(POINTS, [1, 1, 1, 1, 1, 99, 1, 1], axis=0))
    assert any('94% of the points have no class' in note for note in scan.notes)


def test_train_without_any_object_is_refused(raw, out):
    with pytest.raises(RawDataError, match='no object of any class.*ids of the class list'):
        prepare_custom(raw, out, ClassList(('bed',), (9,)))


def test_instance_zero_is_asked_for_where_it_matters(tmp_path):
    table = changed('instance', POINTS[:, 7] + (POINTS[:, 7] < 0))  # 0 means none too
    with pytest.raises(RawDataError, match=r"\['chair'\] have the instance id 0.*--first-instance"):
        convert(tmp_path, table)
    first = convert(tmp_path, table, first_instance=0).instance
    assert first.tolist() == [1, 1, 2, 2, 2, 1, 3, 1]
    second = convert(tmp_path, table, first_instance=1).instance
    assert second.tolist() == [0, 0, 1, 1, 1, 0, 2, 0]
    table = changed('instance', POINTS[:, 7] + 1)  # from 1; 0 only for points without a class
    assert convert(tmp_path, table).instance.tolist() == INSTANCE


def test_instance_ids_that_begin_anew_in_every_class(tmp_path):
    table = changed('instance', [0, 0, 0, 0, 1, -1, 1, -1])
    with pytest.raises(RawDataError, match='2 of 2 instance ids have points of several.*per-class'):
        convert(tmp_path, table)
    assert convert(tmp_path, table, per_class=True).instance.tolist() == [1, 1, 3, 3, 4, 0, 2, 0]


def test_a_few_mixed_objects_are_said(tmp_path):
    table = changed('instance', [1, 1, 2, 1, 2, -1, 3, -1])
    scan = convert(tmp_path, table)
    assert '1 of 3 objects have points of several classes' in scan.notes[0]
    assert [box['bbox_label_3d'] for box in scan.boxes] == [0, 1, 0]


@pytest.mark.parametrize('units', ['mm', 'cm'])
def test_units_that_are_not_metres(tmp_path, units):
    table = POINTS.copy()
    table[:, :3] *= 2 / UNITS[units]
    with pytest.raises(RawDataError, match=f'a scan of .* m; expected metres.*--units {units}'):
        convert(tmp_path, table)
    points = convert(tmp_path, table, units=units).points
    np.testing.assert_allclose(points[:, :3], 2 * POINTS[:, :3], rtol=1e-6)
    np.testing.assert_allclose(convert(tmp_path, table, units='m').points[:, :3], table[:, :3])


def test_scan_in_a_tiny_cube_is_refused(tmp_path):
    table = POINTS.copy()
    table[:, :3] *= 0.01
    with pytest.raises(RawDataError, match='at least 0.3. Is it scaled'):
        convert(tmp_path, table)


def test_upright_axis_is_turned_without_mirroring(tmp_path):
    for up in UP_AXES:
        points = convert(tmp_path, POINTS, up=up).points[:, :3]
        axis, sign = 'xyz'.index(up[-1]), -1 if up[0] == '-' else 1
        np.testing.assert_array_equal(points[:, 2], sign * POINTS[:, axis])
        rotation = np.linalg.lstsq(POINTS[:, :3], points, rcond=None)[0]
        assert np.linalg.det(rotation) == pytest.approx(1)


def test_scan_that_seems_to_lie_on_its_side_is_remarked(tmp_path):
    table = POINTS.copy()
    table[:, :3] = POINTS[:, [0, 2, 1]] * [2, 1, 2]
    assert any('--up y' in note for note in convert(tmp_path, table).notes)
    assert not any('--up' in note for note in convert(tmp_path, table, up='y').notes)


def test_coordinates_of_a_map_are_moved_before_they_are_rounded(tmp_path):
    table = POINTS.copy()
    table[:, :3] += [500_000, 5_400_000, 300]
    scan = convert(tmp_path, table)
    assert 'float32 has no millimetres' in scan.notes[0]
    offset = scan.points[0, :3] - POINTS[0, :3]
    np.testing.assert_allclose(scan.points[:, :3], POINTS[:, :3] + offset, atol=1e-6)
    assert np.abs(scan.points[:, :3]).max() < 10


@pytest.mark.parametrize('scale, note', [(1 / 255, 'fractions'), (257, '16 bits')])
def test_colours_of_other_ranges(tmp_path, scale, note):
    table = POINTS.copy()
    table[:, 3:6] *= scale
    scan = convert(tmp_path, table)
    np.testing.assert_array_equal(scan.points[:, 3:], POINTS[:, 3:6])
    assert any(note in text for text in scan.notes) and scan.has_color


@pytest.mark.parametrize(
    'scale, value, note',
    [
        (1 / 255, 1.0001, '0..1, the largest is 1.0001; 1 value is above'),
        (1, 256, '0..255, the largest is 256; 1 value is above'),
        (4, None, 'had 10 bits'),
    ],
)
def test_colours_whose_range_is_not_clear_are_remarked(tmp_path, scale, value, note):
    table = np.tile(POINTS, (40, 1))
    table[:, 3:6] *= scale
    if value is not None:
        table[3, 4] = value
    scan = convert(tmp_path, table)
    np.testing.assert_allclose(scan.points[8:, 3:], np.tile(POINTS[:, 3:6], (39, 1)), atol=1)
    assert scan.points[:, 3:].max() == 255 or value is None
    assert any(note in text for text in scan.notes)
    assert any('look at the colours' in text for text in scan.notes)


@pytest.mark.parametrize('color', [0, 255, None])
def test_scans_without_colours_are_grey_and_say_so(tmp_path, color):
    table = POINTS.copy()
    table[:, 3:6] = 0 if color is None else color
    scan = convert(tmp_path, table if color is not None else POINTS[:, [0, 1, 2, 6, 7]])
    assert (scan.points[:, 3:] == 127.5).all() and not scan.has_color
    assert any('grey' in note for note in scan.notes)
    assert scan.semantic.tolist() == SEMANTIC and scan.instance.tolist() == INSTANCE


BAD_SCANS = [
    (changed('x', np.nan, 3), '1 points with NaN or infinite coordinates, the first is number 3'),
    (changed('z', np.inf, 2), 'the first is number 2'),
    (changed('red', -0.5, 2), r'colours from -0.5 to 255.*normals'),
    (changed('red', 70_000, 2), 'colours from 0 to 70000'),
    (changed('red', np.nan, 2), 'colours from nan'),
    (changed('semantic', 0.5, 2), r'semantic labels such as \[0.5\]; expected integers'),
    (changed('instance', np.nan, 2), r'instance labels such as \[nan\]'),
    (POINTS[:0], 'no points'),
    (POINTS[:, :6], 'no semantic labels; expected a column called one of: semantic.*folder test'),
    (POINTS[:, :3], 'no semantic labels'),
]


@pytest.mark.parametrize('table, message', BAD_SCANS)
def test_what_would_spoil_a_training_is_refused(tmp_path, table, message):
    with pytest.raises(RawDataError, match=message) as error:
        convert(tmp_path, table)
    assert 'scan.npy' in str(error.value) and '; expected ' in str(error.value)


def test_labels_that_are_words(tmp_path):
    np.savez(tmp_path / 'scan.npz', points=POINTS[:, :3], label=['chair'] * 8, instance=[1] * 8)
    with pytest.raises(RawDataError, match=r"semantic labels such as \['chair'\]"):
        convert_scan(tmp_path / 'scan.npz', CLASSES, CustomOptions(), needs_labels=True)


@pytest.mark.parametrize(
    'kind, largest', [('uint64', 2**63), ('float64', 2**53), ('float32', 2**24)]
)
def test_ids_that_are_too_large_to_be_told_apart(tmp_path, kind, largest):
    for column in ('semantic', 'instance'):
        labels = {name: POINTS[:, NAMES.index(name)] for name in ('semantic', 'instance')}
        labels[column] = np.array([1] * 7 + [largest], dtype=kind)
        np.savez(tmp_path / 'scan.npz', points=POINTS[:, :3], **labels)
        message = f'{column} labels such as {largest}, as {kind}; expected less than'
        with pytest.raises(RawDataError, match=message):
            convert_scan(tmp_path / 'scan.npz', CLASSES, CustomOptions(), needs_labels=True)


def test_ids_of_64_bits_are_kept_apart(tmp_path):
    ids = np.array([1, 1, 2, 2, 2, -1, 3, -1]) + 2**60 * np.array([1, 1, 1, 1, 1, 0, 1, 0])
    np.savez(tmp_path / 'scan.npz', points=POINTS[:, :3], label=POINTS[:, 6], instance=ids)
    scan = convert_scan(tmp_path / 'scan.npz', CLASSES, CustomOptions(), needs_labels=True)
    assert len(scan.boxes) == 3 and len(set(scan.instance[:3].tolist())) == 2


def test_instances_without_classes(tmp_path):
    np.savez(tmp_path / 'scan.npz', points=POINTS[:, :3], instance=[1] * 8)
    for needs_labels in (True, False):
        with pytest.raises(RawDataError, match='no semantic labels.*--semantic-name'):
            convert_scan(tmp_path / 'scan.npz', CLASSES, CustomOptions(), needs_labels=needs_labels)


# --- nothing is lost ------------------------------------------------------------------------------


def snapshot(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


@pytest.mark.parametrize('workers', [1, 2])
def test_failures_do_not_stop_the_others(raw, out, workers):
    (raw / 'train' / 'a.npy').write_bytes(b'nothing')
    report = prepare_custom(raw, out, CLASSES, workers=workers)
    assert [o.state for o in report.outcomes] == ['failed', 'converted', 'converted', 'converted']
    assert report.incomplete == ['train'] and len(report.infos) == 2


def test_second_run_does_nothing_and_the_raw_folder_stays_as_it_was(raw, out):
    before = {path: path.stat().st_mtime_ns for path in [raw, *raw.rglob('*')]}
    prepare_custom(raw, out, CLASSES)
    times = {path: path.stat().st_mtime_ns for path in out.rglob('*')}
    report = prepare_custom(raw, out, CLASSES)
    assert {outcome.state for outcome in report.outcomes} == {'kept'}
    assert {path: path.stat().st_mtime_ns for path in out.rglob('*')} == times
    assert {path: path.stat().st_mtime_ns for path in [raw, *raw.rglob('*')]} == before


@pytest.mark.parametrize(
    'change',
    [
        {'classes': ClassList(('chair', 'table', 'bed'))},
        {'classes': ClassList(('chair', 'table'), (0, 1))},
        {'options': CustomOptions(units='cm')},
        {'options': CustomOptions(up='y')},
        {'options': CustomOptions(ColumnNames(columns=NAMES))},
        {'options': CustomOptions(per_class=True)},
    ],
)
def test_another_choice_converts_anew(raw, out, change):
    prepare_custom(raw, out, CLASSES)
    classes = change.pop('classes', CLASSES)
    for state in ('converted', 'kept'):
        report = prepare_custom(raw / 'train', out, classes, **change)
        assert {outcome.state for outcome in report.outcomes} == {state}, report


def test_info_files_of_splits_that_are_gone_are_removed(tmp_path, out):
    (tmp_path / 'raw').mkdir()
    for name in 'abc':
        write_npy(tmp_path / 'raw' / name, POINTS)
    remarks = []
    prepare_custom(tmp_path / 'raw', out, CLASSES, on_remark=remarks.append)
    assert (out / 'custom_infos_val.pkl').exists() and not remarks
    prepare_custom(tmp_path / 'raw', out, CLASSES, val_share=0, on_remark=remarks.append)
    assert len(info_of(out)['data_list']) == 3 and not (out / 'custom_infos_val.pkl').exists()
    assert len(remarks) == 1 and 'custom_infos_val.pkl: removed' in remarks[0]
    (tmp_path / 'elsewhere' / 'test').mkdir(parents=True)
    write_npy(tmp_path / 'elsewhere' / 'test' / 'd', POINTS)
    prepare_custom(tmp_path / 'elsewhere', out, CLASSES, on_remark=remarks.append)
    assert (out / 'custom_infos_train.pkl').exists() and len(remarks) == 1  # of other scans


def test_unlabelled_scan_that_moves_from_test_to_train_is_refused_then(raw, out):
    prepare_custom(raw, out, CLASSES)
    os.rename(raw / 'test' / 'd.npy', raw / 'train' / 'd.npy')
    report = prepare_custom(raw, out, CLASSES)
    assert [o.scene for o in report.outcomes if o.state == 'failed'] == ['d']


def test_interrupted_run_continues_to_the_same_bytes(raw, out, tmp_path, monkeypatch):
    calls = []

    def killed(source, target):
        calls.append(target)
        if len(calls) == 6:
            raise KeyboardInterrupt
        os.rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(storage.os, 'replace', killed)
        with pytest.raises(KeyboardInterrupt):
            prepare_custom(raw, out, CLASSES)
    report = prepare_custom(raw, out, CLASSES)
    assert [o.state for o in report.outcomes] == ['kept', 'converted', 'converted', 'converted']
    prepare_custom(raw, tmp_path / 'undisturbed', CLASSES)
    assert snapshot(out) == snapshot(tmp_path / 'undisturbed')


def test_full_disk(raw, out, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(storage.os, 'fsync', full)
    with pytest.raises(OSError, match='the disk is full at a'):
        prepare_custom(raw, out, CLASSES)
    assert snapshot(out) == {}


def test_scan_that_may_not_be_read_fails_alone(raw, out, monkeypatch):
    load = np.load

    def refuse(path, **options):
        if Path(path).name == 'b.npy':
            raise PermissionError(errno.EACCES, 'Permission denied', str(path))
        return load(path, **options)

    monkeypatch.setattr(np, 'load', refuse)
    report = prepare_custom(raw, out, CLASSES)
    failed = [outcome for outcome in report.outcomes if outcome.state == 'failed']
    assert [outcome.scene for outcome in failed] == ['b']
    assert 'Permission denied' in failed[0].remarks[0]
