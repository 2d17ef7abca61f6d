# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Looks of meshes: pictures on surfaces, colours of corners and faces, features of glTF."""

import base64
import json
import struct
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from insseg_scans import read_scan
from insseg_scans.errors import RawDataError

trimesh = pytest.importorskip('trimesh')
RANDOM = np.random.default_rng(0)
SQUARE = np.array([(0, 0, 0), (4, 0, 0), (4, 4, 0), (0, 4, 0)], dtype=np.float32)
UV = (SQUARE[:, :2] / 4).astype(np.float32)
FACES = np.array([(0, 1, 2), (0, 2, 3)], dtype=np.uint16)
# The left half is red, the right half blue; the upper half has 40 less green than the lower.
PIXELS = np.zeros((8, 8, 3), np.uint8)
PIXELS[:, :4, 0], PIXELS[:, 4:, 2], PIXELS[4:, :, 1] = 250, 200, 40


def picture(path, mode='RGB'):
    image = Image.fromarray(PIXELS)
    (image.quantize(8) if mode == 'P' else image.convert(mode)).save(path)


def expected(coords):
    """Return the colours at positions on the square."""
    return PIXELS[
        ((4 - coords[:, 1]) * 2).astype(int).clip(0, 7), (coords[:, 0] * 2).astype(int).clip(0, 7)
    ]


def gltf(path, *parts, images=(), materials=(), **more):
    """Write a glTF file; a part is a dict of arrays, and optionally material, mode, matrix."""
    views, accessors, meshes, nodes, binary = [], [], [], [], b''
    types = {np.dtype(t): k for k, t in {5121: 'u1', 5123: 'u2', 5125: 'u4', 5126: 'f4'}.items()}
    for part in parts:
        primitive = {'attributes': {}}
        for name, value in part.items():
            if not isinstance(value, np.ndarray):
                continue
            columns = {1: 'SCALAR', 2: 'VEC2', 3: 'VEC3', 4: 'VEC4'}[value.ndim and value[0].size]
            accessor = dict(
                bufferView=len(views),
                componentType=types[value.dtype],
                count=len(value),
                type=columns,
            )
            if value.dtype.kind == 'u' and name in ('COLOR_0', 'TEXCOORD_0'):
                accessor['normalized'] = True
            if name == 'POSITION':
                accessor.update(min=value.min(0).tolist(), max=value.max(0).tolist())
            accessor.update(part.get('accessor', {}).get(name, {}))
            accessor = {key: v for key, v in accessor.items() if v is not None}
            data = value.tobytes()
            views.append(dict(buffer=0, byteOffset=len(binary), byteLength=len(data)))
            binary += data + bytes(-len(data) % 4)
            if name == 'indices':
                primitive['indices'] = len(accessors)
            else:
                primitive['attributes'][name] = len(accessors)
            accessors.append(accessor)
        primitive.update(
            {key: part[key] for key in ('material', 'mode', 'extensions') if key in part}
        )
        nodes.append(dict(mesh=len(meshes), **{k: part[k] for k in ('matrix',) if k in part}))
        meshes.append(dict(primitives=[primitive]))
    tree = dict(
        asset={'version': '2.0'},
        scene=0,
        scenes=[{'nodes': [*range(len(nodes))]}],
        nodes=nodes,
        meshes=meshes,
        accessors=accessors,
        bufferViews=views,
        buffers=[{'byteLength': len(binary)}],
        **more,
    )
    if images:
        tree.update(
            images=[{'uri': quote(name)} for name in images],
            textures=[{'source': k} for k in range(len(images))],
        )
    if materials:
        tree['materials'] = list(materials)
    text = json.dumps(tree).encode()
    text += b' ' * (-len(text) % 4)
    path.write_bytes(
        b'glTF'
        + struct.pack('<4I', 2, 28 + len(text) + len(binary), len(text), 0x4E4F534A)
        + text
        + struct.pack('<2I', len(binary), 0x004E4942)
        + binary
    )


def base_color(index=0, **more):
    return {'pbrMetallicRoughness': {'baseColorTexture': {'index': index, **more}}}


PLAIN = dict(POSITION=SQUARE, indices=FACES.reshape(-1))
TEXTURED = dict(PLAIN, TEXCOORD_0=UV * (1, -1) + np.float32((0, 1)), material=0)
TEXTURED['TEXCOORD_0'] = TEXTURED['TEXCOORD_0'].astype(np.float32)  # from the upper left in glTF


def write_obj(path, name='room picture.png'):
    (path.parent / 'room.mtl').write_text(f'newmtl wall\nKd 0 0 0\nmap_Kd {name}\n')
    path.write_text(
        'mtllib room.mtl\nusemtl wall\n'
        + ''.join(f'v {x} {y} {z}\n' for x, y, z in SQUARE.tolist())
        + ''.join(f'vt {u} {v}\n' for u, v in UV.tolist())
        + 'f 1/1 2/2 3/3\nf 1/1 3/3 4/4\n'
    )


def write_ply(
    path,
    name='room picture.png',
    *,
    faces=((0, 1, 2), (0, 2, 3)),
    uv='faces',
    form='ascii',
    colors=None,
    number=None,
):
    header = ['ply', f'format {form} 1.0']
    header += [f'comment TextureFile {each}' for each in name.split('|') if each]
    header += ['element vertex 4', *(f'property float {axis}' for axis in 'xyz')]
    if uv == 'vertices':
        header += ['property float texture_u', 'property float texture_v']
    if colors is not None:
        header += [f'property uchar {channel}' for channel in ('red', 'green', 'blue')]
    header += [f'element face {len(faces)}', 'property list uchar int vertex_indices']
    header += ['property list uchar float texcoord'] if uv != 'vertices' else []
    header += ['property int texnumber'] if number is not None else []
    rows = []
    for k, place in enumerate(SQUARE.tolist()):
        row = [('f4', v) for v in (*place, *(UV[k].tolist() if uv == 'vertices' else []))]
        rows.append(row + ([('u1', v) for v in colors[k]] if colors is not None else []))
    for k, face in enumerate(faces):
        row = [('u1', len(face)), *(('i4', v) for v in face)]
        if uv != 'vertices':
            has_uv = uv == 'faces' or uv == 'some' and k == 0
            each = UV[[*face]].reshape(-1).tolist() if has_uv else []
            row += [('u1', len(each)), *(('f4', v) for v in each)]
        rows.append(row + ([('i4', number[k])] if number is not None else []))
    if form == 'ascii':
        body = ''.join(' '.join(str(v) for _, v in row) + '\n' for row in rows).encode()
    else:
        order = '<' if 'little' in form else '>'
        body = b''.join(np.array(v, order + kind).tobytes() for row in rows for kind, v in row)
    path.write_bytes('\n'.join([*header, 'end_header', '']).encode() + body)


WRITERS = {
    'scene.glb': lambda path: gltf(
        path, TEXTURED, images=['room picture.png'], materials=[base_color()]
    ),
    'mesh.obj': write_obj,
    'faces.ply': write_ply,
    'little.ply': lambda path: write_ply(path, form='binary_little_endian'),
    'big.ply': lambda path: write_ply(path, form='binary_big_endian'),
    'vertices.ply': lambda path: write_ply(path, uv='vertices'),
    'quad.ply': lambda path: write_ply(path, faces=[[0, 1, 2, 3]]),
    'odd_faces.ply': lambda path: write_ply(path, faces=[[], [2], [0, 1], *FACES.tolist()]),
}


@pytest.mark.parametrize('name', WRITERS)
@pytest.mark.parametrize('mode', ['RGB', 'P', 'RGBA'])
def test_points_on_surfaces_have_the_colours_of_the_picture(tmp_path, name, mode):
    picture(tmp_path / 'room picture.png', mode)
    WRITERS[name](tmp_path / name)
    scan = read_scan(tmp_path / name, mesh_samples=3000)
    assert scan.coords.shape == (3000, 3) and scan.notes == ()
    inside = (np.abs(scan.coords[:, :2] % 0.5 - 0.25) < 0.24).all(axis=1)  # not between pixels
    assert scan.coords[:, :2].min(axis=0).max() < 0.1 and scan.coords.max() > 3.9
    assert scan.colors.dtype == np.uint8 and inside.sum() > 2000
    np.testing.assert_array_equal(scan.colors[inside], expected(scan.coords)[inside])
    again = read_scan(tmp_path / name, mesh_samples=3000)
    np.testing.assert_array_equal(again.coords, scan.coords)


@pytest.mark.parametrize('name', WRITERS)
@pytest.mark.parametrize('content', [None, b'', b'\x89PNG broken', 'cut'])
def test_a_picture_that_is_missing_or_broken_is_said(tmp_path, name, content):
    if content == 'cut':
        picture(tmp_path / 'whole.png')
        content = (tmp_path / 'whole.png').read_bytes()[:-40]
    if content is not None:
        (tmp_path / 'room picture.png').write_bytes(content)
    WRITERS[name](tmp_path / name)
    scan = read_scan(tmp_path / name, mesh_samples=100)
    assert scan.coords.shape == (100, 3) and scan.colors is None
    assert len(scan.notes) == 1 and 'is not there, or not read; grey' in scan.notes[0]
    assert 'room%20picture.png' in scan.notes[0] or 'room picture.png' in scan.notes[0]


def test_surfaces_without_places_in_the_picture_keep_the_colours_of_their_corners(tmp_path):
    picture(tmp_path / 'room picture.png')
    write_ply(tmp_path / 'mesh.ply', uv='some', colors=[(7, 8, 9)] * 4)
    scan = read_scan(tmp_path / 'mesh.ply', mesh_samples=2000)
    below = scan.coords[:, 0] > scan.coords[:, 1]
    assert (scan.colors[~below] == (7, 8, 9)).all() and below.sum() > 800
    assert set(map(tuple, scan.colors[below].tolist())) <= set(
        map(tuple, PIXELS.reshape(-1, 3).tolist())
    )


def test_missing_picture_of_a_mesh_with_colours(tmp_path):
    write_ply(tmp_path / 'mesh.ply', colors=[(7, 8, 9)] * 4)
    scan = read_scan(tmp_path / 'mesh.ply', mesh_samples=20)
    assert (scan.colors == (7, 8, 9)).all() and 'colours of its corners' in scan.notes[0]


def test_several_pictures_of_a_ply(tmp_path):
    for name, color in (('a.png', (255, 0, 0)), ('b.png', (0, 0, 255))):
        Image.new('RGB', (2, 2), color).save(tmp_path / name)
    write_ply(tmp_path / 'mesh.ply', 'a.png|b.png', number=[1, 0])
    scan = read_scan(tmp_path / 'mesh.ply', mesh_samples=500)
    below = scan.coords[:, 0] > scan.coords[:, 1]
    assert (scan.colors[below] == (0, 0, 255)).all() and (scan.colors[~below] == (255, 0, 0)).all()


def test_colours_of_vertices_are_mixed_between_corners(tmp_path):
    colors = np.array([(0, 0, 0), (200, 0, 0), (200, 100, 0), (0, 100, 0)])
    write_ply(tmp_path / 'mesh.ply', '', uv='none', colors=colors.tolist())
    scan = read_scan(tmp_path / 'mesh.ply', mesh_samples=500)
    assert np.abs(scan.colors[:, 0] - 50 * scan.coords[:, 0]).max() <= 0.5
    assert np.abs(scan.colors[:, 1] - 25 * scan.coords[:, 1]).max() <= 0.5


def test_a_corner_that_is_not_there(tmp_path):
    write_ply(tmp_path / 'mesh.ply', '', uv='none', faces=[[0, 1, 2], [0, 1, 4]])
    with pytest.raises(RawDataError, match='corners 0 to 4; expected 0 to 3, of 4 vertices'):
        read_scan(tmp_path / 'mesh.ply', mesh_samples=5)


@pytest.mark.parametrize('corner', ['nan', 'inf', '-1', '1e30'])
def test_a_corner_that_is_no_number(tmp_path, corner):
    write_ply(tmp_path / 'mesh.ply', '', uv='none', faces=[[0, 1, 2], [0, 1, corner]])
    with pytest.raises(RawDataError, match='faces with the corners .* expected 0 to 3'):
        read_scan(tmp_path / 'mesh.ply', mesh_samples=5)


def test_lists_in_the_vertices_of_a_mesh(tmp_path):
    (tmp_path / 'mesh.ply').write_text(
        'ply\nformat ascii 1.0\nelement vertex 3\nproperty list uchar int rgb\n'
        'property float x\nproperty float y\nproperty float z\nelement face 1\n'
        'property list uchar int vertex_index\nend_header\n0 0 0 0\n1 7 4 0 0\n2 5 6 4 4 0\n'
        '3 0 1 2\n'
    )
    assert len(read_scan(tmp_path / 'mesh.ply', mesh_samples=5).coords) == 5


def test_faces_of_gltf_whose_corners_are_not_there(tmp_path):
    gltf(tmp_path / 'scene.glb', dict(PLAIN, indices=np.uint16([0, 1, 9])))
    for samples in (0, 10):
        with pytest.raises(RawDataError, match='corners that are not there'):
            read_scan(tmp_path / 'scene.glb', mesh_samples=samples)


def test_faces_without_an_area(tmp_path):
    write_ply(tmp_path / 'mesh.ply', '', uv='none', faces=[[0, 1, 1]])
    with pytest.raises(RawDataError, match='1 faces without an area'):
        read_scan(tmp_path / 'mesh.ply', mesh_samples=5)


@pytest.mark.parametrize('channels', [3, 4])
@pytest.mark.parametrize('values', [(20 * 257, 30 * 257, 40 * 257), (5200, 7700, 10300)])
def test_colours_of_16_bits_on_points(tmp_path, channels, values):
    """trimesh keeps the lower 8 bits, which by chance is right for the first colours."""
    colors = np.tile(np.uint16([[*values, 65535]]), (4, 1))[:, :channels]
    part = dict(POSITION=SQUARE, COLOR_0=np.ascontiguousarray(colors), mode=0)
    gltf(tmp_path / 'points.glb', part, dict(part, matrix=moved(10)))
    scan = read_scan(tmp_path / 'points.glb')
    assert scan.notes == () and (scan.colors == (20, 30, 40)).all() and len(scan.coords) == 8


def moved(x):
    return [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, x, 0, 0, 1]


@pytest.mark.parametrize('samples', [0, 4000])
def test_parts_of_a_scene_keep_their_looks(tmp_path, samples):
    picture(tmp_path / 'room.png')
    sixteen = np.tile(np.array([[20 * 257, 30 * 257, 40 * 257]], np.uint16), (4, 1))
    gltf(
        tmp_path / 'scene.glb',
        TEXTURED,
        dict(PLAIN, matrix=moved(10), COLOR_0=np.tile(np.uint8([[1, 2, 3, 255]]), (4, 1))),
        dict(PLAIN, matrix=moved(20), material=1),
        dict(PLAIN, matrix=moved(30)),
        dict(PLAIN, matrix=moved(40), COLOR_0=np.c_[sixteen, sixteen[:, :1]]),
        dict(PLAIN, matrix=moved(50), COLOR_0=np.full((4, 3), 0.2, np.float32), material=2),
        dict(PLAIN, matrix=moved(60), COLOR_0=sixteen, material=2),
        dict(TEXTURED, matrix=moved(70), material=3, COLOR_0=np.full((4, 3), 0.5, np.float32)),
        images=['room.png'],
        materials=[
            base_color(),
            {'pbrMetallicRoughness': {'baseColorFactor': [0, 1, 0, 1]}},
            {},
            {
                'pbrMetallicRoughness': {
                    'baseColorTexture': {'index': 0},
                    'baseColorFactor': [0, 1, 1, 1],
                }
            },
        ],
    )
    scan = read_scan(tmp_path / 'scene.glb', mesh_samples=samples)
    part = (scan.coords[:, 0] // 10).astype(int)
    assert set(part) == set(range(8)) and (scan.units, scan.up) == ('m', 'y')
    assert scan.notes == ('parts without colours: 1 of 8; grey',)
    for k, color in {
        1: (1, 2, 3),
        2: (0, 255, 0),
        3: (128, 128, 128),
        4: (20, 30, 40),
        5: (51, 51, 51),
        6: (20, 30, 40),
    }.items():
        assert (scan.colors[part == k] == color).all(), k
    if samples:
        inside = (np.abs(scan.coords[:, :2] % 0.5 - 0.25) < 0.24).all(axis=1)
        np.testing.assert_array_equal(
            scan.colors[inside & (part == 0)], expected(scan.coords[inside & (part == 0)])
        )
        coords = scan.coords[inside & (part == 7)] - (70, 0, 0)
        half = np.round(expected(coords) * (0, 1, 1) * 128 / 255)
        assert np.abs(scan.colors[inside & (part == 7)] - half).max() <= 1


def test_a_missing_picture_leaves_the_other_parts_alone(tmp_path):
    gltf(
        tmp_path / 'scene.glb',
        TEXTURED,
        dict(PLAIN, matrix=moved(10), COLOR_0=np.tile(np.uint8([[1, 2, 3, 255]]), (4, 1))),
        images=['gone.png'],
        materials=[base_color()],
    )
    for samples in (0, 50):
        scan = read_scan(tmp_path / 'scene.glb', mesh_samples=samples)
        assert scan.notes == ('the picture gone.png is not there, or not read; grey',)
        left = scan.coords[:, 0] < 9
        assert (scan.colors[left] == 128).all() and (scan.colors[~left] == (1, 2, 3)).all()


@pytest.mark.parametrize(
    'change, note',
    [
        (dict(materials=[base_color(texCoord=1)]), 'moved or turned'),
        (
            dict(
                materials=[base_color(extensions={'KHR_texture_transform': {'scale': [2, 2]}})],
                extensionsRequired=['KHR_texture_transform'],
            ),
            'moved or turned',
        ),
        (dict(TEXCOORD_0=(UV * 65535).astype(np.uint16)), 'are integers'),
        (dict(extra_mode=6), '1 of 2 parts are fans or chains'),
    ],
)
def test_what_is_not_read_of_looks_is_said(tmp_path, change, note):
    picture(tmp_path / 'room.png')
    change = dict(change)
    part = dict(TEXTURED, **{k: change.pop(k) for k in ('TEXCOORD_0',) if k in change})
    parts = [part]
    if 'extra_mode' in change:
        parts.append(dict(PLAIN, mode=change.pop('extra_mode')))
    gltf(
        tmp_path / 'scene.glb',
        *parts,
        images=['room.png'],
        **{'materials': [base_color()], **change},
    )
    scan = read_scan(tmp_path / 'scene.glb', mesh_samples=50)
    assert len(scan.notes) == 1 and note in scan.notes[0]


@pytest.mark.parametrize('ending', ['glb', 'gltf'])
@pytest.mark.parametrize(
    'name, remedy',
    [
        ('KHR_draco_mesh_compression', 'Export it without compression'),
        ('EXT_meshopt_compression', 'Export it without compression'),
        ('KHR_meshopt_compression', 'Export it without compression'),
        ('EXT_mesh_gpu_instancing', 'Export it without EXT_mesh_gpu_instancing'),
        ('ACME_points', 'Export it without ACME_points'),
    ],
)
@pytest.mark.parametrize('samples', [0, 10])
def test_an_extension_that_is_needed_is_named(tmp_path, ending, name, remedy, samples):
    path = tmp_path / f'scene.{ending}'
    gltf(
        path,
        dict(
            PLAIN,
            accessor={'POSITION': {'bufferView': None}},
            extensions={name: {'bufferView': 0, 'attributes': {'POSITION': 0}}},
        ),
        extensionsRequired=[name],
        extensionsUsed=[name],
    )
    if ending == 'gltf':
        content = path.read_bytes()
        path.write_bytes(content[20 : 20 + struct.unpack('<I', content[12:16])[0]])
    with pytest.raises(RawDataError, match=rf'scene.{ending}: needs {name}.*{remedy}') as caught:
        read_scan(path, mesh_samples=samples)
    assert '\n' not in str(caught.value)


def test_extensions_that_only_change_looks_are_read(tmp_path):
    gltf(
        tmp_path / 'scene.glb',
        PLAIN,
        extensionsRequired=['KHR_materials_unlit', 'KHR_lights_punctual', 'KHR_mesh_quantization'],
    )
    np.testing.assert_array_equal(read_scan(tmp_path / 'scene.glb').coords, SQUARE)


@pytest.mark.parametrize(
    'accessor, message',
    [
        ({'bufferView': None}, 'vertices without data'),
        ({'sparse': {'count': 1}}, 'sparse accessor'),
        ({'normalized': True, 'componentType': 5123}, 'normalised integers'),
    ],
)
def test_vertices_that_would_come_out_elsewhere_are_refused(tmp_path, accessor, message):
    gltf(tmp_path / 'scene.glb', dict(PLAIN, accessor={'POSITION': accessor}))
    with pytest.raises(RawDataError, match=message):
        read_scan(tmp_path / 'scene.glb')


def test_vertices_in_one_place_are_no_success(tmp_path):
    flat = np.zeros_like(SQUARE)
    gltf(
        tmp_path / 'scene.glb',
        dict(PLAIN, POSITION=flat, accessor={'POSITION': {'max': [4, 4, 0]}}),
    )
    with pytest.raises(RawDataError, match='all lie in one place'):
        read_scan(tmp_path / 'scene.glb')
    gltf(tmp_path / 'one.glb', dict(PLAIN, POSITION=flat))  # as announced
    assert len(read_scan(tmp_path / 'one.glb').coords) == 4


def test_quantised_vertices_that_are_not_normalised(tmp_path):
    gltf(
        tmp_path / 'scene.glb',
        dict(
            PLAIN,
            POSITION=(SQUARE * 100).astype(np.uint16),
            matrix=[0.01, 0, 0, 0, 0, 0.01, 0, 0, 0, 0, 0.01, 0, 0, 0, 0, 1],
        ),
        extensionsRequired=['KHR_mesh_quantization'],
    )
    np.testing.assert_allclose(read_scan(tmp_path / 'scene.glb').coords, SQUARE, atol=1e-6)


@pytest.mark.parametrize(
    'tree',
    [
        [],
        7,
        {},
        {'meshes': 3},
        {'meshes': [{'primitives': [{}]}]},
        {'extensionsRequired': [1]},
        {'meshes': [{'primitives': [{'attributes': {'POSITION': 9}}]}], 'accessors': []},
    ],
)
@pytest.mark.parametrize('samples', [0, 10])
def test_trees_that_are_none(tmp_path, tree, samples):
    (tmp_path / 'scene.gltf').write_text(json.dumps(tree))
    with pytest.raises(RawDataError) as caught:
        read_scan(tmp_path / 'scene.gltf', mesh_samples=samples)
    assert 'fault of the program' not in str(caught.value) and "' object" not in str(caught.value)


@pytest.mark.parametrize('faces', ['f 1 2 3\n', 'f 1/1 2/2 3/3\nf 1 3 4\n', 'f 1/1 2/2 3/9\n'])
def test_faces_without_a_place_in_the_picture_are_said(tmp_path, faces):
    picture(tmp_path / 'room.png')
    write_obj(tmp_path / 'mesh.obj', 'room.png')
    text = (tmp_path / 'mesh.obj').read_text()
    (tmp_path / 'mesh.obj').write_text(text[: text.index('f ')] + faces)
    scan = read_scan(tmp_path / 'mesh.obj', mesh_samples=20)
    assert scan.colors is None and 'have no place in its picture; grey' in scan.notes[0]


@pytest.mark.parametrize('kind', ['external', 'inside', 'data'])
@pytest.mark.parametrize('samples', [0, 100])
def test_gltf_with_its_numbers_in_another_file(tmp_path, kind, samples):
    Image.new('RGB', (4, 4), (9, 8, 7)).save(tmp_path / 'wall one.png')
    gltf(tmp_path / 'scene.glb', TEXTURED, images=['wall one.png'], materials=[base_color()])
    content = (tmp_path / 'scene.glb').read_bytes()
    size = struct.unpack('<I', content[12:16])[0]
    tree, data = json.loads(content[20 : 20 + size]), content[28 + size :]
    pixels = (tmp_path / 'wall one.png').read_bytes()
    if kind == 'inside':
        tree['bufferViews'].append(dict(buffer=0, byteOffset=len(data), byteLength=len(pixels)))
        tree['images'] = [dict(bufferView=len(tree['bufferViews']) - 1, mimeType='image/png')]
        data += pixels
    if kind == 'data':
        tree['images'] = [{'uri': 'data:image/png;base64,' + base64.b64encode(pixels).decode()}]
    (tmp_path / 'my data.bin').write_bytes(data)
    tree['buffers'] = [{'uri': 'my%20data.bin', 'byteLength': len(data)}]
    (tmp_path / 'room.gltf').write_text(json.dumps(tree))
    scan = read_scan(tmp_path / 'room.gltf', mesh_samples=samples)
    assert len(scan.coords) == (samples or 4) and scan.notes == ()
    assert (scan.colors == (9, 8, 7)).all()
    (tmp_path / 'my data.bin').write_bytes(data[:20])
    with pytest.raises(RawDataError, match='trimesh fails on it'):
        read_scan(tmp_path / 'room.gltf', mesh_samples=samples)


def test_coloured_obj_whose_materials_are_missing(tmp_path):
    (tmp_path / 'mesh.obj').write_text(
        'mtllib gone.mtl\nv 0 0 0 1 0 0\nv 4 0 0 1 0 0\nv 4 4 0 1 0 0\nvt 0 0\nusemtl a\n'
        'f 1/1 2/1 3/1\n'
    )
    scan = read_scan(tmp_path / 'mesh.obj', mesh_samples=20)
    assert (scan.colors == (255, 0, 0)).all() and 'gone.mtl' in scan.notes[0]


def test_colours_of_materials_of_an_obj(tmp_path):
    (tmp_path / 'room.mtl').write_text('newmtl a\nKd 0 1 0\nnewmtl b\nKd 0 0 1\n')
    (tmp_path / 'mesh.obj').write_text(
        'mtllib room.mtl\nv 0 0 0\nv 4 0 0\nv 4 4 0\nv 0 4 0\n'
        'usemtl a\nf 1 2 3\nusemtl b\nf 1 3 4\n'
    )
    scan = read_scan(tmp_path / 'mesh.obj', mesh_samples=200)
    below = scan.coords[:, 0] > scan.coords[:, 1]
    assert (scan.colors[below] == (0, 255, 0)).all() and (scan.colors[~below] == (0, 0, 255)).all()
    assert scan.notes == ()
