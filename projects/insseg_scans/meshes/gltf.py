# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Check of a glTF file before trimesh reads it.

trimesh reads zeros from data that it cannot unpack, does not scale normalised integers, and
ignores missing pictures, all without an error.
"""

import importlib.util
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import numpy as np

from ..color_range import to_bytes
from ..errors import RawDataError
from .surfaces import picture_of

_HARMLESS = (
    'KHR_materials_',
    'KHR_texture_',
    'KHR_lights_',
    'KHR_xmp',
    'KHR_animation_',
    'KHR_node_',
    'EXT_texture_',
    'EXT_lights_',
    'EXT_materials_',
    'MSFT_texture_',
)
"""Prefixes of extensions that affect only looks, not coordinates."""
_QUANTIZATION = 'KHR_mesh_quantization'  # read, if not normalised
_DECODERS = {'KHR_draco_mesh_compression': 'DracoPy'}
_COMPRESSION = 'Export it without compression'
_JSON = 0x4E4F534A
_READ_MODES = (0, 1, 4, 5)  # points, lines, triangles, strips
_FLOAT, _UNSIGNED_SHORT, _UNSIGNED_BYTE = 5126, 5123, 5121
_CHUNK = 8  # bytes before the binary part: its length and its kind
_HAVE_FACES = (4, 5)


class Gltf(NamedTuple):
    """Findings about a file.

    Attributes:
        notes: Remarks on colours that cannot be read, and on parts that are ignored.
        lost: Names of materials whose picture cannot be read.
        with_picture: Names of the other materials with a picture.
        has_extent: Whether its vertices differ, according to its bounds.
        content: Content of the file, with unique names of materials, and changed where trimesh
            would misread it.
    """

    notes: tuple[str, ...]
    lost: frozenset
    with_picture: frozenset
    has_extent: bool
    content: bytes


def look_at_gltf(path: Path) -> Gltf:
    """Read the description in a ``.glb`` or ``.gltf``.

    Raises:
        RawDataError: If it is not glTF, or if it needs features that trimesh lacks.
    """
    tree, binary = _tree(path)
    try:
        _refuse_extensions(tree, path)
        accessors = tree.get('accessors', [])
        coords, modes = [], []
        for primitive in _primitives(tree):
            modes.append(primitive.get('mode', 4))
            coords.append(accessors[primitive['attributes']['POSITION']])
            _refuse_coords(coords[-1], primitive, path)
        for number, material in enumerate(tree.get('materials', [])):
            material['name'] = f'{number} {material.get("name", "")}'.strip()  # unique
        _unquote_names(tree, path)
        notes, lost, with_picture = _pictures(tree, path)
        others = sum(mode not in _READ_MODES for mode in modes)
        if others:
            notes.append(f'{others} of {len(modes)} parts are fans or chains; they are passed over')
        has_extent = any(accessor.get('min') != accessor.get('max') for accessor in coords)
        binary, is_lost = _spare_colors(tree, binary)
        if is_lost:
            notes.append('colours of 16 bits on points are not read; grey')
        return Gltf(
            notes=tuple(notes),
            lost=frozenset(lost),
            with_picture=frozenset(with_picture - lost),
            has_extent=has_extent,
            content=_content(tree, binary),
        )
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, RawDataError):
            raise
        raise RawDataError(  # the code above only traverses the tree of the file
            path, 'a tree that glTF does not allow', 'meshes with coordinates', 'Export it again'
        ) from None


def _tree(path: Path) -> tuple[dict[str, Any], bytes | None]:
    """Read the JSON of a file, and the data that follow it in a ``.glb``, or None in a ``.gltf``.

    Raises:
        RawDataError: If there is no JSON of glTF 2, or if the file is cut off.
    """
    content, binary = path.read_bytes(), None
    if content[:4] == b'glTF':
        version, whole, size, kind = struct.unpack('<4I', content[4:20].ljust(16, b'\0'))
        if version != 2:
            raise RawDataError(path, f'glTF {version}', 'glTF 2', 'Export it again')
        if kind != _JSON or max(20 + size, whole) > len(content):
            raise RawDataError(
                path, f'cut off, {len(content)} bytes', f'{whole}', 'Export it again'
            )
        content, binary = content[20 : 20 + size], content[20 + size :]
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        tree = None
    if not isinstance(tree, dict):
        raise RawDataError(path, 'no JSON of glTF', 'an object', 'Export it again')
    return tree, binary


def _content(tree: dict, binary: bytes | None) -> bytes:
    text = json.dumps(tree).encode()
    if binary is None:
        return text
    text += b' ' * (-len(text) % 4)
    return (
        struct.pack('<4s4I', b'glTF', 2, 20 + len(text) + len(binary), len(text), _JSON)
        + text
        + binary
    )


def _spare_colors(tree: dict, binary: bytes | None) -> tuple[bytes | None, bool]:
    """Prevent trimesh from truncating 16-bit colours to the lower 8 bits.

    It does not truncate colours of faces with a material, so faces without one get one. The colours
    of points are copied to 8 bits if the file contains them.

    Returns:
        The binary part, possibly with copies, and whether colours of points had to be removed.
    """
    is_lost = False
    for primitive in _primitives(tree):
        attributes = primitive['attributes']
        if 'COLOR_0' not in attributes or 'material' in primitive:
            continue
        if tree['accessors'][attributes['COLOR_0']]['componentType'] == _UNSIGNED_SHORT:
            if primitive.get('mode', 4) in _HAVE_FACES:
                primitive['material'] = len(tree.setdefault('materials', []))
                tree['materials'].append({'name': 'colours of 16 bits'})
            elif (colors := _in_8_bits(tree, attributes['COLOR_0'], binary)) is None:
                del attributes['COLOR_0']
                is_lost = True
            else:
                attributes['COLOR_0'] = len(tree['accessors'])
                binary = _append(tree, binary, colors)
    return binary, is_lost


def _in_8_bits(tree: dict, number: int, binary: bytes | None) -> np.ndarray | None:
    """Read 16-bit colours in the binary part of a ``.glb`` as (P, 3 or 4) uint8; else None."""
    accessor = tree['accessors'][number]
    view = tree['bufferViews'][accessor['bufferView']]
    if binary is None or view['buffer'] != 0 or 'uri' in tree['buffers'][0]:
        return None
    channels = {'VEC3': 3, 'VEC4': 4}[accessor['type']]
    start = _CHUNK + view.get('byteOffset', 0) + accessor.get('byteOffset', 0)
    stride = view.get('byteStride', 2 * channels)
    if (len(binary) - start) // max(stride, 1) + 1 < accessor['count'] or stride < 2 * channels:
        raise ValueError('fewer colours than it has')
    # raises an error if the data are too short
    values = np.ndarray((accessor['count'], channels), '<u2', binary, start, (stride, 2))
    return to_bytes(values, 65535).astype(np.uint8)


def _append(tree: dict, binary: bytes, colors: np.ndarray) -> bytes:
    """Add an accessor of colours, and its data."""
    data, length = colors.tobytes(), len(binary) - _CHUNK
    tree['bufferViews'].append(dict(buffer=0, byteOffset=length, byteLength=len(data)))
    tree['accessors'].append(
        dict(
            bufferView=len(tree['bufferViews']) - 1,
            componentType=_UNSIGNED_BYTE,
            normalized=True,
            count=len(colors),
            type=f'VEC{colors.shape[1]}',
        )
    )
    content = binary[_CHUNK:] + data + bytes(-len(data) % 4)
    tree['buffers'][0]['byteLength'] = len(content)
    return struct.pack('<I', len(content)) + binary[4:_CHUNK] + content


def _primitives(tree: dict) -> Iterator[dict]:
    for mesh in tree.get('meshes', []):
        yield from mesh['primitives']


def _refuse_extensions(tree: dict, path: Path) -> None:
    for name in tree.get('extensionsRequired', []):
        if name.startswith(_HARMLESS) or name == _QUANTIZATION:
            continue
        decoder = _DECODERS.get(name)
        if decoder and importlib.util.find_spec(decoder):
            continue
        is_packing = 'compression' in name or 'meshopt' in name
        remedy = _COMPRESSION if is_packing else f'Export it without {name}'
        raise RawDataError(path, f'needs {name}, which is not read', 'a file without it', remedy)


def _refuse_coords(accessor: dict, primitive: dict, path: Path) -> None:
    """Refuse vertices that trimesh would misplace."""
    packed = [*primitive.get('extensions', {}), *accessor.get('extensions', {})]
    if 'sparse' in accessor:
        found = 'vertices in a sparse accessor'
    elif accessor.get('normalized'):
        found = f'vertices of normalised integers ({_QUANTIZATION})'
    elif 'bufferView' not in accessor and accessor.get('count'):
        if any(importlib.util.find_spec(_DECODERS[name]) for name in packed if name in _DECODERS):
            return
        found = f'vertices without data{" but in " + ", ".join(packed) if packed else ""}'
    else:
        return
    raise RawDataError(path, found, 'plain numbers', _COMPRESSION)


def _unquote_names(tree: dict, path: Path) -> None:
    """Decode the names of other files; trimesh does not decode escapes such as %20."""
    for entry in (*tree.get('images', []), *tree.get('buffers', [])):
        uri = entry.get('uri', 'data:')
        if not uri.startswith('data:') and (path.parent / unquote(uri)).is_file():
            entry['uri'] = unquote(uri)


def _pictures(tree: dict, path: Path) -> tuple[list[str], set, set]:
    """Return remarks on pictures, names of materials without theirs, and of those with one."""
    notes: list[str] = []
    lost, with_picture, images = set(), set(), tree.get('images', [])
    for material in tree.get('materials', []):
        looks = material.get('pbrMetallicRoughness', {})
        info = looks.get('baseColorTexture')
        specular = material.get('extensions', {}).get('KHR_materials_pbrSpecularGlossiness', {})
        info = info or specular.get('diffuseTexture')
        if info is None:
            continue
        texture = tree['textures'][info['index']]
        sources = [texture.get('source')]
        sources += [e.get('source') for e in texture.get('extensions', {}).values()]
        sources = [images[k] for k in sources if k is not None]
        found = [image for image in sources if _is_readable(image, path)]
        if not found:
            notes += [
                f'the picture {_name(image)} is not there, or not read; grey'
                for image in sources[:1]
            ]
            lost.add(material['name'])
        elif info.get('texCoord') or info.get('extensions', {}).get('KHR_texture_transform'):
            notes.append(
                f'the picture {_name(found[0])} is moved or turned on its surfaces, which '
                'is not read; grey'
            )
            lost.add(material['name'])
        else:
            with_picture.add(material['name'])
    accessors = tree.get('accessors', [])
    for primitive in _primitives(tree):
        number = primitive['attributes'].get('TEXCOORD_0')
        if number is not None and accessors[number]['componentType'] != _FLOAT:
            notes.append('positions in pictures are integers, which are not read; grey')
            lost |= {material['name'] for material in tree.get('materials', [])}
    return sorted(set(notes)), lost, with_picture


def _is_readable(image: dict, path: Path) -> bool:
    uri = image.get('uri', 'data:')
    if image.get('mimeType') == 'image/ktx2' or uri.lower().endswith('.ktx2'):
        return False
    return uri.startswith('data:') or picture_of(path.parent / uri) is not None


def _name(image: dict) -> str:
    uri = image.get('uri', '')
    return image.get('name', 'inside') if not uri or uri.startswith('data:') else uri[:80]
