# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from made_rooms.scanning.sampling import build_mesh, sample_surfaces
from made_rooms.shapes.materials import Material
from made_rooms.shapes.surfaces import circle, lathe, rectangle, ring_at

GREY = Material((0.5, 0.5, 0.5), (0.4, 0.4, 0.4))
SQUARE = rectangle((0, 0, 1), (1, 0, 0), (0, 1, 0), GREY)


def sampled(surfaces, spacing=0.02, jitter=0.3):
    return sample_surfaces(surfaces, spacing, jitter, np.random.default_rng(0))


def meshed(samples, state, longest=0.1):
    order = np.random.default_rng(1).integers(0, 256, len(state), dtype=np.uint8)
    return build_mesh(
        samples.points,
        samples.normals,
        state,
        order,
        samples.start,
        samples.shape,
        samples.closed,
        longest,
    )


def test_samples_of_a_square_lie_on_it_evenly():
    samples = sampled([SQUARE])
    assert len(samples.points) == 50 * 50
    np.testing.assert_allclose(samples.points[:, 2], 1.0)
    np.testing.assert_allclose(samples.normals, np.tile((0, 0, 1), (2500, 1)), atol=1e-6)
    np.testing.assert_allclose(samples.uv, samples.points[:, :2], atol=1e-6)
    np.testing.assert_allclose(samples.fill, 1.0, rtol=1e-5)
    nearest = cKDTree(samples.points).query(samples.points, 2)[0][:, 1]
    assert nearest.min() >= 0.02 * (1 - 2 * 0.3) * 0.99
    assert nearest.max() <= 0.02 * (1 + 2 * 0.3) * np.sqrt(2)


def test_samples_of_a_tube_lie_on_it_and_do_not_repeat_its_seam():
    samples = sampled(lathe([(0.2, 0), (0.2, 1)], GREY, sides=64, top=False), jitter=0.0)
    radius = np.linalg.norm(samples.points[:, :2], axis=1)
    assert radius.max() <= 0.2001 and radius.min() > 0.1995
    outward = (samples.normals[:, :2] * samples.points[:, :2]).sum(axis=1) / radius
    assert outward.min() > 0.99
    nearest = cKDTree(samples.points).query(samples.points, 2)[0][:, 1]
    assert nearest.min() > 0.018


def test_cells_that_narrow_to_a_point_are_less_than_full():
    disc = lathe([(0.5, 0.0), (0.01, 0.0)], GREY, sides=32, top=False)
    samples = sampled(disc, jitter=0.0)
    radius = np.linalg.norm(samples.points[:, :2], axis=1)
    np.testing.assert_allclose(samples.fill.sum() * 0.02**2, np.pi * 0.25, rtol=0.03)
    assert samples.fill[radius < 0.1].max() < 0.25


def test_knots_follow_the_length_along_a_lattice():
    outline = circle(4, 0.1)
    uneven = lathe([(0.1, 0.0), (0.1, 0.1), (0.1, 1.0)], GREY, sides=4, top=False)
    assert uneven[0].lattice.shape[0] == len(ring_at(outline, 0.0))
    z = np.sort(np.unique(np.round(sampled(uneven, jitter=0.0).points[:, 2], 6)))
    np.testing.assert_allclose(np.diff(z), 0.02, rtol=1e-3)


def test_mesh_of_all_samples_covers_the_surface_once():
    samples = sampled([SQUARE])
    faces = meshed(samples, np.full(len(samples.points), 2, np.uint8))
    mesh = trimesh.Trimesh(samples.points, faces, process=False)
    assert len(faces) == 2 * 49 * 49
    assert (mesh.face_normals[:, 2] > 0.99).all()
    assert mesh.area == pytest.approx(0.98**2, abs=0.02)


def test_dropped_samples_collapse_and_unseen_ones_leave_holes():
    samples = sampled([SQUARE], jitter=0.1)
    rng = np.random.default_rng(2)
    state = np.where(rng.random(len(samples.points)) < 0.6, 2, 1).astype(np.uint8)
    hole = np.linalg.norm(samples.points[:, :2] - 0.5, axis=1) < 0.2
    state[hole] = 0
    faces = meshed(samples, state)
    assert (state[faces] == 2).all()
    assert (np.sort(faces, axis=1)[:, :-1] != np.sort(faces, axis=1)[:, 1:]).all()
    mesh = trimesh.Trimesh(samples.points, faces, process=False)
    assert (mesh.face_normals[:, 2] > 0.99).all()  # no triangle is folded over
    area = mesh.area
    assert area == pytest.approx(0.98**2 - np.pi * 0.04, abs=0.06)
    used = np.unique(faces)
    assert len(used) > 0.9 * (state == 2).sum()


def test_closed_surfaces_are_meshed_across_their_seam():
    samples = sampled(lathe([(0.2, 0), (0.2, 1)], GREY, sides=24, top=False))
    faces = meshed(samples, np.full(len(samples.points), 2, np.uint8))
    around, along = samples.shape[0]
    assert len(faces) == 2 * around * (along - 1)


def test_no_edge_is_longer_than_allowed():
    samples = sampled([SQUARE], jitter=0.0)
    faces = meshed(samples, np.full(len(samples.points), 2, np.uint8), longest=0.021)
    assert len(faces) == 0  # every diagonal of a 2 cm cell is longer
