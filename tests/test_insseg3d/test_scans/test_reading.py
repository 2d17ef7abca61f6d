# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The same points from every format; files found; objects of other libraries."""
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from plyfile import PlyData, PlyElement

from insseg3d.datasets.preparation.errors import RawDataError
from insseg3d.scans import extras, find_scans, read_scan, scan_of

RANDOM = np.random.default_rng(0)
# Multiples of 1/1024: exact in float32 and in decimals.
XYZ = RANDOM.integers(0, 4096, (60, 3)) / 1024
RGB = RANDOM.integers(0, 256, (60, 3)).astype(np.uint8)
TABLE = np.c_[XYZ, RGB]


def write_ply(path, *, text=False, byte_order='<', faces=False):
    vertex = np.empty(len(XYZ), dtype=[
        ('confidence', 'f4'), *((name, 'f8') for name in 'xyz'),
        *((name, 'u1') for name in ('red', 'green', 'blue')), ('label', 'i4'), ('class', 'i4')])
    for k, name in enumerate(('x', 'y', 'z', 'red', 'green', 'blue')):
        vertex[name] = TABLE[:, k]
    elements = [PlyElement.describe(vertex, 'vertex')]
    if faces:
        face = np.array([([0, 1, 2],)], dtype=[('vertex_indices', 'i4', (3,))])
        elements.append(PlyElement.describe(face, 'face'))
    PlyData(elements, text=text, byte_order=byte_order).write(str(path))


def write_obj(path):
    lines = ['# a mesh', 'mtllib none.mtl', *(
        f'v {" ".join(map(str, xyz))} {" ".join(map(str, rgb))}' for xyz, rgb in zip(XYZ, RGB / 255)
    ), 'f 1 2 3']
    path.write_text('\n'.join(lines))


def write_las(path, scale=1 / 1024, offset=0):
    laspy = pytest.importorskip('laspy')
    if path.suffix == '.laz':
        pytest.importorskip('lazrs')
    header = laspy.LasHeader(point_format=2, version='1.2')
    header.scales, header.offsets = [scale] * 3, [offset] * 3
    las = laspy.LasData(header)
    las.x, las.y, las.z = (XYZ + offset).T
    las.red, las.green, las.blue = RGB.astype(np.uint16).T * 257
    las.write(str(path))


def write_pcd(path, encoding='binary'):
    pypcd4 = pytest.importorskip('pypcd4')
    packed = pypcd4.PointCloud.encode_rgb(RGB)
    cloud = pypcd4.PointCloud.from_xyzrgb_points(np.c_[XYZ.astype(np.float32), packed])
    cloud.save(path, encoding=getattr(pypcd4.Encoding, encoding.upper()))


def write_ascii_pcd(path, kind):
    """As PCL does: colours packed into an integer, or into the float of the same bits."""
    pytest.importorskip('pypcd4')
    packed = (RGB.astype(np.uint32) << (16, 8, 0)).sum(axis=1).astype(np.uint32)
    colors = packed if kind == 'U' else [f'{value:.9g}' for value in packed.view(np.float32)]
    path.write_text('\n'.join([
        '# .PCD v0.7 - Point Cloud Data file format', 'VERSION 0.7', 'FIELDS x y z rgb',
        'SIZE 4 4 4 4', f'TYPE F F F {kind}', 'COUNT 1 1 1 1', 'WIDTH 60', 'HEIGHT 1',
        'VIEWPOINT 0 0 0 1 0 0 0', 'POINTS 60', 'DATA ascii',
        *(f'{x} {y} {z} {color}' for (x, y, z), color in zip(XYZ, colors)), '']))


WRITERS = {
    'little.ply': write_ply,
    'big.ply': lambda path: write_ply(path, byte_order='>'),
    'text.ply': lambda path: write_ply(path, text=True),
    'mesh.ply': lambda path: write_ply(path, faces=True),
    'CAPITAL.PLY': write_ply,
    'table.npy': lambda path: np.save(path, TABLE),
    'arrays.npz': lambda path: np.savez(path, points=XYZ, colors=RGB),
    'blanks.txt': lambda path: np.savetxt(path, TABLE, fmt='%.10f'),
    'commas.csv': lambda path: np.savetxt(path, TABLE, fmt='%.10f', delimiter=','),
    'scientific.xyz': lambda path: np.savetxt(path, TABLE),
    'counted.pts': lambda path: np.savetxt(path, TABLE, fmt='%.10f', header='60', comments=''),
    'mmdet3d.bin': lambda path: TABLE.astype(np.float32).tofile(path),
    'mesh.obj': write_obj,
    'cloud.las': write_las,
    'cloud.laz': write_las,
    'integers.pcd': lambda path: write_ascii_pcd(path, 'U'),
    'floats.pcd': lambda path: write_ascii_pcd(path, 'F'),
    'binary.pcd': write_pcd,
    'compressed.pcd': lambda path: write_pcd(path, 'binary_compressed'),
}


@pytest.mark.parametrize('name', WRITERS)
def test_every_format_gives_the_same_points_in_their_order(name, tmp_path):
    path = tmp_path / name
    WRITERS[name](path)
    scan = read_scan(path)
    np.testing.assert_allclose(scan.coords, XYZ, atol=0 if path.suffix != '.las' else 1e-12)
    colors = np.asarray(scan.colors, dtype=np.float64)
    colors = colors * 255 if colors.max() <= 1 else colors / 257 if colors.max() > 255 else colors
    np.testing.assert_array_equal(np.round(colors), RGB)
    assert scan.name == str(path)


def test_survey_coordinates_keep_their_digits(tmp_path):
    write_las(tmp_path / 'far.las', offset=5_000_000)
    assert np.abs(read_scan(tmp_path / 'far.las').coords - XYZ - 5_000_000).max() < 1e-8


def test_gltf_is_metres_and_y_up_by_definition(tmp_path):
    trimesh = pytest.importorskip('trimesh')
    mesh = trimesh.creation.box((2, 3, 4))
    mesh.export(tmp_path / 'box.glb')
    scan = read_scan(tmp_path / 'box.glb')
    assert (scan.units, scan.up) == ('m', 'y')
    np.testing.assert_allclose(scan.coords.max(axis=0), (1, 1.5, 2))


@pytest.mark.parametrize('ending', ['obj', 'glb', 'ply'])
def test_points_sampled_on_a_mesh_lie_on_it(ending, tmp_path):
    trimesh = pytest.importorskip('trimesh')
    trimesh.creation.box((2, 2, 2)).export(tmp_path / f'box.{ending}')
    first, again = (
        read_scan(tmp_path / f'box.{ending}', mesh_samples=500).coords for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (500, 3)
    np.testing.assert_allclose(np.abs(first).max(axis=1), 1, atol=1e-6)


def test_sampling_a_cloud_says_what_is_missing(tmp_path):
    write_ply(tmp_path / 'cloud.ply')
    with pytest.raises(RawDataError, match=r'no faces.*--mesh-samples'):
        read_scan(tmp_path / 'cloud.ply', mesh_samples=10)


def test_columns_can_be_named(tmp_path):
    np.savetxt(tmp_path / 'scan.txt', np.c_[XYZ, np.ones(60), RGB], fmt='%.10f')
    columns = ('x', 'y', 'z', '-', 'r', 'g', 'b')
    np.testing.assert_array_equal(read_scan(tmp_path / 'scan.txt', columns=columns).colors, RGB)
    np.c_[XYZ, np.ones(60)].astype('<f4').tofile(tmp_path / 'lidar.bin')
    scan = read_scan(tmp_path / 'lidar.bin', columns=('x', 'y', 'z', '-'))
    np.testing.assert_array_equal(scan.coords, XYZ.astype(np.float32))
    assert scan.colors is None


def test_content_decides_and_is_told(tmp_path):
    write_ply(tmp_path / 'scan.xyz')
    scan = read_scan(tmp_path / 'scan.xyz')
    np.testing.assert_array_equal(scan.coords, XYZ)
    assert scan.notes == ('named .xyz, but a .ply file; read so',)


@pytest.mark.parametrize('module, name', [
    ('laspy', 'cloud.las'), ('pypcd4', 'cloud.pcd'), ('trimesh', 'mesh.glb')])
def test_a_missing_reader_names_the_extra(module, name, tmp_path, monkeypatch):
    content = {
        'cloud.las': b'LASF', 'mesh.glb': b'glTF',
        'cloud.pcd': b'SIZE 4\nPOINTS 1\nDATA ascii\n1\n'}[name]
    (tmp_path / name).write_bytes(content)

    def missing(asked):
        assert asked == module
        raise ImportError(asked)

    monkeypatch.setattr(extras.importlib, 'import_module', missing)
    extra = extras.EXTRAS[module]
    with pytest.raises(RawDataError, match=rf'needs {module}.*insseg3d\[{extra}\]'):
        read_scan(tmp_path / name)


def test_folders_patterns_and_lists(tmp_path):
    for name in ('b.ply', 'a.ply', 'c.txt', 'notes.md'):
        (tmp_path / name).write_text('')
    (tmp_path / 'folder.ply').mkdir()
    a, b, c = tmp_path / 'a.ply', tmp_path / 'b.ply', tmp_path / 'c.txt'
    assert find_scans(tmp_path) == find_scans(str(tmp_path)) == [a, b, c]
    assert find_scans(str(tmp_path / '*.ply')) == [a, b]
    assert find_scans([c, str(a), XYZ]) == [c, a, XYZ]
    assert find_scans(tmp_path / 'none.ply') == [tmp_path / 'none.ply']
    (tmp_path / 'odd[1].ply').write_text('')
    assert find_scans(tmp_path / 'odd[1].ply') == [tmp_path / 'odd[1].ply']
    for nothing in (tmp_path / 'folder.ply', tmp_path / '*.las'):
        with pytest.raises(RawDataError, match='no scan; expected files that end with .ply'):
            find_scans(nothing)


OBJECTS = {
    'array': TABLE,
    'tensor': torch.from_numpy(TABLE),
    'legacy Open3D cloud': SimpleNamespace(points=XYZ.tolist(), colors=RGB.tolist()),
    'legacy Open3D mesh': SimpleNamespace(vertices=XYZ, vertex_colors=RGB, triangles=[]),
    'tensor Open3D cloud': SimpleNamespace(
        point={'positions': torch.from_numpy(XYZ), 'colors': torch.from_numpy(RGB)}),
    'trimesh cloud': SimpleNamespace(vertices=XYZ, colors=np.c_[RGB, np.full(60, 255)]),
}


@pytest.mark.parametrize('name', OBJECTS)
def test_objects_of_other_libraries(name):
    scan = scan_of(OBJECTS[name])
    np.testing.assert_array_equal(scan.coords, XYZ)
    np.testing.assert_array_equal(scan.colors, RGB)


def test_objects_of_trimesh():
    trimesh = pytest.importorskip('trimesh')
    np.testing.assert_array_equal(scan_of(trimesh.PointCloud(XYZ, colors=RGB)).colors, RGB)
    assert scan_of(trimesh.PointCloud(XYZ)).colors is None
    mesh = trimesh.Trimesh(XYZ, [[0, 1, 2]], process=False)
    assert scan_of(mesh).colors is None and len(scan_of(mesh).coords) == 60
    mesh.visual.vertex_colors = RGB
    np.testing.assert_array_equal(scan_of(mesh).colors, RGB)


@pytest.mark.parametrize('value', [
    XYZ[:, :2], XYZ.ravel(), np.zeros((3, 7)), np.array([['a'] * 3]), {}, 7,
    SimpleNamespace(points=XYZ, colors=RGB[:5])])
def test_what_is_no_scan_is_refused(value):
    with pytest.raises(RawDataError, match='expected'):
        scan_of(value)
