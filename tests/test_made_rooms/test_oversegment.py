# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import numpy as np
import trimesh

from made_rooms.labels.oversegment import oversegment, vertex_normals

OPTIONS = dict(threshold=0.03, least=5)


def grid(n, fold):
    """Build a sheet of n x n vertices, folded down by 90 degrees at the column ``fold``."""
    i, j = np.meshgrid(np.arange(n), np.arange(n), indexing='ij')
    points = np.stack([np.minimum(i, fold), j, -np.maximum(i - fold, 0)], axis=-1) * 0.02
    a = (i * n + j)[:-1, :-1].ravel()
    faces = np.concatenate([np.stack([a, a + n, a + n + 1], 1), np.stack([a, a + n + 1, a + 1], 1)])
    return points.reshape(-1, 3).astype(np.float32), faces.astype(np.int32)


def test_vertex_normals_equal_another_librarys():
    mesh = trimesh.creation.icosphere(subdivisions=2)
    normals = vertex_normals(mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32))
    np.testing.assert_allclose((normals * mesh.vertices).sum(axis=1), 1.0, atol=0.002)


def test_a_plane_is_one_piece():
    points, faces = grid(20, 99)
    assert len(np.unique(oversegment(points, faces, np.zeros(400, int), **OPTIONS))) == 1


def test_a_crease_separates():
    points, faces = grid(20, 9)
    segments = oversegment(points, faces, np.zeros(400, int), **OPTIONS).reshape(20, 20)
    assert len(np.unique(segments[:8])) == 1
    assert len(np.unique(segments[12:])) == 1
    assert segments[0, 0] != segments[19, 0]


def test_no_piece_reaches_across_owners():
    points, faces = grid(20, 99)
    owner = (np.arange(400) % 20 >= 10).astype(int)
    segments = oversegment(points, faces, owner, **OPTIONS)
    assert len(np.unique(segments)) == 2
    assert len(np.unique(np.stack([segments, owner]), axis=1).T) == 2


def test_small_pieces_join_a_neighbour_and_lone_ones_stay():
    rng = np.random.default_rng(0)
    points, faces = grid(20, 99)
    rough = points + rng.normal(0, 0.01, points.shape).astype(np.float32)
    owner = np.zeros(400, int)
    rough_segments = oversegment(rough, faces, owner, threshold=1e-6, least=30)
    assert np.unique(rough_segments, return_counts=True)[1].min() >= 30
    lone = np.concatenate([points, points[:1] + 5])
    segments = oversegment(lone, faces, np.zeros(401, int), **OPTIONS)
    assert segments[400] == 400 and len(np.unique(segments)) == 2
