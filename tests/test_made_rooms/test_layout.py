# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon

from made_rooms import KINDS
from made_rooms.furniture import Furniture
from made_rooms.layout.layout import Layout, rectangles_overlap
from made_rooms.layout.programs import FILLERS, PROGRAMS, furnish
from made_rooms.shapes.materials import Material
from made_rooms.shapes.surfaces import box

GREY = Material((0.5, 0.5, 0.5), (0.4, 0.4, 0.4))


def rectangle(x, y, width, depth, angle):
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, depth / 2)
    cos, sin = np.cos(angle), np.sin(angle)
    return corners @ np.array([[cos, sin], [-sin, cos]]) + (x, y)


def block(width, depth, height):
    return Furniture('box', box((-width / 2, 0, 0), (width / 2, depth, height), GREY))


numbers = st.tuples(
    st.floats(-2, 2), st.floats(-2, 2), st.floats(0.2, 3), st.floats(0.2, 3), st.floats(0, 6.3)
)


@settings(max_examples=200, deadline=None)
@given(numbers, st.lists(numbers, min_size=1, max_size=4))
def test_overlap_equals_another_librarys(one, many):
    found = rectangles_overlap(rectangle(*one), np.stack([rectangle(*m) for m in many]))
    for answer, other in zip(found, many, strict=True):
        a, b = Polygon(rectangle(*one)), Polygon(rectangle(*other))
        if a.distance(b) > 0:
            assert not answer
        elif a.buffer(-0.01).intersects(b.buffer(-0.01)):
            assert answer


def test_pieces_do_not_collide_and_stay_inside():
    layout = Layout(np.random.default_rng(0), (4.0, 3.0, 2.5))
    assert layout.put(block(1, 1, 1), 'cabinet', 0.0, (1, 1))
    assert layout.put(block(1, 1, 1), 'cabinet', 0.0, (1.5, 1)) is None
    assert layout.put(block(1, 1, 0.5), 'cabinet', 0.0, (1.5, 1), z=1.01)  # above it
    assert layout.put(block(1, 1, 1), 'cabinet', 0.0, (2.005, 1))  # next to it
    assert layout.put(block(1, 1, 1), 'cabinet', 0.0, (3.7, 1)) is None  # through the wall
    assert layout.put(block(1, 1, 1), 'cabinet', 0.0, (3.7, 1), ignore=None)
    assert layout.count == 4


@pytest.mark.parametrize('seed', range(5))
def test_pieces_at_walls_have_their_backs_to_them(seed):
    layout = Layout(np.random.default_rng(seed), (4.0, 3.0, 2.5))
    placed = layout.at_wall(block(1.0, 0.4, 1.0), 'cabinet', gap=0.0)
    front = np.array([-np.sin(placed.angle), np.cos(placed.angle)])
    centre = placed.corners.mean(axis=0)
    assert front @ (np.array([2.0, 1.5]) - centre) > 0
    behind = centre - 0.21 * front
    assert not ((behind > 0) & (behind < (4.0, 3.0))).all()


def test_things_on_tops_stand_on_them():
    layout = Layout(np.random.default_rng(0), (4.0, 3.0, 2.5))
    table = block(1.0, 0.8, 0.7)
    table.tops.append((-0.5, 0.0, 0.5, 0.8, 0.7))
    base = layout.put(table, 'table', 0.3, (2, 1))
    small = layout.on_top(base, block(0.2, 0.2, 0.2))
    assert small.span == pytest.approx((0.7, 0.9))
    assert Polygon(base.corners).buffer(0.1).contains(Polygon(small.corners))
    assert layout.on_top(base, block(3.0, 0.2, 0.2)) is None


def test_touching_counts_neighbours_in_all_three_dimensions():
    layout = Layout(np.random.default_rng(0), (5.0, 3.0, 2.5))
    layout.put(block(1, 1, 1), 'cabinet', 0.0, (0.5, 1))
    assert layout.touching() == 0.0
    layout.put(block(1, 1, 1), 'cabinet', 0.0, (1.51, 1))
    layout.put(block(1, 1, 0.2), 'picture', 0.0, (2.52, 1), z=1.5)
    layout.put(block(1, 1, 1), 'bed', 0.0, (4.0, 1))
    assert layout.touching() == 0.5


@pytest.mark.parametrize('program', sorted(PROGRAMS))
def test_rooms_hold_only_the_kinds_and_numbers_asked_for(program):
    kinds = frozenset(['bed', 'chair', 'table', 'cabinet'])
    layout = Layout(np.random.default_rng(1), (4.5, 4.0, 2.5), kinds, 7)
    furnish(layout, program, target=6, clutter_count=2)
    assert {p.kind for p in layout.placed} <= {*kinds, None}
    assert 4 <= layout.count <= 7


def test_default_rooms_hold_all_kinds():
    assert set(FILLERS) == set(KINDS)
    assert {kind for _, fillers in PROGRAMS.values() for kind in fillers} <= set(KINDS)
    kinds = set()
    for seed, program in enumerate([*PROGRAMS] * 3):
        layout = Layout(np.random.default_rng(seed), (4.5, 4.0, 2.5))
        furnish(layout, program, target=18, clutter_count=0)
        kinds |= {p.kind for p in layout.placed}
    assert kinds == {*KINDS, None}
