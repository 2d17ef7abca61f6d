# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import dataclasses
import re
from collections import Counter

import numpy as np
import pytest

from made_rooms import FAULTS, S3DIS_OPTIONS, S3DISRoom, make_s3dis_room, synthesize_s3dis
from made_rooms.writers import s3dis as s3dis_writer
from made_rooms.writers.generate import plan_rooms
from made_rooms.writers.s3dis import object_names, write_room
from made_rooms.writers.s3dis_room import ROOM_NAMES

TINY = dataclasses.replace(
    S3DIS_OPTIONS, spacing=0.09, area=(8.0, 14.0), objects=(5, 10), clutter=(3, 6), frames=60
)
CLASSES = {
    'ceiling',
    'floor',
    'wall',
    'beam',
    'column',
    'window',
    'door',
    'table',
    'chair',
    'sofa',
    'bookcase',
    'board',
    'clutter',
}
ROOM = S3DISRoom(
    np.array([[-1500, 20, 3], [0, -7, 1000], [1, 2, 3], [9, 9, 9]]),
    np.array([[0, 128, 255], [1, 2, 3], [4, 5, 6], [7, 8, 9]], np.uint8),
    np.array([1, 0, 1, -1]),
    ['chair', 'wall'],
    90,
)


def contents(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob('*') if p.is_file()}


def test_files_hold_what_the_room_holds(tmp_path):
    write_room(ROOM, tmp_path / 'Area_1' / 'office_3', release='aligned')
    assert contents(tmp_path) == {
        'Area_1/office_3/office_3.txt': b'-1.500 0.020 0.003 0 128 255\n'
        b'0.000 -0.007 1.000 1 2 3\n0.001 0.002 0.003 4 5 6\n'
        b'0.009 0.009 0.009 7 8 9\n',
        'Area_1/office_3/Annotations/chair_1.txt': b'0.000 -0.007 1.000 1 2 3\n',
        'Area_1/office_3/Annotations/wall_1.txt': b'-1.500 0.020 0.003 0 128 255\n'
        b'0.001 0.002 0.003 4 5 6\n',
    }
    write_room(ROOM, tmp_path / 'b' / 'office_3', release='v1.2')
    assert (tmp_path / 'b/office_3/Annotations/chair_1.txt').read_bytes() == (
        b'0.000 -0.007 1.000 1.000000 2.000000 3.000000\n'
    )


def test_objects_are_numbered_within_their_class():
    assert object_names(['wall', 'chair', 'wall', 'wall']) == [
        'wall_1',
        'chair_1',
        'wall_2',
        'wall_3',
    ]


def test_a_full_disk_leaves_no_half_written_room(tmp_path, monkeypatch):
    def full(*args):
        raise OSError('No space left on device')

    monkeypatch.setattr(s3dis_writer, 'object_names', full)
    with pytest.raises(OSError, match='No space'):
        write_room(ROOM, tmp_path / 'office_1', release='aligned')
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope='module')
def rooms():
    programs = [program for _, _, program in plan_rooms(14, tuple(ROOM_NAMES))]
    options = [dataclasses.replace(TINY, programs=(program,)) for program in programs]
    return [make_s3dis_room((0, k), own, aligned=True) for k, own in enumerate(options)]


def test_few_rooms_hold_all_classes_and_are_closed(rooms):
    assert set().union(*(room.classes for room in rooms)) == CLASSES
    for room in rooms:
        count = Counter(room.classes)
        assert count['ceiling'] == count['floor'] == 1 and count['wall'] >= 3
        sizes = np.bincount(room.owner[room.owner >= 0], minlength=len(room.classes))
        assert sizes.min() >= 20 and (room.owner < 0).mean() < 0.15
        # A tripod sees the ceiling as well as the floor; a hand-held camera sees little of it.
        sizes = dict(zip(object_names(room.classes), sizes.tolist()))
        assert sizes['ceiling_1'] > 0.5 * sizes['floor_1']


def test_aligned_rooms_are_parallel_to_the_axes_and_others_turned():
    for k in range(3):
        aligned, turned = (make_s3dis_room(k, TINY, aligned=a) for a in (True, False))
        assert aligned.angle == turned.angle
        centre = aligned.coords[0] / 1000
        angle = np.deg2rad(turned.angle)
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        ours = (aligned.coords / 1000 - centre)[:, :2] @ matrix.T
        theirs = ((turned.coords - turned.coords[0]) / 1000)[:, :2]
        np.testing.assert_allclose(ours, theirs, atol=0.003)
        assert (aligned.classes, aligned.owner.tolist()) == (turned.classes, turned.owner.tolist())


def test_plan_gives_each_area_all_types_of_rooms_and_no_name_twice():
    plan = plan_rooms(84, tuple(ROOM_NAMES))
    assert len({(area, name) for area, name, _ in plan}) == 84
    kinds = {(area, re.match('[A-Za-z]+', name)[0]) for area, name, _ in plan}
    assert kinds == {(f'Area_{k}', name) for k in range(1, 7) for name in ROOM_NAMES.values()}
    with pytest.raises(ValueError, match='programs'):
        plan_rooms(3, ('Apartment',))


@pytest.fixture(scope='module')
def spoilt(tmp_path_factory):
    """Write seven rooms with one fault each."""
    root = tmp_path_factory.mktemp('spoilt')
    synthesize_s3dis(root, 7, seed=0, options=TINY, faults=tuple(FAULTS))
    return root


def test_same_seed_same_bytes_whatever_the_number_of_workers(spoilt, tmp_path):
    names = synthesize_s3dis(
        tmp_path / 'b', 7, seed=0, options=TINY, faults=tuple(FAULTS), workers=2
    )
    assert names == {
        'Area_1': ['office_1', 'WC_1'],
        'Area_2': ['lounge_1'],
        'Area_3': ['office_1'],
        'Area_4': ['storage_1'],
        'Area_5': ['pantry_1'],
        'Area_6': ['office_1'],
    }
    synthesize_s3dis(tmp_path / 'c', 1, seed=1, options=TINY)
    one, two, other = (contents(folder) for folder in (spoilt, tmp_path / 'b', tmp_path / 'c'))
    assert one == two
    wall = 'Area_1/office_1/Annotations/wall_1.txt'
    assert one[wall] != other[wall] != one[wall.replace('Area_1', 'Area_3')]


def test_release_1_2_comes_with_angles_and_nothing_says_that_rooms_are_made(tmp_path):
    synthesize_s3dis(tmp_path, 7, seed=0, options=TINY, release='v1.2')
    files = contents(tmp_path)
    angles = files['Area_1/Area_1_alignmentAngle.txt'].decode().splitlines()
    assert angles[0].startswith('##') and angles[1].startswith('##')
    assert [line.split()[0] for line in angles[2:]] == ['WC_1', 'office_1']
    for text in files.values():
        assert not any(w in text[:2000] for w in (b'synth', b'made', b'insseg', b'queryis'))


def test_faults_are_planted_and_aligned_rooms_have_no_angles(spoilt, tmp_path):
    synthesize_s3dis(tmp_path, 7, seed=0, options=TINY)
    good, bad = contents(tmp_path), contents(spoilt)
    assert not any('alignmentAngle' in name for name in good)
    assert set(bad) - set(good) == {
        'Area_3/office_1/Annotations/wall_3 (1).txt',
        'Area_4/storage_1/Annotations/stairs_1.txt',
        'Area_6/office_1/of_fice_1.txt',
    }
    changed = {name for name in good if name in bad and good[name] != bad[name]}
    assert changed == {
        'Area_1/office_1/Annotations/ceiling_1.txt',
        'Area_2/lounge_1/Annotations/floor_1.txt',
        'Area_5/pantry_1/pantry_1.txt',
        'Area_1/WC_1/Annotations/floor_1.txt',
    }
    ceiling = 'Area_1/office_1/Annotations/ceiling_1.txt'
    assert bad[ceiling].count(b'\0') == 1
    assert bad[ceiling].replace(b'\0', b' ') == good[ceiling]
    floor = 'Area_1/WC_1/Annotations/floor_1.txt'
    assert bad[floor].replace(b'\r\n', b'\n') == good[floor]


def test_rooms_are_not_replaced_unasked(tmp_path):
    synthesize_s3dis(tmp_path, 1, seed=0, options=TINY)
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match='office_1'):
        synthesize_s3dis(tmp_path, 2, seed=1, options=TINY)
    assert contents(tmp_path) == before
    synthesize_s3dis(tmp_path, 1, seed=1, options=TINY, overwrite=True)
    assert contents(tmp_path) != before
    with pytest.raises(ValueError, match="release: found 'v2'"):
        synthesize_s3dis(tmp_path, 1, seed=1, options=TINY, release='v2')
