# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Broken, odd and hostile files result in one clear line or in the right points."""

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from insseg_scans import Assumptions, look_at, read_scan, reading
from insseg_scans.errors import RawDataError

RANDOM = np.random.default_rng(0)
ROOM = np.c_[RANDOM.random((200, 3)) * (4, 5, 2.5), RANDOM.integers(0, 256, (200, 3))]
XYZ = 'property float x\nproperty float y\nproperty float z\n'
RGB = 'property uchar red\nproperty uchar green\nproperty uchar blue\n'


def ply(count=200, *, properties=XYZ, kind='binary_little_endian', body=None, element='vertex'):
    header = f'ply\nformat {kind} 1.0\nelement {element} {count}\n{properties}end_header\n'
    if body is None:
        body = ROOM[:, :3].astype('<f4').tobytes()
    return header.encode() + body


def text(points):
    return '\n'.join(' '.join(map(str, row)) for row in points).encode()


def floats(array):
    return array.astype('<f4').tobytes()


def npy(array, **kwargs):
    file = io.BytesIO()
    np.save(file, array, **kwargs)
    return file.getvalue()


def npz(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


class Panic(BaseException):
    """An error like a panic in Rust."""


class Bomb:
    """An object that creates a file when it is unpickled."""

    def __reduce__(self):
        return os.system, ('touch was_executed',)


def npz_bomb():
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
        with archive.open('points.npy', 'w', force_zip64=True) as member:
            for _ in range(300):
                member.write(bytes(2**20))
    return file.getvalue()


def zipped(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as archive:
        for name in names:
            archive.writestr(name, bytes(500))
    return file.getvalue()


def laz_of_chunks(chunks, place=383):
    """Make a LAZ header, the position of the table of chunks, and the start of the table."""
    head = las_header(100, compressed=True)
    return head + struct.pack('<q2I', place, 0, chunks) + struct.pack('<q', 383)


def las_header(points, *, size=375, kind=0, record=20, compressed=False):
    """Make a LAS 1.4 header without any data."""
    header = bytearray(size)
    header[:4] = b'LASF'
    header[24:26] = bytes((1, 4))
    struct.pack_into('<HIIBH', header, 94, size, size, 0, kind | (128 if compressed else 0), record)
    struct.pack_into('<I', header, 107, min(points, 2**32 - 1))
    struct.pack_into('<6d', header, 131, 1, 1, 1, 0, 0, 0)
    struct.pack_into('<Q', header, 247, points)
    return bytes(header)


def pcd(points=200, data='binary', body=b''):
    return (
        f'# .PCD v0.7\nVERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\n'
        f'WIDTH {points}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {points}\n'
        f'DATA {data}\n'
    ).encode() + body


def changed(**columns):
    points = ROOM.copy()
    for column, value in columns.items():
        points[:, int(column[1:])] = value
    return points


def some_nan(count):
    points = ROOM.copy()
    points[:count, 1] = np.nan
    return points


# Name, content, and either a part of the message or the number of points passed to the model.
CASES = [
    ('empty.ply', b'', 'an empty file'),
    ('empty.txt', b'', 'an empty file'),
    ('empty.npy', b'', 'an empty file'),
    ('empty.npz', b'', 'an empty file'),
    ('empty.bin', b'', 'an empty file'),
    ('empty.las', b'', 'an empty file'),
    ('empty.pcd', b'', 'an empty file'),
    ('empty.obj', b'', 'an empty file'),
    ('empty.glb', b'', 'an empty file'),
    ('header_only.ply', ply(body=b''), 'cut off'),
    ('no_vertices.ply', ply(0, body=b''), 'none with finite'),
    ('half_a_header.ply', ply()[:40], 'no complete PLY header'),
    ('truncated.ply', ply()[:-100], 'cut off'),
    ('wrong_count.ply', ply(10**9), 'cut off'),
    ('huge_count.ply', ply(10**30), 'cut off'),
    ('negative_count.ply', ply(-5), 'header line'),
    ('unknown_type.ply', ply(properties=XYZ.replace('float x', 'half x')), 'header line'),
    ('no_z.ply', ply(properties=XYZ.replace(' z', ' w')), 'z among them'),
    ('twice_x.ply', ply(properties=XYZ.replace(' z', ' x')), 'twice'),
    ('faces_first.ply', ply(element='face'), "'vertex' as the first"),
    ('listed.ply', ply(properties='property list uchar int x\n'), 'list property'),
    ('two_colours.ply', ply(1, properties=XYZ + RGB[:-21], body=bytes(14)), 'three or none'),
    ('words.ply', ply(1, kind='ascii', body=b'a b c\n'), "reads 'a b c'"),
    ('short_rows.ply', ply(2, kind='ascii', body=b'1 2 3\n1 2\n'), 'vertex 1'),
    ('ascii_cut.ply', ply(200, kind='ascii', body=text(ROOM[:100, :3])), 'cut off'),
    ('other_format.ply', ply(kind='zipped'), 'header line'),
    ('more_than_said.ply', ply(100), 100),
    ('big.ply', ply(kind='binary_big_endian', body=ROOM[:, :3].astype('>f4').tobytes()), 200),
    ('nan.ply', ply(body=some_nan(7)[:, :3].astype('<f4').tobytes()), 193),
    ('all_nan.ply', ply(body=some_nan(200)[:, :3].astype('<f4').tobytes()), 'none with finite'),
    ('infinite.npy', npy(np.where(ROOM == ROOM[0, 0], np.inf, ROOM)), 199),
    ('all_zero.npy', npy(np.zeros((50, 6))), 50),
    ('one_point.txt', b'1 2 3\n', 1),
    ('two_points.xyz', b'1 2 3\n1 2 4\n', 2),
    ('collinear.npy', npy(np.outer(np.arange(80.0), (0.01, 0, 0))), 80),
    ('far.npy', npy(changed(c0=ROOM[:, 0] + 1e9)), 200),
    ('stray.npy', npy(np.r_[ROOM, [[1e9, 0, 0, 0, 0, 0]]]), 'from end to end'),
    ('largest.npy', npy(np.r_[ROOM, [[1e300, 0, 0, 0, 0, 0]]]), 'from end to end'),
    ('negative_colours.npy', npy(changed(c3=-1.0)), 'colours from -1'),
    ('loud_colours.npy', npy(changed(c3=1e6)), 'colours from'),
    ('nan_colours.npy', npy(changed(c4=np.nan)), 'colours from nan'),
    ('pickled.npy', npy(np.array([Bomb()], dtype=object), allow_pickle=True), 'Python objects'),
    ('bare_pickle.npy', pickle.dumps(Bomb()), 'cannot be read'),
    ('pickled.npz', npz(points=np.array([Bomb()], dtype=object)), 'Python objects'),
    ('truncated.npy', npy(ROOM)[:-500], 'cannot be read'),
    ('lying_shape.npy', npy(ROOM).replace(b'(200, 6)', b'(9999999999, 6)'), 'cannot be read'),
    ('flat.npy', npy(ROOM.ravel()), 'shape'),
    ('words.npy', npy(np.array([['a', 'b', 'c']])), 'numbers'),
    ('complex.npy', npy(ROOM[:, :3].astype(complex)), 'numbers'),
    ('bomb.npz', npz_bomb(), 'announce'),
    ('truncated.npz', npz(points=ROOM)[:-60], 'whole file'),
    ('other_arrays.npz', npz(image=np.zeros((4, 4, 3)), mask=np.zeros(4)), 'coordinates called'),
    ('notes.npz', zipped('notes.txt'), 'a zip archive without .npy files'),
    ('scans.ply', zipped('room.ply'), 'a zip archive without .npy files'),
    ('phone.usdz', zipped('model.usdc'), "ending '.usdz' is not read: a zip archive without .npy"),
    ('map.kmz', zipped('doc.kml', 'scan.ply'), "ending '.kmz' is not read: a zip archive"),
    ('broken.zip', b'PK\x03\x04' + bytes(300), "ending '.zip' is not read"),
    ('scan.ply.gz', b'\x1f\x8b\x08' + bytes(30), "ending '.gz' is not read: packed by gzip"),
    ('packed.ply', b'\x1f\x8b\x08' + bytes(30), 'packed by gzip'),
    ('scan.7z', b'7z\xbc\xaf\x27\x1c' + bytes(30), "ending '.7z' is not read: a 7z archive"),
    ('pointer.ply', b'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', 'Git LFS'),
    ('not_a_zip.npz', b'PK\x03\x04' + bytes(300), 'whole file'),
    ('letters.txt', b'x y z\n1 2 three\n', 'three'),
    ('uneven.csv', b'x,y,z\n1,2,3\n4,5\n', 'line 3'),
    ('binary.txt', bytes(range(256)) * 20, ''),
    ('seven.pts', b'3\n1 2 3 4 5 6 7\n', '7 columns without names'),
    ('wide.bin', np.arange(7, dtype=np.float32).tobytes(), '28 bytes'),
    ('four_columns.bin', floats(ROOM[:198, :4]), 'columns 4 to 6 hold fractions from'),
    ('negative_colours.bin', floats(changed(c3=-1.0)), 'columns 4 to 6 hold from -1'),
    ('loud_colours.bin', floats(changed(c3=256)), 'columns 4 to 6 hold from 0 to 256'),
    ('normals.bin', floats(ROOM - (0, 0, 0, 127.5, 127.5, 127.5)), 'columns 4 to 6'),
    ('six_columns.bin', floats(ROOM), 200),
    ('fractions.bin', floats(ROOM / (1, 1, 1, 255, 255, 255)), 200),
    ('dark.bin', floats(changed(c3=0, c4=0, c5=0)), 200),
    ('nan.bin', floats(some_nan(7)), 193),
    ('a_ply.txt', ply(), 200),
    ('a_npy.ply', npy(ROOM), 200),
    ('scan.docx', b'words', "ending '.docx'"),
    ('scan', b'1 2 3\n', "ending ''"),
    ('header.las', las_header(10**6), 'cut off'),
    ('bomb.laz', las_header(10**12, compressed=True), ''),
    ('chunks.laz', laz_of_chunks(2**32 - 1), '4294967295 chunks'),
    ('chunks_at_end.laz', laz_of_chunks(2**31, -1), '2147483648 chunks'),
    ('chunks_nowhere.laz', laz_of_chunks(1, 2**40), 'no table of chunks'),
    ('short.las', b'LASF' + bytes(20), ''),
    ('text.las', b'1 2 3\n', 'no LAS header'),
    ('cut.pcd', pcd(body=bytes(100)), 'cut off'),
    ('bomb.pcd', pcd(10**10, 'binary_compressed', bytes(8)), 'announce'),
    ('no_header.pcd', b'1 2 3\n', 'no complete PCD header'),
    ('ascii_cut.pcd', pcd(200, 'ascii', b'1 2 3\n'), 'cut off, 1 points'),
    ('one_point.pcd', pcd(1, 'ascii', b'1 2 3\n'), 1),
    ('words.obj', b'v 1 2 a\n', 'line 1 reads'),
    ('faces_only.obj', b'f 1 2 3\n', '0 vertices'),
    ('refers.obj', b'mtllib ../../secret.mtl\nv 0 0 0\nv 3 4 2\n', 2),
    ('header.glb', b'glTF' + struct.pack('<II', 2, 12), ''),
    ('huge_chunk.glb', b'glTF' + struct.pack('<IIII', 2, 2**31, 2**31, 0x4E4F534A), ''),
]


@pytest.mark.parametrize('name, content, expected', CASES, ids=[case[0] for case in CASES])
def test_a_clear_line_or_the_right_points(name, content, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.write_bytes(content)
    if name == 'one_point.pcd':
        pytest.importorskip('pypcd4')
    if name.startswith('chunks'):
        pytest.importorskip('lazrs')
    if isinstance(expected, int):
        ready = look_at(read_scan(path), voxel_size=0.02)
        assert len(ready.points) == expected and np.isfinite(ready.points).all()
        assert ready.points[:, 3:].min() >= 0 and ready.points[:, 3:].max() <= 255
    else:
        with pytest.raises(RawDataError) as caught:
            look_at(read_scan(path), voxel_size=0.02)
        message = str(caught.value)
        assert expected in message or 'is not installed' in message
        assert str(path) in message and '\n' not in message
        assert '; expected ' in message and len(message) < 1000
        assert 'fault of the program' not in message and "' object" not in message
    assert not (tmp_path / 'was_executed').exists()


def test_there_are_sixty():
    assert len({case[0] for case in CASES}) >= 60


def _directory(path):
    path.mkdir()


def _symlink_loop(path):
    path.symlink_to(path)


def _pipe(path):
    os.mkfifo(path)


def _device(path):
    path.symlink_to('/dev/zero')


def _dangling(path):
    path.symlink_to('nothing')


@pytest.mark.parametrize('make', [_directory, _symlink_loop, _pipe, _device, _dangling, None])
def test_what_is_no_file(make, tmp_path):
    path = tmp_path / 'scan.ply'
    if make:
        make(path)
    with pytest.raises(RawDataError, match=r'scan\.ply: .*; expected'):
        read_scan(path)


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_a_file_that_may_not_be_read(tmp_path):
    path = tmp_path / 'scan.ply'
    path.write_bytes(ply())
    path.chmod(0)
    with pytest.raises(RawDataError, match='Permission denied'):
        read_scan(path)


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    path = tmp_path / 'scan.ply'
    path.write_bytes(ply())

    def refuse(*args, **kwargs):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(Path, 'read_bytes', refuse)
    with pytest.raises(RawDataError, match='Permission denied'):
        read_scan(path)


def test_colours_that_are_none_can_be_passed_over(tmp_path):
    (tmp_path / 'scan.npy').write_bytes(npy(changed(c3=-1.0)))
    scan = read_scan(tmp_path / 'scan.npy')
    ready = look_at(scan, Assumptions(color_range='none', up='z'))  # noise has no floor
    assert (ready.points[:, 3:] == 127.5).all() and not any(r.guessed for r in ready.remarks)


@pytest.mark.parametrize(
    'error',
    [
        TypeError("'NoneType' object is not subscriptable"),
        AttributeError('x'),
        NameError('x'),
        KeyError('x'),
        ZeroDivisionError(),
        AssertionError(),
    ],
)
def test_a_fault_of_ours_is_not_said_of_the_file(error, tmp_path, monkeypatch):
    (tmp_path / 'scan.ply').write_bytes(ply())

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(reading, 'read_table', fail)
    with pytest.raises(RawDataError, match='fault of the program, please report it') as caught:
        read_scan(tmp_path / 'scan.ply')
    message = str(caught.value)
    assert f'scan.ply: {type(error).__name__} in test_broken_files.py:' in message
    assert 'NoneType' not in message and caught.value.__cause__ is error


@pytest.mark.parametrize(
    'module, name', [('pypcd4', 'cloud.pcd'), ('laspy', 'cloud.las'), ('trimesh', 'mesh.obj')]
)
@pytest.mark.parametrize(
    'error, words',
    [
        (AttributeError("'NoneType' object has no attribute 'faces'"), '(AttributeError)'),
        (KeyError('x'), '(KeyError)'),
        (ValueError('bad scale'), '(bad scale)'),
        (Panic(), '(Panic)'),
    ],
)
def test_a_failing_reader_of_others_is_named(module, name, error, words, tmp_path, monkeypatch):
    library = pytest.importorskip(module)
    content = {
        'cloud.pcd': pcd(200, 'ascii', b''),
        'mesh.obj': b'v 0 0 0\n',
        'cloud.las': las_header(0),
    }[name]
    (tmp_path / name).write_bytes(content)

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(
        *{
            'pypcd4': lambda: (library.PointCloud, 'from_path'),
            'laspy': lambda: (library, 'open'),
            'trimesh': lambda: (library, 'load'),
        }[module](),
        fail,
    )
    with pytest.raises(RawDataError) as caught:
        read_scan(tmp_path / name, mesh_samples=10)
    assert f'{name}: cannot be read' in str(caught.value)
    assert f'{module} fails on it {words}' in str(caught.value)


def test_what_does_not_fit_into_memory(tmp_path, monkeypatch):
    (tmp_path / 'scan.ply').write_bytes(ply())

    def fail(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(reading, 'read_table', fail)
    with pytest.raises(RawDataError, match='more than the memory takes'):
        read_scan(tmp_path / 'scan.ply')


def test_las_points_in_one_place_that_announce_an_extent(tmp_path):
    laspy = pytest.importorskip('laspy')
    las = laspy.LasData(laspy.LasHeader(point_format=0, version='1.2'))
    las.x, las.y, las.z = ROOM[:, :3].T
    las.write(tmp_path / 'scan.las')
    content = bytearray((tmp_path / 'scan.las').read_bytes())
    struct.pack_into('<3d', content, 131, 0, 0, 0)  # scales
    (tmp_path / 'scan.las').write_bytes(content)
    with pytest.raises(RawDataError, match='200 points in one place; expected'):
        read_scan(tmp_path / 'scan.las')
