# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Tiles cover a scan, overlap, and assign every point one home."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insseg3d.apis.tiles import Tile, tiles_of


def test_strips_lie_evenly_and_homes_meet_in_the_middle_of_the_overlap():
    x = np.arange(0, 14.01, 0.25)
    xyz = np.stack([x, np.zeros_like(x), x], axis=1)
    tiles, home = tiles_of(xyz, size=8, overlap=2)
    assert [(tile.low[0], tile.high[0]) for tile in tiles] == [(-np.inf, 8), (6, np.inf)]
    assert all(tile.low[1] == -np.inf and tile.high[1] == np.inf for tile in tiles)
    np.testing.assert_array_equal(home, x >= 7)
    np.testing.assert_array_equal(tiles[0].holds(xyz), x < 8)
    np.testing.assert_array_equal(tiles[1].holds(xyz), x >= 6)
    # A little longer: a third strip, and all three move together.
    tiles, _ = tiles_of(np.array([[0.0, 0], [14.5, 0], [7, 0]]), size=8, overlap=2)
    assert [tile.high[0] for tile in tiles] == [8, 11.25, np.inf]


def test_a_scan_of_the_size_of_a_tile_is_one():
    tiles, home = tiles_of(np.array([[3.0, 5, 0], [11, 13, 90]]), size=8, overlap=2)
    assert len(tiles) == 1 and home.tolist() == [0, 0]
    everything = np.array([[-1e9, 1e9], [0, 0]])
    assert tiles[0].holds(everything).all() and not tiles[0].near_edge(everything, 1.0).any()


def test_tiles_without_a_home_point_are_left_out():
    ell = np.array([[x, 0.0] for x in range(30)] + [[0.0, y] for y in range(30)])
    tiles, home = tiles_of(ell, size=8, overlap=2)
    assert len(tiles) == 9 and set(home) == set(range(9))


def test_edges_are_those_that_cut():
    tile = Tile(np.array([0.0, -np.inf]), np.array([8.0, 4.0]))
    xy = np.array([[0.2, 0], [1, 0], [7.9, 0], [5, 3.9], [5, -1e6]])
    assert tile.near_edge(xy, 0.5).tolist() == [True, False, True, True, False]


@given(st.integers(0, 10**6), st.floats(1, 9), st.floats(0, 0.5))
@settings(max_examples=60, deadline=None)
def test_every_point_has_one_home_that_holds_it_and_knows_it_best(seed, size, share):
    random = np.random.default_rng(seed)
    xy = (random.random((200, 2)) * random.uniform(0.1, 40, 2) - 20).astype(np.float32)
    tiles, home = tiles_of(xy, size=size, overlap=share * size)
    held = np.array([tile.holds(xy) for tile in tiles])
    assert held[home, np.arange(len(xy))].all()
    # Depth is the least distance to a finite side; it is greatest in the home tile.
    xy = xy.astype(np.float64)
    depth = np.array([np.minimum(xy - tile.low, tile.high - xy).min(axis=1) for tile in tiles])
    best = depth[home, np.arange(len(xy))]
    assert (best >= share * size / 2 - 1e-6).all()
    for tile in tiles:
        for low, high in zip(tile.low, tile.high):
            assert high - low == np.inf or abs(high - low - size) < 1e-9


@pytest.mark.parametrize('size, overlap', [(0, 0), (-1, 0), (8, 5), (8, -1), (np.inf, 1)])
def test_impossible_tiles_are_refused(size, overlap):
    with pytest.raises(ValueError, match='expected a positive size'):
        tiles_of(np.zeros((1, 2)), size=size, overlap=overlap)
