# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insseg3d.datasets.preparation.errors import RawDataError
from insseg3d.datasets.preparation.ply import read_ply_vertices

KINDS = {
    'char': 'i1', 'uchar': 'u1', 'short': 'i2', 'ushort': 'u2', 'int': 'i4', 'uint': 'u4',
    'float': 'f4', 'double': 'f8', 'int8': 'i1', 'uint8': 'u1', 'int16': 'i2', 'uint16': 'u2',
    'int32': 'i4', 'uint32': 'u4', 'float32': 'f4', 'float64': 'f8',
}  # fmt: skip
FORMATS = {'ascii': None, 'binary_little_endian': '<', 'binary_big_endian': '>'}


def values_of(kind):
    code = np.dtype(KINDS[kind])
    if code.kind == 'f':
        return st.floats(width=8 * code.itemsize, allow_nan=False, allow_infinity=False)
    limits = np.iinfo(code)
    return st.integers(int(limits.min), int(limits.max))


@st.composite
def tables(draw):
    """Format, (name, kind) of the properties, rows."""
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
    # Of a last line '3 0 1 2' that lost its end nobody can know; faces are not read anyway.
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
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path, old, new, message):
    path = tmp_path / 'scan.ply'
    whole = encode('ascii', [('x', 'float'), ('y', 'uchar')], [(1.5, 2), (2.5, 3)])
    assert old.encode() in whole
    path.write_bytes(whole.replace(old.encode(), new.encode()))
    with pytest.raises(RawDataError, match=message):
        read_ply_vertices(path)
