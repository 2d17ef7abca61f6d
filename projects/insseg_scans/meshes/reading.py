# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Readers of meshes with colours: vertices of glTF scenes, points on surfaces of any mesh."""

import io
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..color_range import to_bytes
from ..errors import RawDataError
from ..extras import optional_module, reader_of_others
from ..scan import Scan, scan_of
from .gltf import look_at_gltf
from .ply import read_ply_surfaces
from .surfaces import (
    Surface,
    colors_at,
    draw_points,
    joined_colors,
    picture_of,
    tinted,
)

_GLTF = ('.glb', '.gltf')


class _Part(NamedTuple):
    """A mesh or cloud of trimesh, and the positions (V, 3) of its vertices in the scene."""

    vertices: np.ndarray
    mesh: Any


class _Parts(NamedTuple):
    """Parts of a file, its materials with a picture or without theirs, and remarks."""

    parts: list[_Part]
    with_picture: Collection
    lost: Collection
    notes: tuple[str, ...]


def read_gltf(path: Path) -> Scan:
    """Read all vertices of the meshes and clouds of a glTF scene; needs trimesh.

    By definition, it is in metres and y is up. If only some parts have colours, the others are
    grey.
    """
    found, colors = _gltf_parts(path), []
    looks, notes = _looks(found)
    for part, look in zip(found.parts, looks):
        shown = look.colors
        if look.picture is not None:
            shown = tinted(colors_at(look.picture, look.uv), look.colors)
        if look.face_colors is not None:
            shown = np.asarray(part.mesh.visual.to_color().vertex_colors)[:, :3]
        colors.append(shown)
    coords = [part.vertices for part in found.parts]
    return Scan(
        name=str(path),
        coords=np.concatenate(coords),
        colors=joined_colors(colors, [len(c) for c in coords]),
        units='m',
        up='y',
        notes=notes,
    )


def sample_mesh(path: Path, count: int, ending: str) -> Scan:
    """Sample points evenly on the surfaces of a mesh, the same in every run.

    They have the colours of the pictures on the surfaces, or of faces or vertices.

    Args:
        path: Path of the file.
        count: Number of points.
        ending: ``.ply``, or, with trimesh, ``.obj``, ``.glb``, ``.gltf``.

    Raises:
        RawDataError: If the file cannot be read, or if it has no surfaces.
    """
    if ending == '.ply':
        surfaces, notes = read_ply_surfaces(path)
    else:
        found = (_gltf_parts if ending in _GLTF else _obj_parts)(path)
        looks, notes = _looks(found)
        surfaces = [
            _surface(part, look)
            for part, look in zip(found.parts, looks)
            if len(getattr(part.mesh, 'faces', ()))
        ]
    if not surfaces:
        raise RawDataError(path, 'no faces', 'a mesh', 'Leave out --mesh-samples')
    coords, colors = draw_points(surfaces, count, path)
    known = {'units': 'm', 'up': 'y'} if ending in _GLTF else {}
    return Scan(name=str(path), coords=coords, colors=colors, notes=notes, **known)


def _gltf_parts(path: Path) -> _Parts:
    trimesh = optional_module('trimesh', path)
    gltf = look_at_gltf(path)
    kind = 'glb' if gltf.content.startswith(b'glTF') else 'gltf'
    with reader_of_others('trimesh', path):
        scene = trimesh.load(
            io.BytesIO(gltf.content),
            file_type=kind,
            force='scene',
            process=False,
            resolver=trimesh.resolvers.FilePathResolver(str(path)),
        )
        parts = _in_place(scene)
    if not parts:
        raise RawDataError(path, 'no vertices', 'a mesh or a cloud', 'Export it again')
    _check_parts(parts, path)
    corner = parts[0].vertices[0]
    if gltf.has_extent and all((part.vertices == corner).all() for part in parts):
        raise RawDataError(
            path,
            'vertices that all lie in one place',
            'the extent that it announces',
            'Export it without compression',
        )
    return _Parts(parts=parts, with_picture=gltf.with_picture, lost=gltf.lost, notes=gltf.notes)


def _obj_parts(path: Path) -> _Parts:
    with_picture, lost, notes = _obj_pictures(path)
    trimesh = optional_module('trimesh', path)
    with reader_of_others('trimesh', path):
        scene = trimesh.load(str(path), file_type='obj', force='scene', process=False)
        parts = _in_place(scene)
    _check_parts(parts, path)
    return _Parts(parts=parts, with_picture=with_picture, lost=lost, notes=notes)


def _in_place(scene: Any) -> list[_Part]:
    """Collect the parts of trimesh's scene; its own ``dump`` drops colours besides a material's."""
    parts = []
    for node in scene.graph.nodes_geometry:
        matrix, name = scene.graph[node]
        mesh = scene.geometry[name]
        vertices = np.asarray(mesh.vertices, dtype=np.float64)
        if len(vertices):
            with np.errstate(over='ignore', invalid='ignore'):  # NaN and infinity stay
                vertices = vertices @ matrix[:3, :3].T + matrix[:3, 3]
            parts.append(_Part(vertices=vertices, mesh=mesh))
    return parts


def _check_parts(parts: list[_Part], path: Path) -> None:
    """Refuse faces whose corners do not exist; trimesh does not check them."""
    for part in parts:
        faces = np.asarray(getattr(part.mesh, 'faces', ()))
        if (
            part.vertices.shape[1:] != (3,)
            or faces.size
            and not (faces.ndim == 2 and 0 <= faces.min() and faces.max() < len(part.vertices))
        ):
            raise RawDataError(
                path,
                'faces with corners that are not there',
                f'at most {len(part.vertices) - 1}, of {len(part.vertices)} vertices',
                'Export it again',
            )


def _obj_pictures(path: Path) -> tuple[set, set, tuple[str, ...]]:
    """Return the names of an OBJ's materials with a picture, of those without theirs; remarks."""
    with_picture, lost, notes = set(), set(), set()
    for library in _values(path, b'mtllib'):
        if not (path.parent / library).is_file():
            notes.add(f'the materials {library[:80]} are not there; grey')
            continue
        material = None
        for key, value in _lines(path.parent / library):
            if key == b'newmtl':
                material = value
            elif key == b'map_kd' and picture_of(path.parent / value) is not None:
                with_picture.add(material)
            elif key == b'map_kd':
                notes.add(f'the picture {value[:80]} is not there, or not read; grey')
                lost.add(material)
    return with_picture, lost - with_picture, tuple(sorted(notes))


def _values(path: Path, wanted: bytes) -> list[str]:
    return [value for key, value in _lines(path) if key == wanted]


def _lines(path: Path):
    with open(path, 'rb') as file:
        for line in file:
            key, *value = line.strip().split(None, 1)[:2] or [b'']
            yield key.lower(), b''.join(value).decode('utf-8', errors='replace')


class _Look(NamedTuple):
    """Looks of a part: colours (V, 3), colours of faces (F, 3), a picture at uv (V, 2)."""

    colors: np.ndarray | None = None
    face_colors: np.ndarray | None = None
    uv: np.ndarray | None = None
    picture: np.ndarray | None = None


def _looks(found: _Parts) -> tuple[list[_Look], tuple[str, ...]]:
    """Return the looks of all parts, and remarks on them."""
    looks, notes, num_lost = [], list(found.notes), 0
    for part in found.parts:
        visual = getattr(part.mesh, 'visual', None)
        if getattr(visual, 'kind', None) != 'texture':
            is_of_faces = getattr(visual, 'kind', None) == 'face'
            looks.append(
                _Look(face_colors=np.asarray(visual.face_colors)[:, :3])
                if is_of_faces
                else _Look(colors=scan_of(part.mesh).colors)
            )
            continue
        name = visual.material.name
        picture = None
        has_place = visual.uv is not None and visual.uv.shape == (len(part.vertices), 2)
        if name in found.with_picture and not has_place:
            notes.append(f'some faces of the material {name} have no place in its picture; grey')
        elif name in found.with_picture:
            picture = picture_of(
                getattr(visual.material, 'baseColorTexture', None)
                or getattr(visual.material, 'image', None)
            )
            if picture is None:
                notes.append(f'the picture of the material {name} is not read; grey')
        is_lost = name in found.lost or name in found.with_picture and picture is None
        colors = _own_colors(part, picture is not None, is_lost)
        looks.append(_Look(colors=colors, uv=visual.uv, picture=picture))
        num_lost += is_lost
    plain = sum(look.colors is look.face_colors is look.picture is None for look in looks)
    if num_lost < plain < len(looks):
        notes.append(f'parts without colours: {plain - num_lost} of {len(looks)}; grey')
    return looks, tuple(dict.fromkeys(notes))


def _own_colors(part: _Part, has_picture: bool, is_lost: bool) -> np.ndarray | None:
    """Return the colours (V, 3) uint8 of vertices and material, or None if there are none."""
    visual, material = part.mesh.visual, part.mesh.visual.material
    colors = visual.vertex_attributes.get('color')
    if colors is None:
        colors = part.mesh.vertex_attributes.get('color')
    colors = np.asarray(() if colors is None else colors)
    fits = colors.ndim == 2 and len(colors) == len(part.vertices) and colors.shape[1] >= 3
    colors = _eight_bits(colors[:, :3]) if fits else None
    if hasattr(material, 'baseColorFactor'):  # glTF multiplies all of them
        if material.baseColorFactor is None or is_lost:
            return colors
        factor = np.asarray(material.baseColorFactor)[:3]
        white = np.full((len(part.vertices), 3), 255, np.uint8)
        return tinted(white if colors is None else colors, factor)
    if has_picture:  # the colour of an OBJ's material with a picture is often black
        return None
    if colors is None and not is_lost and 'kd' in material.kwargs:
        return np.tile(np.asarray(material.diffuse)[:3], (len(part.vertices), 1))
    return colors


def _eight_bits(colors: np.ndarray) -> np.ndarray:
    if colors.dtype == np.uint16:
        return to_bytes(colors, 65535).astype(np.uint8)
    if colors.dtype.kind == 'f':
        return np.round(colors.clip(0, 1) * 255).astype(np.uint8)
    return colors


def _surface(part: _Part, look: _Look) -> Surface:
    faces = np.asarray(part.mesh.faces)
    colors = None if look.colors is None else look.colors[faces]
    if look.face_colors is not None:
        colors = np.repeat(look.face_colors[:, None], 3, axis=1)
    uv = None if look.picture is None else np.asarray(look.uv)[faces]
    return Surface(corners=part.vertices[faces], colors=colors, uv=uv, picture=look.picture)
