# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import numpy as np
import pytest
import trimesh

from made_rooms import KINDS
from made_rooms.furniture import FAMILIES, WALL_KINDS, clutter, openings, storage, tables
from made_rooms.scanning.depth import look_at, render_depth, triangles_of
from made_rooms.shapes.materials import Material
from made_rooms.shapes.surfaces import bounds, box, cushion, lathe, moved, pipe, rectangle, sheet

GREY = Material((0.5, 0.5, 0.5), (0.4, 0.4, 0.4))
MAKERS = {family.__name__: family for families in FAMILIES.values() for family, _ in families}
MAKERS |= {
    maker.__name__: maker
    for maker in (
        *clutter.ON_TABLES,
        *clutter.ON_DESKS,
        *clutter.ON_SOFT,
        *clutter.ON_FLOOR,
        clutter.rug,
    )
}
MAKERS |= {
    'closed_door': lambda rng: openings.closed_door(rng, 0.9, 2.0),
    'open_door': lambda rng: openings.open_door(rng, 0.9, 2.0),
    'window': lambda rng: openings.window(rng, 1.2, 0.9, 2.0),
    'curtain': lambda rng: openings.curtain(rng, 1.2, 0.1, 2.2),
    'counter': lambda rng: tables.counter(rng, 1.8, 0.6, (0.2, 0.5, 0.4)),
    'under_counter': lambda rng: storage.under_counter(rng, 1.8, 0.6),
    'wall_cabinet': lambda rng: storage.wall_cabinet(rng, 1.2),
}


def solid(surfaces):
    """Convert surfaces into a mesh of another library, with merged corners."""
    triangles = triangles_of(surfaces)
    mesh = trimesh.Trimesh(triangles.reshape(-1, 3), np.arange(3 * len(triangles)).reshape(-1, 3))
    mesh.merge_vertices(digits_vertex=9)
    mesh.update_faces(mesh.nondegenerate_faces())
    return mesh


def test_box_is_closed_and_faces_outwards():
    mesh = solid(box((1, 2, 3), (2, 4, 6), GREY, bottom=True))
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(6.0)  # negative if faces look inwards


def test_round_bodies_are_closed_and_face_outwards():
    column = solid(lathe([(0.5, 0.0), (0.5, 2.0)], GREY, sides=64, bottom=True))
    assert column.is_watertight
    assert column.volume == pytest.approx(np.pi * 0.25 * 2.0, rel=0.01)
    bar = solid(pipe([(0, 0, 0), (1, 0, 0.5), (2, 0, 0)], 0.1, GREY, sides=12))
    assert bar.is_watertight and bar.volume > 0


def test_cushion_keeps_inside_its_box():
    low, high = bounds(cushion((0, 0, 0), (1, 0.6, 0.2), GREY, roundness=0.4, bulge=0.2))
    np.testing.assert_allclose(low, (0, 0, 0), atol=0.02)
    np.testing.assert_allclose(high, (1, 0.6, 0.2), atol=0.02)


def test_rectangle_and_sheet_face_as_said():
    ((a, b, _),) = triangles_of([rectangle((0, 0, 0), (1, 0, 0), (0, 1, 0), GREY)])[:1, :, :]
    np.testing.assert_allclose([a, b], [(0, 0, 0), (1, 0, 0)])
    lattice = rectangle((0, 0, 0), (1, 0, 0), (0, 1, 0), GREY).lattice
    front, back = (
        np.cross(t[1] - t[0], t[2] - t[0])[2]
        for t in (triangles_of([s])[0] for s in sheet(lattice, GREY))
    )
    assert front > 0 > back


def test_moved_turns_anticlockwise_then_shifts():
    piece = moved(
        [rectangle((1, 0, 0), (1, 0, 0), (0, 0, 1), GREY)], angle=np.pi / 2, offset=(10, 0, 0)
    )
    np.testing.assert_allclose(piece[0].lattice[0, 0], (10, 1, 0), atol=1e-12)


def test_every_kind_has_a_maker():
    assert set(KINDS) == {*FAMILIES, *WALL_KINDS}
    assert len(KINDS) == 18


@pytest.mark.parametrize('name', sorted(MAKERS))
def test_pieces_are_sound_and_vary(name):
    sizes = []
    for seed in range(6):
        piece = MAKERS[name](np.random.default_rng(seed))
        low, high = piece.low, piece.high
        sizes.append(high - low)
        assert all(np.isfinite(s.lattice).all() for s in piece.surfaces)
        assert (high - low <= (3.2, 2.3, 2.4)).all() and high[2] - low[2] > 0.009
        assert high[2] < 2.4 and low[2] > -0.3
        assert piece.tops == [t for t in piece.tops if t[0] < t[2] and t[1] < t[3]]
    if name != 'under_counter':  # the worktop determines its size
        assert np.ptp(sizes, axis=0).max() > 0.005  # continuous parameters, not a few models


@pytest.mark.parametrize('name', sorted(set(MAKERS) - {'under_counter'}))
def test_what_one_sees_of_a_piece_faces_the_viewer(name):
    piece = MAKERS[name](np.random.default_rng(1))
    centre, reach = (piece.low + piece.high) / 2, np.linalg.norm(piece.high - piece.low)
    triangles = triangles_of(piece.surfaces)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    for bearing in (-0.8, 0.0, 0.8):
        eye = centre + 2 * reach * np.array([np.sin(bearing), np.cos(bearing), 0.4])
        camera = look_at(eye[None], centre[None])[0]
        fronts = triangles[((eye - triangles[:, 0]) * normals).sum(axis=1) > 0]
        whole = render_depth(triangles, camera, 200.0, 200, 200)
        front = render_depth(fronts, camera, 200.0, 200, 200)
        filled = np.isfinite(whole)
        # With an inward or missing skin, the front faces alone would be further away.
        assert (front[filled] > whole[filled] + 0.01 * reach).mean() < 0.08
