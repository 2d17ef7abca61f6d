# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insseg_scans.errors import RawDataError
from insseg_scans.points.ply import read_ply_vertices

KINDS = {
    'char': 'i1',
    'uchar': 'u1',
    'short': 'i2',
    'ushort': 'u2',
    'int': 'i4',
    'uint': 'u4',
    'float': 'f4',
    'double': 'f8',
    'int8': 'i1',
    'uint8': 'u1',
    'int16': 'i2',
    'uint16': 'u2',
    'int32': 'i4',
    'uint32': 'u4',
    'float32': 'f4',
    'float64': 'f8',
}
FORMATS = {'ascii': None, 'binary_little_endian': '<', 'binary_big_endian': '>'}


def values_of(kind):
    code = np.dtype(KINDS[kind])
    if code.kind == 'f':
        return st.floats(width=8 * code.itemsize, allow_nan=False, allow_infinity=False)
    limits = np.iinfo(code)
    return st.integers(int(limits.min), int(limits.max))


@st.composite
def tables(draw):
    """Draw a format, the (name, kind) of the properties, and rows."""
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=6))
    row = st.tuples(*(values_of(kind) for kind in kinds))
    names = [f'p{k}' for k in range(len(kinds))]
    rows = draw(st.lists(row, max_size=12))
    return draw(st.sampled_from(sorted(FORMATS))), list(zip(names, kinds)), rows


def encode(form, properties, rows, newline='\n', faces=1):
    header = ['ply', f'format {form} 1.0', 'comment any', f'element vertex {len(rows)}']
    header += [f'property {kind} {name}' for name, kind in properties]
    header += [f'element face {faces}', 'property list uchar int vertex_indices', 'end_header', '']
    content = newline.join(header).encode()
    if FORMATS[form] is None:
        lines = [' '.join(repr(value) for value in row) for row in rows] + faces * ['3 0 1 2']
        return content + newline.join([*lines, '']).encode()
    row = np.dtype([(name, FORMATS[form] + KINDS[kind]) for name, kind in properties])
    return content + np.array(rows, dtype=row).tobytes() + faces * struct.pack('<B3i', 3, 0, 1, 2)


@settings(max_examples=60, deadline=None)
@given(table=tables(), newline=st.sampled_from(['\n', '\r\n']))
def test_every_value_comes_back(tmp_path_factory, table, newline):
    form, properties, rows = table
    path = tmp_path_factory.mktemp('ply') / 'scan.ply'
    path.write_bytes(encode(form, properties, rows, newline))
    vertices = read_ply_vertices(path)
    assert list(vertices) == [name for name, _ in properties]
    for (name, kind), column in zip(properties, zip(*rows) if rows else [()] * len(properties)):
        assert vertices[name].tolist() == np.array(column, dtype=KINDS[kind]).tolist()


@settings(max_examples=60, deadline=None)
@given(table=tables(), data=st.data())
def test_every_truncation_is_noticed(tmp_path_factory, table, data):
    form, properties, rows = table
    path = tmp_path_factory.mktemp('ply') / 'scan.ply'
    content = encode(form, properties, rows)
    # A truncated last line '3 0 1 2' cannot be detected; faces are not read anyway.
    most = len(content) - (8 if FORMATS[form] is None else 1)
    path.write_bytes(content[: data.draw(st.integers(0, most))])
    with pytest.raises(RawDataError, match='scan.ply: .*; expected'):
        read_ply_vertices(path)


@settings(max_examples=100, deadline=None)
@given(junk=st.binary(max_size=60), cut=st.integers(0, 200))
def test_junk_raises_nothing_but_the_error_of_raw_data(tmp_path_factory, junk, cut):
    path = tmp_path_factory.mktemp('ply') / 'scan.ply'
    whole = encode('ascii', [('x', 'float'), ('y', 'uchar')], [(1.5, 2), (2.5, 3)])
    path.write_bytes(whole[:cut] + junk + whole[cut:])
    try:
        read_ply_vertices(path)
    except RawDataError as error:
        assert 'scan.ply' in str(error)


@pytest.mark.parametrize(
    'old, new, message',
    [
        ('vertex 2', 'vertex -2', "'element vertex -2'"),
        ('vertex 2', 'vertex 2_0', "'element vertex 2_0'"),
        ('property uchar y', 'property uchar x', r"properties \['x'\] twice"),
        ('property uchar y', 'property list uchar int y', 'a list property'),
        ('format ascii', 'format binary', "'format binary 1.0'"),
        ('format ascii 1.0\n', '', 'without a format line'),
        ('element vertex 2\n', '', 'header line'),
        ('vertex', 'corner', "'vertex' as the first"),
        ('1.5 2', '1.5', "vertex 0 reads '1.5'; expected 2 numbers"),
        ('1.5 2', '1.5 2 3', "vertex 0 reads '1.5 2 3'"),
        ('2.5 3', '2.5 x', "vertex 1 reads '2.5 x'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, old, new, message):
    path = tmp_path / 'scan.ply'
    whole = encode('ascii', [('x', 'float'), ('y', 'uchar')], [(1.5, 2), (2.5, 3)])
    assert old.encode() in whole
    path.write_bytes(whole.replace(old.encode(), new.encode()))
    with pytest.raises(RawDataError, match=message):
        read_ply_vertices(path)


def list_of(order, count_kind, kind, values):
    code = np.dtype(order + KINDS[count_kind]), np.dtype(order + KINDS[kind])
    return np.array(len(values), code[0]).tobytes() + np.array(values, code[1]).tobytes()


CORNERS = [(), (0,), (0, 1), (0, 1, 2), (2, 1, 0, 1, 2)]


@pytest.mark.parametrize('form', FORMATS)
@pytest.mark.parametrize('texture', [False, True])
def test_faces_of_any_number_of_corners_and_of_texture_corners(tmp_path, form, texture):
    header = f'ply\nformat {form} 1.0\nelement vertex 3\nproperty float x\nelement face 5\n'
    header += 'property list uchar int vertex_indices\n'
    header += 'property list int float texcoord\n' if texture else ''
    lists = [(corners, (0.5,) * 2 * len(corners) * (k % 2)) for k, corners in enumerate(CORNERS)]
    if FORMATS[form] is None:
        body = b'1\n2\n3\n' + b''.join(
            ' '.join(map(str, [len(a), *a, *([len(b), *b] if texture else [])])).encode() + b'\n'
            for a, b in lists
        )
    else:
        body = np.array([1, 2, 3], FORMATS[form] + 'f4').tobytes() + b''.join(
            list_of(FORMATS[form], 'uchar', 'int', a)
            + (list_of(FORMATS[form], 'int', 'float', b) if texture else b'')
            for a, b in lists
        )
    path = tmp_path / 'scan.ply'
    path.write_bytes(header.encode() + b'end_header\n' + body)
    assert read_ply_vertices(path)['x'].tolist() == [1, 2, 3]
    if FORMATS[form] is not None:  # every missing byte is noticed
        for size in range(1, len(body)):
            path.write_bytes(header.encode() + b'end_header\n' + body[:-size])
            with pytest.raises(RawDataError, match='cut off'):
                read_ply_vertices(path)


@pytest.mark.parametrize('form', FORMATS)
@pytest.mark.parametrize('place', range(3))
@pytest.mark.parametrize(
    'count_kind, kind', [('uchar', 'uint'), ('int', 'short'), ('uint', 'char')]
)
def test_lists_of_vertices_are_passed_over(tmp_path, form, place, count_kind, kind):
    seen = [(7, 8, 9), (), (5,)]
    properties = ['property float x', 'property double y']
    properties.insert(place, f'property list {count_kind} {kind} view_indices')
    properties.insert(place, 'property list uchar float weights')
    body = b''
    for k, views in enumerate(seen):
        if FORMATS[form] is None:
            parts = [f'{k + 0.5}', f'{-k}']
            parts.insert(place, f'{len(views)} {" ".join(map(str, views))}')
            parts.insert(place, '2 0.25 0.75')
            body += (' '.join(parts) + '\n').encode()
        else:
            order = FORMATS[form]
            parts = [
                np.array(k + 0.5, order + 'f4').tobytes(),
                np.array(-k, order + 'f8').tobytes(),
            ]
            parts.insert(place, list_of(order, count_kind, kind, views))
            parts.insert(place, list_of(order, 'uchar', 'float', (0.25, 0.75)))
            body += b''.join(parts)
    header = '\n'.join(
        ['ply', f'format {form} 1.0', 'element vertex 3', *properties, 'end_header', '']
    )
    path = tmp_path / 'scan.ply'
    path.write_bytes(header.encode() + body)
    vertices = read_ply_vertices(path)
    assert list(vertices) == ['x', 'y']
    assert vertices['x'].tolist() == [0.5, 1.5, 2.5] and vertices['y'].tolist() == [0, -1, -2]
    for size in range(2 if FORMATS[form] is None else 1, len(body)):
        path.write_bytes(header.encode() + body[:-size])
        with pytest.raises(RawDataError, match='cut off|reads'):
            read_ply_vertices(path)


@pytest.mark.parametrize(
    'body, message',
    [
        (b'1 -1 2\n', "vertex 0 reads '1 -1 2'"),
        (b'1 2.5 2\n', 'of a list property its length first'),
        (b'1 3 2\n', "vertex 0 reads '1 3 2'"),
        (b'1 9223372036854775807 2\n', 'vertex 0 reads'),
        (b'1 1 2 3 4\n', "vertex 0 reads '1 1 2 3 4'"),
    ],
)
def test_lists_of_text_that_do_not_fit(tmp_path, body, message):
    path = tmp_path / 'scan.ply'
    path.write_bytes(
        b'ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\n'
        b'property list uchar int views\nend_header\n' + body
    )
    with pytest.raises(RawDataError, match=message):
        read_ply_vertices(path)


LISTED = 'property float x\nproperty list {} int views\n'


@pytest.mark.parametrize(
    'properties, count, body, message',
    [
        (LISTED.format('char'), 1, b'\0' * 4 + b'\xff', 'vertex has a list of negative'),
        (LISTED.format('uint'), 1, b'\0' * 4 + b'\xff' * 4, 'cut off'),
        (LISTED.format('uchar'), 10**12, bytes(100), 'cut off'),
        (LISTED.format('float'), 1, bytes(100), 'header line'),
        ('property float x\n', 10**12, bytes(100), 'cut off'),
        ('property list uchar int views\n', 1, bytes(100), 'list property'),
        ('', 10**12, bytes(100), 'x, y and z'),
    ],
)
def test_counts_that_promise_too_much_fill_no_memory(tmp_path, properties, count, body, message):
    path = tmp_path / 'scan.ply'
    path.write_bytes(
        f'ply\nformat binary_little_endian 1.0\nelement vertex {count}\n{properties}'
        'end_header\n'.encode()
        + body
    )
    with pytest.raises(RawDataError, match=message):
        read_ply_vertices(path)


@pytest.mark.parametrize('form', FORMATS)
def test_line_ends_of_old_macs_are_named(tmp_path, form):
    path = tmp_path / 'scan.ply'
    path.write_bytes(encode(form, [('x', 'float')], [(1.5,), (0.1015625,)], '\r'))
    with pytest.raises(RawDataError, match=r"lines end with '\\r' alone"):
        read_ply_vertices(path)


@pytest.mark.parametrize(
    'hole, value',
    [
        ('nan', np.nan),
        ('NaN', np.nan),
        ('-nan', np.nan),
        ('-nan(ind)', np.nan),
        ('nan(snan)', np.nan),
        ('1.#QNAN', np.nan),
        ('-1.#IND', np.nan),
        ('-1.#IND00', np.nan),
        ('1.#SNAN', np.nan),
        ('inf', np.inf),
        ('-Infinity', -np.inf),
        ('1.#INF', np.inf),
        ('-1.#INF00', -np.inf),
    ],
)
def test_holes_of_text(tmp_path, hole, value):
    path = tmp_path / 'scan.ply'
    whole = encode('ascii', [('x', 'float'), ('y', 'uchar')], [(1.5, 2), (2.5, 3)])
    path.write_bytes(whole.replace(b'2.5', hole.encode()))
    np.testing.assert_array_equal(read_ply_vertices(path)['x'], [1.5, value])
