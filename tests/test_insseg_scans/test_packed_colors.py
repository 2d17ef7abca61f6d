# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Colours with other names than red, green and blue, or packed into one column."""

from pathlib import Path

import numpy as np
import pytest

from insseg_preparation.custom.classes import ClassList
from insseg_preparation.custom.scan import CustomOptions, convert_scan
from insseg_scans import Assumptions, look_at, read_scan
from insseg_scans.columns import ColumnNames, find_columns
from insseg_scans.errors import RawDataError

RANDOM = np.random.default_rng(0)
XYZ = RANDOM.integers(0, 4096, (80, 3)) / 1024
RGB = RANDOM.integers(0, 256, (80, 3)).astype(np.uint8)
RGB[:4] = [(0, 0, 0), (255, 255, 255), (200, 1, 2), (192, 0, 0)]
ALPHAS = {'none': 0, 'full': 0xFF000000}


def packed(alpha='full'):
    return (RGB.astype(np.uint32) << np.uint32([16, 8, 0])).sum(
        axis=1, dtype=np.uint32
    ) | np.uint32(ALPHAS[alpha])


def find(**fields):
    return find_columns(dict(zip('xyz', XYZ.T), **fields), Path('scan'), ColumnNames(labels=False))


@pytest.mark.parametrize(
    'names',
    [
        'Rf Gf Bf',
        'color_red color_green color_blue',
        'vertex_red vertex_green vertex_blue',
        'colorR colorG colorB',
        'diffuse_red diffuse_green diffuse_blue',
        'color_r color_g color_b',
        'Colour_Red Colour_Green Colour_Blue',
        'scalar_Rf scalar_Gf scalar_Bf',
        'rgb_r rgb_g rgb_b',
        'vertex_color_r vertex_color_g vertex_color_b',
        'red_channel green_channel blue_channel',
        'scalar_R scalar_G scalar_B',
        'Point Red,Point Green,Point Blue',
    ],
)
def test_colours_of_other_names(tmp_path, names):
    names = names.split(',') if ',' in names else names.split()
    found = find(**dict(zip(names, RGB.T)))
    np.testing.assert_array_equal(found.colors, RGB)
    header = ','.join([*'xyz', *names])
    np.savetxt(
        tmp_path / 'scan.csv', np.c_[XYZ, RGB / 255], delimiter=',', header=header, comments=''
    )
    np.testing.assert_array_equal(np.round(read_scan(tmp_path / 'scan.csv').colors * 255), RGB)


def test_plain_names_win():
    others = {
        name: np.zeros(80)
        for name in (
            'scalar_R',
            'scalar_G',
            'scalar_B',
            'Rf',
            'Gf',
            'Bf',
            'rgb',
            'f_dc_0',
            'vertex_red',
        )
    }
    for names in (('red', 'green', 'blue'), ('R', 'G', 'B')):
        np.testing.assert_array_equal(find(**dict(zip(names, RGB.T)), **others).colors, RGB)
    found = find(**dict(zip(('red', 'green', 'blue'), RGB.T)), scalar_X=np.zeros(80))
    np.testing.assert_array_equal(found.coords, XYZ)
    with pytest.raises(RawDataError, match=r"\['red', 'r'\], each of which may be red"):
        find(**dict(zip(('red', 'green', 'blue'), RGB.T)), r=np.zeros(80))
    with pytest.raises(RawDataError, match=r"\['scalar_red', 'scalar_R'\], each"):
        find(scalar_R=np.zeros(80), scalar_red=np.zeros(80))


def test_the_constant_harmonic_of_splats():
    values = np.array([(0, 1, -1)] * 40 + [(10, -10, 0.5)] * 40)
    colors = find(**{f'f_dc_{k}': values[:, k] for k in range(3)}).colors
    np.testing.assert_allclose(colors[0], (0.5, 0.7820948, 0.2179052), atol=1e-6)
    np.testing.assert_allclose(colors[-1], (1, 0, 0.6410474), atol=1e-6)


@pytest.mark.parametrize('name', ['rgb', 'RGBA', 'packed_rgb', 'scalar_rgb'])
@pytest.mark.parametrize('alpha', ALPHAS)
@pytest.mark.parametrize('kind', [np.uint32, np.int32, np.int64, np.float32, np.float64])
def test_packed_into_integers_or_their_bits(name, alpha, kind):
    values = packed(alpha)
    values = values.view(kind) if kind in (np.int32, np.float32) else values.astype(kind)
    found = find(**{name: values})
    np.testing.assert_array_equal(found.colors, RGB)
    assert found.colors.dtype == np.uint8 and found.notes == ()


def write_ply(path, values, form):
    kinds = {'u4': 'uint', 'i4': 'int', 'f4': 'float'}
    header = ['ply', f'format {form} 1.0', 'element vertex 80']
    header += [f'property double {axis}' for axis in 'xyz']
    header += [f'property {kinds[values.dtype.str[1:]]} rgba', 'end_header', '']
    if form == 'ascii':
        body = ''.join(
            f'{x} {y} {z} {value:.9g}\n' if values.dtype.kind == 'f' else f'{x} {y} {z} {value}\n'
            for (x, y, z), value in zip(XYZ.tolist(), values.tolist())
        ).encode()
    else:
        order = '<' if 'little' in form else '>'
        rows = np.empty(
            80, [*((axis, order + 'f8') for axis in 'xyz'), ('rgba', order + values.dtype.str[1:])]
        )
        rows['x'], rows['y'], rows['z'] = XYZ.T
        rows['rgba'] = values
        body = rows.tobytes()
    path.write_bytes('\n'.join(header).encode() + body)


@pytest.mark.parametrize('form', ['ascii', 'binary_little_endian', 'binary_big_endian'])
@pytest.mark.parametrize('kind', [np.uint32, np.int32, np.float32])
def test_packed_in_ply(tmp_path, form, kind):
    write_ply(tmp_path / 'scan.ply', packed('none').view(kind), form)
    np.testing.assert_array_equal(read_scan(tmp_path / 'scan.ply').colors, RGB)


def test_packed_in_text_and_arrays(tmp_path):
    bits = packed('none').view(np.float32)
    (tmp_path / 'scan.txt').write_text(
        'x y z rgb\n'
        + ''.join(
            f'{x} {y} {z} {value:.9g}\n' for (x, y, z), value in zip(XYZ.tolist(), bits.tolist())
        )
    )
    np.savez(tmp_path / 'scan.npz', points=XYZ, rgb=packed())
    np.save(tmp_path / 'scan.npy', np.rec.fromarrays([*XYZ.T, packed()], names='x,y,z,rgba'))
    for ending in ('txt', 'npz', 'npy'):
        np.testing.assert_array_equal(read_scan(tmp_path / f'scan.{ending}').colors, RGB)


def through_text(values):
    return np.array([float(f'{value:.9g}') for value in values.tolist()])


def write_pcd(path, values):
    pytest.importorskip('pypcd4')
    path.write_text(
        '\n'.join(
            [
                '# .PCD v0.7',
                'VERSION 0.7',
                'FIELDS x y z rgb',
                'SIZE 4 4 4 4',
                'TYPE F F F F',
                'COUNT 1 1 1 1',
                'WIDTH 80',
                'HEIGHT 1',
                'VIEWPOINT 0 0 0 1 0 0 0',
                'POINTS 80',
                'DATA ascii',
                *(
                    f'{x} {y} {z} {value:.9g}'
                    for (x, y, z), value in zip(XYZ.tolist(), values.tolist())
                ),
                '',
            ]
        )
    )


LOST_WRITERS = {
    'scan.pcd': write_pcd,
    'scan.ply': lambda path, values: write_ply(path, values, 'ascii'),
    'scan.txt': lambda path, values: path.write_text(
        'x y z rgb\n'
        + ''.join(
            f'{x} {y} {z} {value:.9g}\n' for (x, y, z), value in zip(XYZ.tolist(), values.tolist())
        )
    ),
    'scan.npz': lambda path, values: np.savez(
        path, points=XYZ, rgb=through_text(values).astype(np.float32)
    ),
}


@pytest.mark.parametrize('name', LOST_WRITERS)
def test_colours_that_text_has_lost(tmp_path, name):
    values = packed().view(np.float32)
    is_lost = ~np.isfinite(values)
    assert 20 < is_lost.sum() < 60 and (RGB[is_lost, 0] >= 128).all()
    LOST_WRITERS[name](tmp_path / name, values)
    scan = read_scan(tmp_path / name)
    np.testing.assert_array_equal(scan.colors[~is_lost], RGB[~is_lost])
    assert (scan.colors[is_lost] == 128).all()
    share = f'{100 * is_lost.mean():.0f} % of the packed colours are lost (nan)'
    remarks = [str(remark) for remark in look_at(scan).remarks]
    assert any(remark.startswith(f'assumed: {share}') for remark in remarks)
    with pytest.raises(RawDataError, match='of the packed colours are lost'):
        look_at(scan, Assumptions(strict=True))


def test_nan_of_binary_files_have_their_colours():
    """Test bits from 0xff800000, without those of the usual NaN."""
    values = packed().view(np.float32)
    found = find(rgb=values)
    np.testing.assert_array_equal(found.colors, RGB)
    values[5:8] = np.nan
    found = find(rgb=values)
    assert (found.colors[5:8] == 128).all() and '4 % of the packed' in found.notes[0]
    np.testing.assert_array_equal(found.colors[8:], RGB[8:])


@pytest.mark.parametrize('hole', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('kind', [np.float32, np.float64])
def test_holes_in_packed_colours(hole, kind):
    for values in (packed('none').view(np.float32).astype(kind), packed('none').astype(kind)):
        values[3] = hole
        found = find(rgb=values)
        assert (
            (found.colors[3] == 128).all()
            and '1 of the packed' in found.notes[0]
            or ('1 % of the packed' in found.notes[0])
        )
        np.testing.assert_array_equal(found.colors[4:], RGB[4:])
    found = find(rgb=np.full(80, hole, kind))
    assert found.colors is None and '100 % of the packed' in found.notes[0]


def test_preparation_says_what_is_lost(tmp_path):
    LOST_WRITERS['scan.txt'](tmp_path / 'scan.txt', packed().view(np.float32))
    scan = convert_scan(
        tmp_path / 'scan.txt', ClassList(('chair',)), CustomOptions(units='m'), needs_labels=False
    )
    assert any('of the packed colours are lost' in note for note in scan.notes)


def test_what_was_looked_at_is_named(tmp_path):
    (tmp_path / 'scan.csv').write_text('x,y,z,rough,hue\n0,0,0,1,2\n1,2,3,1,2\n')
    scan = read_scan(tmp_path / 'scan.csv')
    assert any(
        str(remark).startswith('assumed: no colours among x y z rough hue; grey instead')
        for remark in look_at(scan).remarks
    )
    found = convert_scan(
        tmp_path / 'scan.csv', ClassList(('chair',)), CustomOptions(), needs_labels=False
    )
    assert 'no colours; stored as grey; the columns are x y z rough hue' in found.notes
    many = find(**{f'c{k}': np.zeros(80) for k in range(50)})
    assert many.colors is None and len(many.names) == 53
