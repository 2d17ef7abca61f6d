# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Marks of a recording in shapes and colours, one by one."""

import numpy as np
import pytest

from insseg_lab.likeness.measures import roughness
from made_rooms import RoomOptions, make_room
from made_rooms.scanning.wear import HAND_HELD, WEAR, Wear, wear_colors, wear_shapes

NOTHING = Wear(*(0.0 for _ in Wear._fields))._replace(contrast=1.0, saturation=1.0, edges=1.0)


def grid(normal=(0, 0, 1), size=4.0, step=0.04):
    """Make a flat square mesh that faces along a normal."""
    count = int(size / step)
    u, v = np.meshgrid(np.arange(count) * step, np.arange(count) * step, indexing='ij')
    points = np.zeros((count * count, 3), np.float32)
    points[:, [axis for axis in range(3) if not normal[axis]]] = np.stack([u, v], -1).reshape(-1, 2)
    number = np.arange(count * count).reshape(count, count)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    return points, np.tile(np.float32(normal), (len(points), 1)), faces


def worn(mesh=None, seed=0, **strengths):
    wear = NOTHING._replace(**strengths)
    return wear_shapes(*(mesh or grid()), wear, np.random.default_rng(seed))


def recoloured(colors, surface, points=None, seed=0, glass=None, **strengths):
    wear = NOTHING._replace(**strengths)
    points = np.random.default_rng(1).uniform(0, 4, (len(colors), 3)) if points is None else points
    glass = np.zeros(int(surface.max()) + 1, bool) if glass is None else glass
    return wear_colors(colors, points, surface, glass, wear, np.random.default_rng(seed))


def plain_colors(number=5000, value=(150, 100, 60)):
    return np.tile(np.uint8(value), (number, 1)), np.zeros(number, np.int32)


def test_nothing_changes_nothing():
    points, normals, faces = grid()
    assert np.array_equal(worn(), points)
    colors = np.random.default_rng(0).integers(0, 256, (900, 3)).astype(np.uint8)
    found = recoloured(colors, np.arange(900) % 7)
    assert np.abs(found.astype(int) - colors).max() <= 1  # rounding


def test_a_scene_draws_within_the_ranges():
    draws = [HAND_HELD.draw(np.random.default_rng(seed)) for seed in range(50)]
    for (low, high), values in zip(HAND_HELD, zip(*draws)):
        assert low <= min(values) < low + 0.2 * (high - low)
        assert high - 0.2 * (high - low) < max(values) <= high


@pytest.mark.parametrize('strength', [0.02, 0.06])
def test_drift_moves_regions_as_a_whole(strength):
    points = grid()[0]
    moved = worn(drift=strength) - points
    assert 0.5 * strength < np.abs(moved).max() <= strength
    # 4 cm apart, the shift differs little; metres apart, much.
    by_row = moved.reshape(100, 100, 3)
    assert np.abs(np.diff(by_row, axis=0)).max() < 0.1 * strength
    assert np.ptp(by_row[..., 0]) > 0.5 * strength


def test_bend_moves_up_and_down_alone():
    points = grid()[0]
    moved = worn(bend=0.2) - points
    assert not moved[:, :2].any() and 0.1 < np.ptp(moved[:, 2]) <= 0.4


def test_waves_are_higher_on_walls():
    points, up, faces = grid()
    floor = worn((points, up, faces), waves=0.02)
    assert np.array_equal(floor[:, :2], points[:, :2])  # along the normal only
    assert 0.004 < roughness(floor) < 0.02
    sideways = np.roll(up, 1, axis=1)  # the same places, but facing along x
    wall = worn((points, sideways, faces), waves=0.02)
    np.testing.assert_allclose(wall[:, 0] - points[:, 0], 3 * floor[:, 2], atol=1e-6)


def test_grain_has_its_deviation():
    found = worn(grain=0.003)
    assert found[:, 2].std() == pytest.approx(0.003, rel=0.05)


def test_layers_double_a_share_of_the_surfaces():
    found = worn(grid(size=12.0, step=0.06), layers=0.3, gap=0.05)[:, 2]
    shifted = np.isclose(found, 0.05)
    assert (shifted | (found == 0)).all()
    # Where a surface is double, each layer has about half of the vertices.
    assert 0.02 < shifted.mean() < 0.25
    assert not worn(layers=0.0, gap=0.05)[:, 2].any()


def test_smoothing_equals_a_loop_over_neighbours():
    rng = np.random.default_rng(0)
    points, normals, faces = grid(size=0.4)
    points = points + 0.1 * rng.standard_normal(points.shape).astype(np.float32)
    expected = points.astype(np.float64)
    pairs = [(a, b) for face in faces for a in face for b in face if a != b]
    for way in (0.5, 0.25):
        # Both faces of an inner edge count, so its neighbours weigh twice.
        means = [np.mean([expected[b] for a, b in pairs if a == p], 0) for p in range(len(points))]
        expected = expected + way * (np.array(means) - expected)
    found = worn((points, normals, faces), smoothing=1.5)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_smoothing_leaves_vertices_without_faces():
    points, normals, _ = grid(size=0.2)
    assert np.array_equal(worn((points, normals, np.zeros((0, 3), int)), smoothing=2.0), points)


def test_patterns_differ_between_surfaces_and_have_no_seam_within():
    colors, surface = plain_colors(40000)
    surface = surface + (np.arange(40000) % 2).astype(np.int32)
    points = np.repeat(np.random.default_rng(0).uniform(0, 4, (20000, 3)), 2, axis=0)
    found = recoloured(colors, surface, points, pattern=0.8).astype(float)
    assert found[surface == 0].std() > 5
    assert np.abs(found[0::2] - found[1::2]).mean() > 5  # two surfaces in the same places
    near = recoloured(colors, surface * 0, points + 0.001, pattern=0.8).astype(float)
    assert np.abs(near - recoloured(colors, surface * 0, points, pattern=0.8)).mean() < 3


def test_edges_turn_patterns_into_areas_of_two_colours():
    colors, surface = plain_colors(40000)
    smooth, sharp = (
        recoloured(colors, surface, pattern=0.4, edges=edges).astype(float)[:, 0]
        for edges in (1.0, 1e6)
    )
    at_ends = [
        ((found < found.min() + 3) | (found > found.max() - 3)).mean() for found in (smooth, sharp)
    ]
    assert at_ends[0] < 0.2 and at_ends[1] > 0.7
    assert np.ptp(sharp) >= np.ptp(smooth) and sharp.std() > 1.5 * smooth.std()


def test_a_phone_is_smoother_and_rounds_off_edges():
    points, normals, faces = grid(size=2.0)
    step = points + np.float32([0, 0, 0.1]) * (points[:, :1] > 1)
    rough, sloped = [], []
    for name in ('hand-held', 'phone'):
        draws = [WEAR[name].draw(np.random.default_rng(seed)) for seed in range(9)]
        found = [wear_shapes(points, normals, faces, d, np.random.default_rng(0)) for d in draws]
        patch = (np.abs(points[:, :2] - 0.5) < 0.1).all(1)
        rough.append(np.median([roughness(each[patch]) for each in found]))
        height = [worn((step, normals, faces), smoothing=d.smoothing)[:, 2] for d in draws]
        sloped.append(np.median([((each > 0.01) & (each < 0.09)).mean() for each in height]))
    assert rough[1] < 0.5 * rough[0] and sloped[1] > 1.3 * sloped[0] > 0


def test_exposure_changes_all_channels_by_the_same_factor():
    colors, surface = plain_colors(value=(100, 50, 25))
    found = recoloured(colors, surface, exposure=0.8).astype(float)
    assert found[:, 0].min() < 75 and found[:, 0].max() > 130
    np.testing.assert_allclose(found[:, 0] / found[:, 1], 2, rtol=0.06)


def test_only_glass_glows():
    colors, surface = plain_colors(100, (40, 30, 20))
    surface = np.arange(100) % 3
    found = recoloured(colors, surface, glass=np.array([False, True, False]), glow=1.0)
    assert np.abs(found[surface != 1] - (40, 30, 20)).max() <= 1
    assert np.abs(found[surface == 1] - (80, 60, 40)).max() <= 2


def test_saturation_contrast_gain_and_balance_by_hand():
    colors, surface = plain_colors(2, (150, 100, 50))
    assert recoloured(colors, surface, saturation=0.0)[0].tolist() == pytest.approx(
        [100] * 3, abs=1
    )
    assert recoloured(colors, surface, saturation=2.0)[0].tolist() == pytest.approx(
        [200, 100, 0], abs=1
    )
    assert recoloured(colors, surface, gain=1.0)[0].tolist() == pytest.approx(
        [255, 200, 100], abs=2
    )
    grey = np.uint8([[50] * 3, [100] * 3, [150] * 3])
    assert recoloured(grey, np.zeros(3, int), contrast=2.0)[:, 0].tolist() == pytest.approx(
        [0, 100, 200], abs=2
    )
    tinted = recoloured(np.uint8([[100] * 3]), np.zeros(1, int), balance=0.1)[0].astype(float)
    assert np.ptp(tinted) > 3


def test_rooms_with_marks_are_rougher_and_more_colourful_and_repeat_themselves():
    options = dict(spacing=0.05, area=(6.0, 8.0), objects=(3, 5), clutter=(1, 2), frames=30)
    options['vertices'] = (0, 10**6)
    plain, marked, again = (
        make_room(3, RoomOptions(wear=wear, **options))
        for wear in ('plain', 'hand-held', 'hand-held')
    )
    assert np.array_equal(marked.points, again.points)
    assert np.array_equal(marked.colors, again.colors)
    # The same mesh and the same objects, moved and recoloured.
    assert np.array_equal(plain.faces, marked.faces)
    assert np.array_equal(plain.owner, marked.owner)
    assert marked.colors.std() > plain.colors.std()
    assert set(WEAR) == {'plain', 'hand-held', 'phone'} and WEAR['plain'] is None
