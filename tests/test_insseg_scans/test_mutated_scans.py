# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Mutated scans of every format result in points of the file or in one clear line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insseg_scans import ENDINGS, look_at, read_scan
from insseg_scans.errors import RawDataError

from ..test_insseg3d.mutations import FEW, MANY, changes, mutated, mutated_member, right_or_refused
from .writers import WRITERS

RANDOM = np.random.default_rng(0)
TABLE = np.c_[RANDOM.integers(0, 512, (12, 3)) / 128, RANDOM.integers(0, 256, (12, 3))]


def write_glb(path, table):
    trimesh = pytest.importorskip('trimesh')
    colors = np.c_[table[:, 3:], np.full(len(table), 255)].astype(np.uint8)
    trimesh.Trimesh(table[:, :3], [[0, 1, 2]], vertex_colors=colors, process=False).export(path)


def write_named(path, table):
    np.savetxt(path, table, fmt='%.7f', delimiter=',', header='x,y,z,r,g,b', comments='')


FORMS = {**WRITERS, 'scene.glb': write_glb, 'named.csv': write_named}
MOST_FOLD = {'.npz': 1100, '.laz': 1100, '.pcd': 100}
"""A byte of these unpacks to so many at most; elsewhere a point takes three bytes or more."""


def whole(form, tmp_path):
    path = tmp_path / form
    FORMS[form](path, TABLE)
    return path.read_bytes()


def check(content, path):
    """Read a file with mutated content."""
    path.write_bytes(content)
    scan = right_or_refused(lambda: read_scan(path), RawDataError, name=str(path))
    if scan is None:
        return
    fold = max(MOST_FOLD.get(ending, 1) for ending in (path.suffix, kind_of(content)))
    assert scan.coords.shape[1] == 3 and 3 * len(scan.coords) <= fold * len(content)
    assert scan.coords.dtype.kind in 'fiu'
    assert scan.colors is None or scan.colors.shape == scan.coords.shape
    ready = right_or_refused(lambda: look_at(scan, voxel_size=0.02), RawDataError, name=str(path))
    if ready is not None:
        assert 1 <= len(ready.points) <= len(scan.coords) and np.isfinite(ready.points).all()
        assert ready.points[:, 3:].min() >= 0 and ready.points[:, 3:].max() <= 255


def kind_of(content):
    return {b'PK\x03\x04': '.npz', b'LASF': '.laz', b'# .P': '.pcd'}.get(content[:4], '')


def change_and_check(form, drawn, ending, tmp_path):
    content = whole(form, tmp_path)
    path = tmp_path / form
    check(mutated(content, drawn), path.with_suffix(ending) if ending else path)


def ending():
    """Draw an ending that is sometimes wrong."""
    return st.none() | st.none() | st.none() | st.sampled_from(ENDINGS)


@pytest.mark.parametrize('form', FORMS)
@FEW
@given(changes(), ending())
def test_points_that_are_there_or_a_clear_line(form, tmp_path, drawn, ending):
    change_and_check(form, drawn, ending, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize('form', FORMS)
@MANY
@given(changes(), ending())
def test_thousands_of_mutated_scans(form, tmp_path, drawn, ending):
    change_and_check(form, drawn, ending, tmp_path)


@FEW
@given(changes(), st.integers(0, 2**32 - 1))
def test_arrays_in_an_archive(tmp_path, drawn, seed):
    check(mutated_member(whole('arrays.npz', tmp_path), drawn, seed), tmp_path / 'arrays.npz')


@pytest.mark.slow
@MANY
@given(changes(), st.integers(0, 2**32 - 1))
def test_thousands_of_mutated_arrays_in_an_archive(tmp_path, drawn, seed):
    check(mutated_member(whole('arrays.npz', tmp_path), drawn, seed), tmp_path / 'arrays.npz')


@pytest.mark.parametrize('form', [f for f in FORMS if not f.endswith(('.laz', '.npz', '.pcd'))])
def test_what_was_cut_off_or_added_never_changes_the_points_before(form, tmp_path):
    """If a format announces the number of points, none are lost without an error."""
    content = whole(form, tmp_path)
    path = tmp_path / form
    before = read_scan(path).coords
    for size in range(1, len(content), max(1, len(content) // 30)):
        path.write_bytes(content[:size])
        try:
            coords = read_scan(path).coords
        except RawDataError:
            continue
        assert len(coords) <= len(before)
        np.testing.assert_array_equal(coords[:-1], before[: len(coords)][:-1])
        if path.suffix in ('.ply', '.PLY', '.npy', '.las', '.glb'):
            np.testing.assert_array_equal(coords, before)
