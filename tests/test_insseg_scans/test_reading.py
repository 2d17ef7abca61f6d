# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Every format results in the same points; files are found; objects of libraries are read."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from insseg_scans import extras, find_scans, read_scan, scan_of
from insseg_scans.errors import RawDataError

from .writers import WRITERS, write_las, write_ply

RANDOM = np.random.default_rng(0)
# Multiples of 1/1024: exact in float32 and in decimals.
XYZ = RANDOM.integers(0, 4096, (60, 3)) / 1024
RGB = RANDOM.integers(0, 256, (60, 3)).astype(np.uint8)
TABLE = np.c_[XYZ, RGB]


@pytest.mark.parametrize('name', WRITERS)
def test_every_format_gives_the_same_points_in_their_order(name, tmp_path):
    path = tmp_path / name
    WRITERS[name](path, TABLE)
    scan = read_scan(path)
    np.testing.assert_allclose(scan.coords, XYZ, atol=0 if path.suffix != '.las' else 1e-12)
    colors = np.asarray(scan.colors, dtype=np.float64)
    colors = colors * 255 if colors.max() <= 1 else colors / 257 if colors.max() > 255 else colors
    np.testing.assert_array_equal(np.round(colors), RGB)
    assert scan.name == str(path)


def test_survey_coordinates_keep_their_digits(tmp_path):
    write_las(tmp_path / 'far.las', TABLE, offset=5_000_000)
    assert np.abs(read_scan(tmp_path / 'far.las').coords - XYZ - 5_000_000).max() < 1e-8


def test_gltf_is_metres_and_y_up_by_definition(tmp_path):
    trimesh = pytest.importorskip('trimesh')
    mesh = trimesh.creation.box((2, 3, 4))
    mesh.export(tmp_path / 'box.glb')
    scan = read_scan(tmp_path / 'box.glb')
    assert (scan.units, scan.up) == ('m', 'y')
    np.testing.assert_allclose(scan.coords.max(axis=0), (1, 1.5, 2))


def test_gltf_with_a_cloud_and_a_mesh_in_their_places(tmp_path):
    trimesh = pytest.importorskip('trimesh')
    scene = trimesh.Scene(trimesh.PointCloud(XYZ, colors=RGB))
    scene.add_geometry(
        trimesh.creation.box((1, 1, 1)),
        transform=trimesh.transformations.translation_matrix((10, 0, 0)),
    )
    scene.export(tmp_path / 'both.glb')
    scan = read_scan(tmp_path / 'both.glb')
    of_cloud = scan.coords[:, 0] < 9
    np.testing.assert_array_equal(scan.coords[of_cloud], XYZ)
    np.testing.assert_array_equal(scan.colors[of_cloud], RGB)
    assert of_cloud.sum() == 60 and (scan.coords[~of_cloud, 0] >= 9.5).all()
    assert (scan.colors[~of_cloud] == 128).all()


@pytest.mark.parametrize('ending', ['obj', 'glb', 'ply'])
def test_points_sampled_on_a_mesh_lie_on_it(ending, tmp_path):
    trimesh = pytest.importorskip('trimesh')
    trimesh.creation.box((2, 2, 2)).export(tmp_path / f'box.{ending}')
    first, again = (
        read_scan(tmp_path / f'box.{ending}', mesh_samples=500).coords for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)
    assert first.shape == (500, 3)
    np.testing.assert_allclose(np.abs(first).max(axis=1), 1, atol=1e-6)


def test_sampling_a_cloud_says_what_is_missing(tmp_path):
    write_ply(tmp_path / 'cloud.ply', TABLE)
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
    averages = np.c_[XYZ, RGB + 0.5].astype('<f4')
    averages.tofile(tmp_path / 'averages.bin')
    scan = read_scan(tmp_path / 'averages.bin', columns=('x', 'y', 'z', 'r', 'g', 'b'))
    np.testing.assert_array_equal(scan.colors, averages[:, 3:])


def test_content_decides_and_is_told(tmp_path):
    write_ply(tmp_path / 'scan.xyz', TABLE)
    scan = read_scan(tmp_path / 'scan.xyz')
    np.testing.assert_array_equal(scan.coords, XYZ)
    assert scan.notes == ('named .xyz, but a .ply file; read so',)


@pytest.mark.parametrize(
    'module, name', [('laspy', 'cloud.las'), ('pypcd4', 'cloud.pcd'), ('trimesh', 'mesh.glb')]
)
def test_a_missing_reader_names_the_extra(module, name, tmp_path, monkeypatch):
    content = {
        'cloud.las': b'LASF',
        'mesh.glb': b'glTF',
        'cloud.pcd': b'SIZE 4\nPOINTS 1\nDATA ascii\n1\n',
    }[name]
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
        point={'positions': torch.from_numpy(XYZ), 'colors': torch.from_numpy(RGB)}
    ),
    'tensor Open3D mesh': SimpleNamespace(
        vertex={'positions': torch.from_numpy(XYZ), 'colors': torch.from_numpy(RGB)}
    ),
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


@pytest.mark.parametrize(
    'value',
    [
        torch.zeros(5, 3, dtype=torch.bfloat16),
        torch.eye(3).to_sparse(),
        [[1, 2, 3], [1, 2]],
        torch.zeros(5, 3, dtype=torch.complex64),
        torch.zeros(5, 3, device='meta'),
        {'x': XYZ[:, 0]},
        {'points': XYZ[:, :2]},
        SimpleNamespace(point=7),
        SimpleNamespace(columns=['x']),
        XYZ[:, :2],
        XYZ.ravel(),
        np.zeros((3, 7)),
        np.array([['a'] * 3]),
        {},
        7,
        SimpleNamespace(points=XYZ, colors=RGB[:5]),
    ],
)
def test_what_is_no_scan_is_refused(value):
    with pytest.raises(RawDataError, match='expected'):
        scan_of(value)


SHUFFLED = dict(
    zip(
        ('b', 'G', 'red', 'scalar_intensity', 'z', 'Y', 'x'),
        (RGB[:, 2], RGB[:, 1], RGB[:, 0], np.ones(60), XYZ[:, 2], XYZ[:, 1], XYZ[:, 0]),
    )
)


class Frame:
    """A data frame like that of polars: names in a list, columns by name."""

    def __init__(self, columns, names='columns'):
        self._columns = columns
        setattr(self, names, list(columns))

    def __getitem__(self, name):
        return self._columns[name]


def pandas_frame(data, **options):
    return pytest.importorskip('pandas').DataFrame(data, **options)


NAMED = {
    'pandas': pandas_frame,
    'pandas with an index': lambda c: pandas_frame(c, index=[f'p{k}' for k in range(60)]),
    'pandas of objects': lambda c: pandas_frame(c).astype(object),
    'pandas with gaps': lambda c: pandas_frame(c).astype({'x': 'Float64', 'red': 'Int64'}),
    'polars': Frame,
    'Arrow': lambda c: Frame(c, 'column_names'),
    'dict': dict,
    'dict of tensors': lambda c: {name: torch.from_numpy(v.copy()) for name, v in c.items()},
    'dict of arrays': lambda c: {'colors': RGB, 'normals': XYZ, 'xyz': XYZ},
    'records': lambda c: np.rec.fromarrays([*c.values()], names=[*c]),
    'structured': lambda c: np.array(
        [*zip(RGB, XYZ)], dtype=[('rgb', 'u1', 3), ('points', 'f8', 3)]
    ),
}


@pytest.mark.parametrize('kind', NAMED)
def test_names_decide_where_there_are_some(kind):
    scan = scan_of(NAMED[kind](SHUFFLED))
    np.testing.assert_array_equal(scan.coords, XYZ)
    np.testing.assert_array_equal(scan.colors, RGB)


def test_gaps_in_a_frame_are_holes():
    pandas = pytest.importorskip('pandas')
    frame = pandas_frame(SHUFFLED).astype({'x': 'Float64'})
    frame.loc[3, 'x'] = pandas.NA
    scan = scan_of(frame)
    assert np.isnan(scan.coords[3, 0]) and np.isfinite(np.delete(scan.coords, 3, axis=0)).all()
    scan = scan_of(Frame({**SHUFFLED, 'x': np.array([None, *XYZ[1:, 0]], dtype=object)}))
    assert np.isnan(scan.coords[0, 0])


def test_a_frame_without_names_is_an_array():
    for table in (TABLE, TABLE[:, :3]):
        scan, same = scan_of(pandas_frame(table)), scan_of(table)
        np.testing.assert_array_equal(scan.coords, same.coords)
        assert (scan.colors is None) == (same.colors is None)
        assert scan.colors is None or (scan.colors == same.colors).all()


@pytest.mark.parametrize(
    'columns', [range(1, 7), 'abcdef', ['easting', 'northing', 'z', 'r', 'g', 'b']]
)
def test_frames_without_usable_names(columns):
    with pytest.raises(RawDataError, match=r'a data frame with the columns .*frame\.to_numpy') as e:
        scan_of(pandas_frame(TABLE, columns=[*columns]))
    assert '\n' not in str(e.value)


def test_a_frame_with_a_name_twice_or_words():
    with pytest.raises(RawDataError, match=r"columns \['x'\] twice"):
        scan_of(pandas_frame(TABLE[:, :4], columns=['x', 'y', 'z', 'x']))
    with pytest.raises(RawDataError, match='object values'):
        scan_of(pandas_frame({**SHUFFLED, 'x': ['a'] * 60}))
    scan_of(pandas_frame({**SHUFFLED, 'label': ['chair'] * 60}))


def test_masked_places_are_holes():
    scan = scan_of(np.ma.masked_array(TABLE, mask=np.arange(360).reshape(60, 6) == 0))
    assert np.isnan(scan.coords[0, 0]) and np.isfinite(scan.coords.ravel()[1:]).all()
