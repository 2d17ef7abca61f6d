# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Surfaces of PLY meshes: faces with any number of corners; a comment names the picture."""

from pathlib import Path

import numpy as np

from ..columns import ColumnNames, find_columns
from ..errors import RawDataError
from ..points.ply import List, read_header, read_ply
from .surfaces import Surface, picture_of

_CORNERS = ('vertex_indices', 'vertex_index')
_UV = (('texture_u', 'texture_v'), ('s', 't'), ('u', 'v'), ('tex_u', 'tex_v'))


def read_ply_surfaces(path: Path) -> tuple[list[Surface], tuple[str, ...]]:
    """Read the triangles of a PLY mesh; a face with more corners becomes several triangles.

    Args:
        path: Path of the file.

    Returns:
        One surface per picture and one for the other faces, and remarks on colours.

    Raises:
        RawDataError: If the file cannot be read, or if a face has a corner that does not exist.
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
    face, index = _triangles(corners.lengths)
    triangles = corners.values.astype(np.int64)[index]
    coords = np.asarray(found.coords, dtype=np.float64)[triangles]
    colors = None if found.colors is None else found.colors[triangles]
    channels = [faces.get(name) for name in ('red', 'green', 'blue')]
    if colors is None and all(isinstance(channel, np.ndarray) for channel in channels):
        colors = np.repeat(np.stack(channels, axis=1)[face][:, None], 3, axis=1)
    uv = _uv(vertices, faces, corners, face, index, triangles)
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
        surfaces.append(Surface(corners=coords[chosen], uv=uv[chosen], picture=picture))
    rest = ~has_picture
    if rest.any():
        plain = None if colors is None else colors[rest]
        if surfaces and plain is not None and plain.dtype.kind == 'f' and plain.max() <= 1:
            plain = 255 * plain  # the range of pictures
        surfaces.append(Surface(corners=coords[rest], colors=plain))
    return surfaces, tuple(notes)


def _pictures(path: Path) -> list[str]:
    """Read the names in comments such as ``comment TextureFile room.png``, in their order."""
    content = path.read_bytes()
    header = content[: read_header(content, path).num_bytes].decode('utf-8', errors='replace')
    words = [line.split(None, 2) for line in header.splitlines()]
    return [
        line[2].strip()
        for line in words
        if len(line) == 3 and line[0] == 'comment' and line[1].lower() == 'texturefile'
    ]


def _triangles(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split faces into fans of triangles.

    Args:
        lengths: ``(F,)`` number of corners of each face.

    Returns:
        ``(T,)`` face of each triangle, and ``(T, 3)`` indices of its corners among those of all
        faces.
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
    index: np.ndarray,
    triangles: np.ndarray,
) -> np.ndarray | None:
    """Return positions ``(T, 3, 2)`` of corners in the picture, NaN if unknown; None if all are."""
    for names in _UV:
        if all(isinstance(vertices.get(name), np.ndarray) for name in names):
            return np.stack([vertices[name] for name in names], axis=1)[triangles].astype(float)
    texture = faces.get('texcoord')
    if not isinstance(texture, List):
        return None
    fits = texture.lengths == 2 * corners.lengths
    begin, begin_uv = (np.cumsum(each) - each for each in (corners.lengths, texture.lengths))
    first = begin_uv[face, None] + 2 * (index - begin[face, None])
    uv = np.full((len(face), 3, 2), np.nan)
    for axis in (0, 1):
        uv[fits[face], :, axis] = texture.values[first[fits[face]] + axis]
    return uv
