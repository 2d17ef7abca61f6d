# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Files in the dialects of other programs result in the right points or in one clear line."""

import struct

import numpy as np
import pytest
import torch
from plyfile import PlyData, PlyElement

from insseg_scans import read_scan, scan_of
from insseg_scans.errors import RawDataError

from .writers import write_las, write_ply

RANDOM = np.random.default_rng(0)
XYZ = RANDOM.integers(0, 4096, (20, 3)) / 1024
RGB = RANDOM.integers(0, 256, (20, 3)).astype(np.uint8)
TABLE = np.c_[XYZ, RGB]


def check(path, colors=RGB):
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.coords, XYZ)
    if colors is None:
        assert scan.colors is None
    else:
        np.testing.assert_array_equal(scan.colors, colors)


def refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(RawDataError, match=message) as caught:
        read_scan(path)
    assert '\n' not in str(caught.value) and 'fault of the program' not in str(caught.value)


@pytest.mark.parametrize('order', '<>')
@pytest.mark.parametrize('text', [False, True])
def test_ply_with_normals_first_blue_first_and_strips_behind(tmp_path, order, text):
    kinds = [
        ('nx', 'f4'),
        ('ny', 'f4'),
        ('nz', 'f4'),
        ('blue', 'u1'),
        ('green', 'u1'),
        ('red', 'u1'),
        ('z', 'f8'),
        ('y', 'f8'),
        ('x', 'f8'),
        ('quality', 'f4'),
    ]
    rows = np.zeros(20, kinds)
    for k, (axis, channel) in enumerate(zip('xyz', ('red', 'green', 'blue'))):
        rows[axis], rows[channel] = XYZ[:, k], RGB[:, k]
    quads = np.array([([0, 1, 2, 3],), ([3, 2, 1],)], dtype=[('vertex_indices', 'O')])
    strips = np.array([([0, 1, 2, -1, 4],)], dtype=[('vertex_indices', 'O')])
    elements = [
        PlyElement.describe(rows, 'vertex'),
        PlyElement.describe(quads, 'face'),
        PlyElement.describe(strips, 'tristrips'),
    ]
    PlyData(elements, text=text, byte_order=order, comments=['from a phone']).write(
        str(tmp_path / 'made.ply')
    )
    content = (tmp_path / 'made.ply').read_bytes()
    (tmp_path / 'made.ply').write_bytes(content.replace(b'from a phone', 'in Köln'.encode(), 1))
    check(tmp_path / 'made.ply')


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda c: b'\xef\xbb\xbf' + c, 'no complete PLY header'),
        (lambda c: c.replace(b'end_header\n', b'end_header\n\n'), "vertex 0 reads ''"),
        (lambda c: c.replace(b'.5 ', b',5 '), 'vertex 0 reads'),
        (lambda c: c.replace(b'property float x', b'property int64 x'), 'header line'),
        (
            lambda c: c.replace(
                b'element vertex', b'element camera 0\nproperty int id\nelement vertex'
            ),
            "'vertex' as the first",
        ),
        (lambda c: c.replace(b'face 1', b'face 11'), 'cut off'),
        (lambda c: c.replace(b'0.5', b'0.\x005'), 'vertex 0 reads'),
    ],
)
def test_ply_that_is_odd_in_one_way(tmp_path, change, message):
    content = (
        b'ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\n'
        b'property float z\nelement face 1\nproperty list uchar int vertex_indices\n'
        b'end_header\n0.5 1 2\n1 2 3\n2 3 4\n3 0 1 2\n'
    )
    (tmp_path / 'whole.ply').write_bytes(content)
    assert len(read_scan(tmp_path / 'whole.ply').coords) == 3
    refused(tmp_path / 'scan.ply', change(content), message)


def write_pcd(path, fields, kind='binary'):
    """Write a PCD file with fields (name, type, columns of values)."""
    sizes = {'f4': ('4', 'F'), 'f8': ('8', 'F'), 'u1': ('1', 'U'), 'u2': ('2', 'U')}
    rows = np.zeros(
        20,
        [(f'{k}{name}', code, values.shape[1:]) for k, (name, code, values) in enumerate(fields)],
    )
    for field, (_, _, values) in zip(rows.dtype.names, fields):
        rows[field] = values
    counts = [int(np.prod(values.shape[1:], dtype=int)) for *_, values in fields]
    head = [
        '# .PCD v0.7 - Point Cloud Data file format',
        'VERSION 0.7',
        'FIELDS ' + ' '.join(name for name, *_ in fields),
        'SIZE ' + ' '.join(sizes[code][0] for _, code, _ in fields),
        'TYPE ' + ' '.join(sizes[code][1] for _, code, _ in fields),
        'COUNT ' + ' '.join(map(str, counts)),
        'WIDTH 20',
        'HEIGHT 1',
        'VIEWPOINT 0 0 0 1 0 0 0',
        'POINTS 20',
        f'DATA {kind}',
        '',
    ]
    path.write_bytes('\n'.join(head).encode() + rows.tobytes())


def test_pcd_with_padding_and_fields_of_a_lidar(tmp_path):
    pytest.importorskip('pypcd4')
    axes = [(axis, 'f4', XYZ[:, k]) for k, axis in enumerate('xyz')]
    more = [
        ('intensity', 'f4', XYZ[:, 0]),
        ('ring', 'u2', RGB[:, 0]),
        ('timestamp', 'f8', XYZ[:, 1]),
    ]
    write_pcd(tmp_path / 'padded.pcd', [*axes, ('_', 'u1', np.zeros((20, 4)))])
    check(tmp_path / 'padded.pcd', None)
    write_pcd(tmp_path / 'lidar.pcd', [*axes, *more])
    check(tmp_path / 'lidar.pcd', None)
    assert read_scan(tmp_path / 'lidar.pcd').names == (
        'x',
        'y',
        'z',
        'intensity',
        'ring',
        'timestamp',
    )
    apart = [(name, 'u1', RGB[:, k]) for k, name in enumerate('rgb')]
    write_pcd(tmp_path / 'apart.pcd', [*axes, *apart, *more])
    check(tmp_path / 'apart.pcd')


@pytest.mark.parametrize(
    'hole, value',
    [
        ('nan', np.nan),
        ('-nan(ind)', np.nan),
        ('-1.#IND', np.nan),
        ('1.#QNAN0', np.nan),
        ('-1.#INF', -np.inf),
        ('inf', np.inf),
    ],
)
@pytest.mark.parametrize('name', ['scan.pcd', 'scan.obj', 'scan.ply', 'scan.txt', 'scan.csv'])
def test_holes_are_kept_in_every_format_of_text(tmp_path, name, hole, value):
    if name == 'scan.pcd':
        pytest.importorskip('pypcd4')
    rows = [f'1 2 {hole}', f'{hole} 5 6', '7 8 9']
    head = {
        'scan.pcd': '# .PCD v0.7\nVERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\n'
        'WIDTH 3\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS 3\nDATA ascii\n',
        'scan.ply': 'ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\n'
        'property float y\nproperty float z\nend_header\n',
    }.get(name, '')
    if name == 'scan.obj':
        rows = [f'v {row}' for row in rows]
    if name == 'scan.csv':
        rows = [row.replace(' ', ',') for row in rows]
    (tmp_path / name).write_text(head + '\n'.join(rows) + '\n')
    np.testing.assert_array_equal(
        read_scan(tmp_path / name).coords, [(1, 2, value), (value, 5, 6), (7, 8, 9)]
    )


def test_las_without_colours_and_in_centimetres(tmp_path):
    laspy = pytest.importorskip('laspy')
    las = laspy.LasData(laspy.LasHeader(point_format=0, version='1.2'))
    las.header.scales = [0.01] * 3
    las.x, las.y, las.z = XYZ.T
    las.write(tmp_path / 'scan.las')
    scan = read_scan(tmp_path / 'scan.las')
    assert scan.colors is None and 'intensity' in scan.names
    assert np.abs(scan.coords - XYZ).max() <= 0.0051
    write_las(tmp_path / 'colours.las', TABLE)
    np.testing.assert_array_equal(read_scan(tmp_path / 'colours.las').colors, RGB * np.uint16(257))


BAD_TEXTS = {
    'leica.pts': ('2\n1 2 3 -1034 10 20 30\n1 2 4 -1034 10 20 30\n', '7 columns without names'),
    'two.pts': ('2\n1 2 3 10 20 30\n1 2 4 10 20 30\n1\n1 2 3 10 20 30\n', 'line 4 has 1 columns'),
    'classes.txt': ('1 2 3 chair\n2 3 4 table\n', "line 1 reads '1 2 3 chair'"),
    'quoted.csv': ('x,y,z\n"1","2","3"\n', 'line 2 has numbers in quotes'),
    'semicolons.csv': ('1;2;3;\n2;3;4;\n', "lines that end with ';'"),
    'commas.txt': ('1,5\t2,5\t3,5\n', 'decimal commas'),
}


@pytest.mark.parametrize('name', BAD_TEXTS)
def test_text_that_is_odd_in_one_way(tmp_path, name):
    refused(tmp_path / name, BAD_TEXTS[name][0].encode(), BAD_TEXTS[name][1])


def test_text_of_sixteen_bits(tmp_path):
    refused(tmp_path / 'scan.txt', '1 2 3\n2 3 4\n'.encode('utf-16'), '16 bits')
    refused(tmp_path / 'scan.csv', '1,2,3\n2,3,4\n'.encode('utf-16-be'), '16 bits')


@pytest.mark.parametrize(
    'above', ['20\n//X Y Z R G B\n', '# X Y Z R G B\n20\n', '\ufeffx y z r g b\n']
)
def test_counts_comments_and_names_above(tmp_path, above):
    rows = '\n'.join(' '.join(map(str, row)) for row in TABLE.tolist())
    (tmp_path / 'scan.xyz').write_text(above + rows)
    check(tmp_path / 'scan.xyz')


def test_e57(tmp_path):
    refused(tmp_path / 'scan.e57', b'ASTM-E57' + bytes(100), "ending '.e57'; expected .ply")


def test_obj_with_colours_of_floats(tmp_path):
    (tmp_path / 'scan.obj').write_text(
        '\n'.join('v ' + ' '.join(map(str, row)) for row in np.c_[XYZ, RGB / 255].tolist())
    )
    scan = read_scan(tmp_path / 'scan.obj')
    np.testing.assert_array_equal(np.round(scan.colors * 255), RGB)
    refused(tmp_path / 'continued.obj', b'v 1 2 \\\n3\nv 1 2 4\n', 'line 1 reads')
    refused(tmp_path / 'some.obj', b'v 1 2 3 0 0 1\nv 1 2 4\n', r'vertices of \[3, 6\] numbers')


@pytest.mark.parametrize(
    'points',
    [
        TABLE.astype(np.float16),
        TABLE.round().astype(np.int32),
        np.asfortranarray(TABLE),
        TABLE[::-2],
        torch.from_numpy(TABLE).requires_grad_(),
        TABLE.astype('>f8'),
        TABLE.tolist(),
        TABLE[:1],
        np.repeat(TABLE[:1], 9, axis=0),
    ],
)
def test_arrays_of_any_kind(points):
    expected = np.asarray(points.detach() if torch.is_tensor(points) else points)
    scan = scan_of(points)
    np.testing.assert_array_equal(scan.coords, expected[:, :3])
    np.testing.assert_array_equal(scan.colors, expected[:, 3:])


def test_an_array_that_may_not_be_written():
    points = TABLE.copy()
    points.setflags(write=False)
    np.testing.assert_array_equal(scan_of(points).coords, XYZ)


def test_names_in_capitals_and_other_folders(tmp_path):
    folder = tmp_path / 'a b # % ? [1] "q" ü'
    folder.mkdir()
    write_ply(folder / 'SCAN.PLY', TABLE)
    check(folder / 'SCAN.PLY')


def test_glb_of_version_one(tmp_path):
    pytest.importorskip('trimesh')
    refused(tmp_path / 'scan.glb', b'glTF' + struct.pack('<4I', 1, 20, 0, 0), 'glTF 1; expected')


@pytest.mark.parametrize(
    'columns, note',
    [
        (np.c_[XYZ, RGB, np.ones(20)], None),
        (np.c_[XYZ, RGB, np.full(20, 255)], None),
        (np.c_[XYZ, RGB, np.arange(20)], 'and opacity'),
        (np.c_[XYZ, np.ones(20), RGB], None),
        (np.c_[XYZ, np.ones(20), RGB[:, :2], np.ones(20)], 'w r g b'),
    ],
)
def test_seventh_number_of_an_obj_is_weight_or_opacity(tmp_path, columns, note):
    lines = ['v ' + ' '.join(f'{value:.12g}' for value in row) for row in columns]
    (tmp_path / 'made.obj').write_text('\n'.join(lines))
    check(tmp_path / 'made.obj', columns[:, 4:] if (columns[:, 3] == 1).all() else RGB)
    notes = read_scan(tmp_path / 'made.obj').notes
    assert not notes if note is None else note in notes[0]


def test_a_comment_does_not_end_the_header_of_a_ply(tmp_path):
    write_ply(tmp_path / 'made.ply', TABLE)
    content = (tmp_path / 'made.ply').read_bytes()
    odd = content.replace(b'element', b'comment no end_header yet\nelement', 1)
    assert odd != content
    (tmp_path / 'made.ply').write_bytes(odd)
    check(tmp_path / 'made.ply')
