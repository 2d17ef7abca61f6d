# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import pickle
import shutil

import numpy as np
import pytest

from insseg_preparation.s3dis.raw import ROOMS, find_release
from insseg_preparation.s3dis.release import prepare_s3dis

from . import raw_s3dis as typed

ROOM = 'Area_1_office_1'


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / 'raw'
    folder.mkdir()
    return typed.write_release(folder)


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'out'


def read(out, kind, room=ROOM):
    dtype = np.float32 if kind == 'points' else np.int64
    return np.fromfile(out / kind / f'{room}.bin', dtype)


def info_of(out, area=1):
    return pickle.loads((out / f's3dis_infos_Area_{area}.pkl').read_bytes())


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def states(report):
    return {outcome.scene: outcome.state for outcome in report.outcomes}


def remarks(report, room=ROOM):
    return {outcome.scene: outcome.remarks for outcome in report.outcomes}[room]


def test_points_and_labels_are_those_typed_by_hand(raw, out):
    before = contents(raw)
    report = prepare_s3dis(raw, out)
    assert set(states(report).values()) == {'converted'}
    assert [path.name for path in report.infos] == [
        's3dis_infos_Area_1.pkl',
        's3dis_infos_Area_5.pkl',
    ]
    for room in (ROOM, 'Area_1_office_2', 'Area_5_WC_1'):
        assert read(out, 'points', room).reshape(-1, 6).tolist() == typed.POINTS
        assert read(out, 'semantic_mask', room).tolist() == typed.SEMANTIC
        assert read(out, 'instance_mask', room).tolist() == typed.INSTANCE
    assert contents(raw) == before


def test_info_file_has_the_keys_types_and_boxes_of_version_2(raw, out):
    prepare_s3dis(raw, out)
    info = info_of(out)
    categories = {'table': 0, 'chair': 1, 'sofa': 2, 'bookcase': 3, 'board': 4}
    assert info['metainfo'] == {
        'categories': categories,
        'dataset': 's3dis',
        'info_version': '1.1',
        'release': 'aligned',
    }
    assert [room['sample_idx'] for room in info['data_list']] == [0, 1]
    assert info['data_list'][1]['lidar_points']['lidar_path'] == 'Area_1_office_2.bin'
    assert info['data_list'][0] == {
        'sample_idx': 0,
        'lidar_points': {'num_pts_feats': 6, 'lidar_path': f'{ROOM}.bin'},
        'pts_semantic_mask_path': f'{ROOM}.bin',
        'pts_instance_mask_path': f'{ROOM}.bin',
        'instances': [{'bbox_3d': box, 'bbox_label_3d': label} for box, label in typed.BOXES],
    }
    assert type(info['data_list'][0]['instances'][0]['bbox_label_3d']) is np.int64


def test_the_least_coordinate_is_taken_away_before_rounding_to_float32(raw, out):
    # float32 loses millimetres at 4 km from the origin.
    wall = '4096.001 0 0 1 1 1\n4096.002 0 0 1 1 1\n4096 9 9 1 1 1\n'
    typed.write_room(raw, 'Area_1/hall_1', {'wall_1.txt': wall})
    prepare_s3dis(raw, out)
    x = read(out, 'points', 'Area_1_hall_1').reshape(-1, 6)[:, 0]
    np.testing.assert_allclose(x, [0.001, 0.002, 0], atol=1e-9)


def test_both_releases_are_told_apart(raw, out, tmp_path):
    assert find_release(raw).kind == 'aligned'
    (raw / 'Area_1/Area_1_alignmentAngle.txt').write_text('## Global alignment angle ##\n')
    release = find_release(raw)
    assert release.kind == 'v1.2' and '*_alignmentAngle.txt' in release.remarks[0]
    assert not any('ignored' in remark for remark in release.remarks)
    for name, kind in (
        ('Stanford3dDataset_v1.2_Aligned_Version', 'aligned'),
        ('Stanford3dDataset_v1.2', 'v1.2'),
    ):
        named = tmp_path / name
        shutil.copytree(raw, named)  # the name takes precedence over the files
        assert find_release(named).kind == kind
        assert find_release(named, kind='v1.2').kind == 'v1.2'
    prepare_s3dis(raw, out)
    assert info_of(out)['metainfo']['release'] == 'v1.2'
    prepare_s3dis(raw, out, kind='aligned')
    assert info_of(out)['metainfo']['release'] == 'aligned'
    with pytest.raises(ValueError, match='Give one of these'):
        find_release(tmp_path)
    shutil.rmtree(tmp_path / 'Stanford3dDataset_v1.2')
    release = find_release(tmp_path)  # the parent folder is accepted too
    assert release.kind == 'aligned' and release.rooms == {1: ['office_1', 'office_2'], 5: ['WC_1']}
    with pytest.raises(ValueError, match="release='v2'"):
        find_release(raw, kind='v2')


def test_a_release_that_is_not_whole_says_so(raw, out):
    said = []
    prepare_s3dis(raw, out, on_remark=said.append)
    assert 'not there: Area_2, Area_3, Area_4, Area_6' in said
    whole = '3 of the 272 rooms of a whole release: 2 of 44 in Area_1, 1 of 68 in Area_5'
    assert whole in said
    for area, count in ROOMS.items():
        for number in range(count):
            (raw / f'Area_{area}/hall_{number}').mkdir(parents=True)
    shutil.rmtree(raw / 'Area_1/office_1'), shutil.rmtree(raw / 'Area_1/office_2')
    shutil.rmtree(raw / 'Area_5/WC_1')
    assert len(find_release(raw).remarks) == 1  # the kind of release


def test_areas_can_be_chosen(raw, out):
    report = prepare_s3dis(raw, out, areas=[5])
    assert states(report) == {'Area_5_WC_1': 'converted'} and len(report.infos) == 1
    assert not (out / 's3dis_infos_Area_1.pkl').exists()
    report = prepare_s3dis(raw, out)
    assert states(report)['Area_5_WC_1'] == 'kept'
    for areas in ([2], [1, 7], []):
        with pytest.raises(ValueError, match=r'those there are \[1, 5\]'):
            prepare_s3dis(raw, out, areas=areas)
    with pytest.raises(FileNotFoundError, match='no folder Area_1'):
        prepare_s3dis(out, out)


def test_a_second_run_does_nothing_and_a_changed_room_is_converted_again(raw, out):
    prepare_s3dis(raw, out)
    before, times = contents(out), {p: p.stat().st_mtime_ns for p in out.rglob('*')}
    assert set(states(prepare_s3dis(raw, out)).values()) == {'kept'}
    assert contents(out) == before and times == {p: p.stat().st_mtime_ns for p in out.rglob('*')}
    typed.write_room(raw, wall_1='0 40 1 9 9 9\n')
    assert states(prepare_s3dis(raw, out))[ROOM] == 'converted'
    assert len(read(out, 'instance_mask')) == 9


def test_faults_are_mended_ignored_and_written_down(raw, out):
    ceiling = b'-22.000 38.000 3.000 10\x0020 30\n'
    folder = typed.write_room(raw, ceiling_1=ceiling, **{'wall_3 (1)': 'rubbish\n'})
    (folder / 'office_1.txt').rename(folder / 'of_fice_1.txt')
    (folder / '.DS_Store').write_bytes(b'\0\1')
    (raw / 'Area_1/notes.pdf').write_text('')
    before = contents(raw)
    said = []
    report = prepare_s3dis(raw, out, on_remark=said.append)
    assert read(out, 'points').reshape(-1, 6).tolist() == typed.POINTS
    assert remarks(report) == [
        "ignored 'Annotations/wall_3 (1).txt', 'of_fice_1.txt'",
        'stairs_1.txt counts as clutter',
        "Annotations/ceiling_1.txt, line 1, column 24: byte 0x00 read as ' '",
    ]
    assert 'Area_1: ignored notes.pdf' in said
    written = (out / 's3dis_repairs.txt').read_text()
    assert f"{ROOM}: Annotations/ceiling_1.txt, line 1, column 24: byte 0x00 read as ' '" in written
    assert 'Area_5_WC_1: stairs_1.txt counts as clutter' in written
    assert all(remark in written for remark in said)
    assert contents(raw) == before
    prepare_s3dis(raw, out, areas=[5])
    assert (out / 's3dis_repairs.txt').read_text() == written


def test_carriage_returns_are_read(raw, out):
    crlf = {name: text.replace('\n', '\r\n') for name, text in typed.ANNOTATIONS.items()}
    typed.write_room(raw, annotations=crlf)
    report = prepare_s3dis(raw, out)
    assert read(out, 'points').reshape(-1, 6).tolist() == typed.POINTS
    assert 'Annotations/chair_2.txt, lines end with CR LF' in remarks(report)


CHAIR = '-21.000 38.500 0.500 1 2 3\n'


@pytest.mark.parametrize(
    'content, message',
    [
        ('', 'chair_1.txt: no points'),
        (f'{CHAIR}\n-21.0 38.5 0.5 1 2\n', 'chair_1.txt: line 3 has 5 columns'),
        (f'{CHAIR}-21.0 38.5 0.5 1 2 3 4\n', 'chair_1.txt: line 2 has 7 columns'),
        (f'{CHAIR}-21.0 38.5 nan 1 2 3\n', "chair_1.txt: line 2 holds 'nan'"),
        (f'{CHAIR}-21.0 38.5 o.5 1 2 3\n', "chair_1.txt: line 2 holds 'o.5'"),
        (
            f'{CHAIR}\n-21.0 38.5 0.5 1 256 3\n',
            'chair_1.txt: line 3 has the colour [1.0, 256.0, 3.0]',
        ),
        (f'{CHAIR}-21.0 38.5 0.5 -1 2 3\n', 'chair_1.txt: line 2 has the colour'),
        (f'{CHAIR}-21.0 38.5 0.5 1 2 3.5\n', 'chair_1.txt: line 2 has the colour [1.0, 2.0, 3.5]'),
    ],
)
def test_a_broken_file_is_named_and_the_other_rooms_are_converted(raw, out, content, message):
    typed.write_room(raw, chair_1=content)
    report = prepare_s3dis(raw, out)
    assert states(report) == {
        ROOM: 'failed',
        'Area_1_office_2': 'converted',
        'Area_5_WC_1': 'converted',
    }
    assert message in remarks(report)[0] and 'Download the file again' in remarks(report)[0]
    assert report.incomplete == ['Area_1'] and [p.name for p in report.infos] == [
        's3dis_infos_Area_5.pkl'
    ]
    assert not (out / 'points' / f'{ROOM}.bin').exists()
    typed.write_room(raw)
    assert states(prepare_s3dis(raw, out))[ROOM] == 'converted' and info_of(out)


def test_empty_and_missing_annotations_are_named(raw, out):
    for path in (raw / 'Area_1/office_1/Annotations').iterdir():
        path.unlink()
    shutil.rmtree(raw / 'Area_1/office_2/Annotations')
    report = prepare_s3dis(raw, out)
    assert 'office_1/Annotations: no annotation' in remarks(report)[0]
    assert 'office_2/Annotations: no such folder' in remarks(report, 'Area_1_office_2')[0]


def test_several_processes_write_the_same(raw, tmp_path):
    for workers in (1, 2):
        prepare_s3dis(raw, tmp_path / f'out{workers}', workers=workers)
    assert contents(tmp_path / 'out1') == contents(tmp_path / 'out2')
