# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The surfaces of PLY meshes: faces of any number of corners; a comment names the picture."""

from pathlib import Path

import numpy as np

from ..columns import ColumnNames, find_columns
from ..errors import RawDataError
from ..points.ply import List, read_header, read_ply
from .surfaces import Surface, picture_of

_CORNERS = ('vertex_indices', 'vertex_index')
_UV = (('texture_u', 'texture_v'), ('s', 't'), ('u', 'v'), ('tex_u', 'tex_v'))


def read_ply_surfaces(path: Path) -> tuple[list[Surface], tuple[str, ...]]:
    """Read the triangles of a PLY mesh; a face with more corners becomes several.

    Args:
        path: the file.

    Returns:
        One surface for each picture and one for what has none, and remarks on colours.

    Raises:
        RawDataError: it cannot be read, or a face has a corner that is not there.
    """
    elements = read_ply(path, ('vertex', 'face'))
    vertices, faces = elements['vertex'], elements.get('face', {})
    scalars = {name: values for name, values in vertices.items() if not isinstance(values, List)}
    found = find_columns(scalars, path, ColumnNames(labels=False))
    corners = next((faces[name] for name in _CORNERS if isinstance(faces.get(name), List)), None)
    if corners is None or not len(corners.values):
        return [], ()
    low, high = corners.values.min(), corners.values.max()
    if not (low >= 0 and high < len(found.coords)):  # also of NaN
        raise RawDataError(
            path,
            f'faces with the corners {low:.15g} to {high:.15g}',
            f'0 to {len(found.coords) - 1}, of {len(found.coords)} vertices',
            'Export it again',
        )
    face, place = _triangles(corners.lengths)
    triangles = corners.values.astype(np.int64)[place]
    places = np.asarray(found.coords, dtype=np.float64)[triangles]
    colors = None if found.colors is None else found.colors[triangles]
    channels = [faces.get(name) for name in ('red', 'green', 'blue')]
    if colors is None and all(isinstance(channel, np.ndarray) for channel in channels):
        colors = np.repeat(np.stack(channels, axis=1)[face][:, None], 3, axis=1)
    uv = _uv(vertices, faces, corners, face, place, triangles)
    numbers = faces.get('texnumber')
    numbers = numbers[face] if isinstance(numbers, np.ndarray) else np.zeros(len(face))
    has_picture = np.zeros(len(face), dtype=bool)
    surfaces, notes = [], [*found.notes]
    for number, name in enumerate(_pictures(path) if uv is not None else ()):
        picture = picture_of(path.parent / name)
        if picture is None:
            other = 'grey' if colors is None else 'colours of its corners'
            notes.append(f'the picture {name[:80]} is not there, or not read; {other}')
            continue
        chosen = (numbers == number) & np.isfinite(uv).all(axis=(1, 2))
        has_picture |= chosen
        surfaces.append(Surface(places[chosen], None, uv[chosen], picture))
    rest = ~has_picture
    if rest.any():
        plain = None if colors is None else colors[rest]
        if surfaces and plain is not None and plain.dtype.kind == 'f' and plain.max() <= 1:
            plain = 255 * plain  # as pictures have them
        surfaces.append(Surface(places[rest], plain))
    return surfaces, tuple(notes)


def _pictures(path: Path) -> list[str]:
    """Names in comments such as ``comment TextureFile room.png``, in their order."""
    content = path.read_bytes()
    header = content[: read_header(content, path).num_bytes].decode('utf-8', errors='replace')
    words = [line.split(None, 2) for line in header.splitlines()]
    return [
        line[2].strip()
        for line in words
        if len(line) == 3 and line[0] == 'comment' and line[1].lower() == 'texturefile'
    ]


def _triangles(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fans of triangles.

    Args:
        lengths: ``(F,)`` corners of each face.

    Returns:
        ``(T,)`` the face of each triangle, ``(T, 3)`` places of its corners in the list of all.
    """
    counts = np.maximum(lengths - 2, 0)
    face = np.repeat(np.arange(len(lengths)), counts)
    step = np.arange(len(face)) - np.repeat(np.cumsum(counts) - counts, counts)
    first = (np.cumsum(lengths) - lengths)[face]
    return face, np.stack([first, first + step + 1, first + step + 2], axis=1)


def _uv(
    vertices: dict,
    faces: dict,
    corners: List,
    face: np.ndarray,
    place: np.ndarray,
    triangles: np.ndarray,
) -> np.ndarray | None:
    """Places ``(T, 3, 2)`` of corners in the picture, NaN where a face has none; None without."""
    for names in _UV:
        if all(isinstance(vertices.get(name), np.ndarray) for name in names):
            return np.stack([vertices[name] for name in names], axis=1)[triangles].astype(float)
    texture = faces.get('texcoord')
    if not isinstance(texture, List):
        return None
    fits = texture.lengths == 2 * corners.lengths
    begin, begin_uv = (np.cumsum(each) - each for each in (corners.lengths, texture.lengths))
    first = begin_uv[face, None] + 2 * (place - begin[face, None])
    uv = np.full((len(face), 3, 2), np.nan)
    for axis in (0, 1):
        uv[fits[face], :, axis] = texture.values[first[fits[face]] + axis]
    return uv
