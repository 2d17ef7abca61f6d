# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Merging of objects over tiles, tested with true masks instead of a model's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insseg3d.apis.painting import paint_claims
from insseg3d.apis.stitching import Claim, TileObjects, merge_tiles
from insseg3d.apis.tiles import tiles_of

SIZE, OVERLAP = 8.0, 2.0
MARGIN = OVERLAP / 4
SPACING = 0.1


def floor_plan(width, depth, boxes):
    """Make points of a floor, and the box (x0, y0, x1, y1) of each point, -1 for none."""
    x, y = np.meshgrid(np.arange(0, width, SPACING), np.arange(0, depth, SPACING), indexing='ij')
    xy = np.stack([x.ravel(), y.ravel()], axis=1)
    owner = np.full(len(xy), -1)
    for k, (x0, y0, x1, y1) in enumerate(boxes):
        inside = (xy >= (x0, y0)).all(axis=1) & (xy < (x1, y1)).all(axis=1)
        owner[inside] = k
    return xy, owner


def oracle(xy, owner, labels, size=SIZE, overlap=OVERLAP, spoil=None):
    """Make the tiles of a model that always finds the true objects."""
    tiles, home = tiles_of(xy, size=size, overlap=overlap)
    found = []
    for tile in tiles:
        rows = np.flatnonzero(tile.holds(xy))
        near_edge = tile.near_edge(xy[rows], MARGIN)
        truth = owner[rows].copy()
        if spoil is not None:
            truth = spoil(tile, xy[rows], truth)
        shown = np.unique(truth[truth >= 0])
        number = np.full(len(labels) + 1, -1)
        number[shown] = np.arange(len(shown))[::-1]  # the numbering within a tile is arbitrary
        found.append(
            TileObjects(
                rows,
                number[truth],
                near_edge,
                np.asarray(labels)[shown[::-1]],
                np.linspace(0.9, 0.8, len(shown)),
            )
        )
    return found, home


def stitch(found, home, min_share=0.5, least=1):
    claims = merge_tiles(found, home)
    instance, kept, num_small = paint_claims(
        claims, len(home), min_share=min_share, is_large=lambda rows: len(rows) >= least
    )
    return instance, [claims[k].label for k in kept], num_small


def check_same(instance, labels, owner, true_labels, least_iou=1.0):
    """Every true object is found once, with its class."""
    assert len(labels) == len(true_labels)
    for k, label in enumerate(true_labels):
        truth = owner == k
        iou = [
            (truth & (instance == m)).sum() / (truth | (instance == m)).sum()
            for m in range(len(labels))
        ]
        best = int(np.argmax(iou))
        assert iou[best] >= least_iou, (k, iou)
        assert labels[best] == label


# Two tiles share x in 6..8; four share the square around the common corner (7, 7) of their homes.
CASES = {
    'one tile': ((8, 8), [(1, 1, 3, 3), (5, 5, 8, 8)]),
    'on an edge, small': ((14, 6), [(6.5, 2, 7.5, 3)]),
    'on an edge, larger than the overlap': ((14, 6), [(4, 1, 9.5, 4)]),
    'through a whole tile': ((20, 6), [(1, 1, 19, 2), (1, 4, 19, 5)]),
    'just into the next tile': ((14, 6), [(3, 1, 6.1, 2), (7.9, 1, 10, 2)]),
    'up to the very edge': ((14, 6), [(3, 1, 8, 2), (6, 3, 9, 4)]),
    'on a corner, small': ((14, 14), [(6.4, 6.4, 7.6, 7.6)]),
    'on a corner, larger than the overlap': ((14, 14), [(5, 5, 9.5, 9.5)]),
    'on a corner, aside': ((14, 14), [(3, 6.5, 7.2, 9.5), (7.2, 3, 9, 7.1)]),
    'over everything': ((20, 20), [(0, 0, 20, 20)]),
    'neighbours of equal class that touch on a seam': ((14, 6), [(5, 1, 7, 4), (7, 1, 9, 4)]),
    'neighbours that touch along a seam': ((20, 6), [(1, 1, 19, 2.5), (1, 2.5, 19, 4)]),
    'four that touch in a corner': (
        (14, 14),
        [(5, 5, 7, 7), (7, 5, 9, 7), (5, 7, 7, 9), (7, 7, 9, 9)],
    ),
    'four long ones that touch in a corner': (
        (14, 14),
        [(0, 0, 7, 7), (7, 0, 14, 7), (0, 7, 7, 14), (7, 7, 14, 14)],
    ),
    'that touch where a tile ends': ((14, 6), [(3, 1, 6, 2), (6, 1, 8, 2), (8, 1, 9, 2)]),
}


@pytest.mark.parametrize('name', CASES)
def test_true_masks_are_whole_again(name):
    (width, depth), boxes = CASES[name]
    xy, owner = floor_plan(width, depth, boxes)
    labels = [4] * len(boxes)  # only their masks separate them
    instance, found, num_small = stitch(*oracle(xy, owner, labels))
    check_same(instance, found, owner, labels)
    assert num_small == 0 and ((instance >= 0) == (owner >= 0)).all()


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('seed', [0, 1])
def test_also_where_tiles_are_wrong_at_their_edges(name, seed):
    """Near its edges, a tile loses a third of an object's points and adds some around it."""
    random = np.random.default_rng(seed)

    def spoil(tile, xy, truth):
        near = tile.near_edge(xy, 0.5)
        wrong = truth.copy()
        wrong[near & (random.random(len(xy)) < 0.3)] = -1
        for k in np.unique(truth[truth >= 0]):
            box = xy[truth == k]
            around = ((xy > box.min(axis=0) - 0.2) & (xy < box.max(axis=0) + 0.2)).all(axis=1)
            wrong[near & around & (random.random(len(xy)) < 0.1)] = k
        return wrong

    (width, depth), boxes = CASES[name]
    xy, owner = floor_plan(width, depth, boxes)
    instance, found, _ = stitch(*oracle(xy, owner, [4] * len(boxes), spoil=spoil))
    check_same(instance, found, owner, [4] * len(boxes), least_iou=0.9)


def test_cut_pieces_that_a_tile_takes_for_something_else_give_way_to_the_whole():
    """In the left tile, the object is a piece of another class, with a lower or higher score."""
    xy, owner = floor_plan(14, 6, [(6.8, 1, 9.5, 4)])
    for score in (0.5, 0.99):
        (left, right), home = oracle(xy, owner, [4])
        left = left._replace(labels=np.array([2]), scores=np.array([score]))
        instance, labels, _ = stitch([left, right], home)
        check_same(instance, labels, owner, [4])


def test_what_the_nearer_tile_does_not_see_is_no_object():
    """A piece at a tile's edge is mostly at home in the neighbour, which finds no object there."""
    xy, owner = floor_plan(14, 6, [(7, 1, 8, 4)])
    (left, right), home = oracle(xy, owner, [4])
    nothing = right._replace(instance=np.full(len(right.rows), -1))
    assert stitch([left, nothing], home)[1] == []
    nothing = left._replace(instance=np.full(len(left.rows), -1))
    assert stitch([nothing, right], home)[1] == [4]


def test_classes_are_voted_by_score_and_points():
    xy, owner = floor_plan(14, 6, [(3, 1, 9, 4)])  # 4 m are at home on the left, 2 m on the right
    (left, right), home = oracle(xy, owner, [4])
    for score, label, mean in ((0.9, 1, 0.5), (0.99, 1, 0.5), (0.3, 1, 0.5)):
        right = right._replace(scores=np.array([score]))
        left = left._replace(labels=np.array([1]), scores=np.array([mean]))
        (claim,) = merge_tiles([left, right], home)
        assert claim.label == label and claim.score == pytest.approx(mean)
    (claim,) = merge_tiles(
        [left._replace(scores=np.array([0.4])), right._replace(scores=np.array([0.9]))], home
    )
    assert claim.label == 4 and claim.score == pytest.approx(0.9)
    (claim,) = merge_tiles(
        [
            left._replace(labels=np.array([4]), scores=np.array([0.6])),
            right._replace(scores=np.array([0.9])),
        ],
        home,
    )
    assert claim.label == 4 and claim.score == pytest.approx(0.7)  # 2 to 1


def test_a_mask_of_two_objects_does_not_join_what_another_tile_holds_apart():
    """The left tile merges two objects; the second ends within the right tile."""
    xy, owner = floor_plan(14, 6, [(1, 1, 3, 3), (6.8, 1, 7.9, 3)])
    (left, right), home = oracle(xy, owner, [4, 4])
    left = left._replace(
        instance=np.minimum(left.instance, 0), labels=np.array([4]), scores=np.array([0.9])
    )
    assert len(merge_tiles([left, right], home)) == 2
    # If the second continues beyond the left tile, nothing contradicts a single object.
    xy, owner = floor_plan(14, 6, [(1, 1, 3, 3), (6, 1, 9, 3)])
    (left, right), home = oracle(xy, owner, [4, 4])
    left = left._replace(
        instance=np.minimum(left.instance, 0), labels=np.array([4]), scores=np.array([0.9])
    )
    assert len(merge_tiles([left, right], home)) == 1


def test_all_pieces_of_an_object_agree():
    """A tile that merges two objects does not join them against three other tiles."""
    xy, owner = floor_plan(14, 14, [(5, 5, 7, 9), (7, 5, 9, 9)])
    found, home = oracle(xy, owner, [4, 4])
    first = found[0]._replace(
        instance=np.minimum(found[0].instance, 0), labels=np.array([4]), scores=np.array([0.7])
    )
    instance, labels, _ = stitch([first, *found[1:]], home)
    check_same(instance, labels, owner, [4, 4], least_iou=0.5)  # it is home to a quarter


def test_a_few_common_points_do_not_join_two_objects():
    """Two objects meet at a tile's edge; each tile's mask leaks a little into the other object."""
    xy, owner = floor_plan(14, 6, [(2, 1, 6.1, 4), (6.1, 1, 10, 4)])
    tiles, home = tiles_of(xy, size=SIZE, overlap=OVERLAP)
    (left, right), home = oracle(xy, owner, [4, 4])
    left = left._replace(instance=np.where(owner[left.rows] == 0, 0, -1))
    right = right._replace(instance=np.where(owner[right.rows] == 1, 0, -1))
    both = (xy[:, 0] > 5.95) & (xy[:, 0] < 6.15) & (owner >= 0)
    left.instance[both[left.rows]] = 0
    right.instance[both[right.rows]] = 0
    left, right = (
        t._replace(labels=np.array([4]), scores=np.array([s]))
        for t, s in ((left, 0.9), (right, 0.8))
    )
    assert len(merge_tiles([left, right], home)) == 2


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_the_order_of_tiles_and_rows_does_not_matter(seed):
    random = np.random.default_rng(seed)
    xy = random.random((1500, 2)) * (18, 15)
    owner = (xy[:, 0] // 3 * 7 + xy[:, 1] // 2.5).astype(int)
    owner[random.random(len(owner)) < 0.2] = -1
    labels = random.integers(0, 3, owner.max() + 1)
    found, home = oracle(xy, owner, labels)
    found = [
        t._replace(
            scores=random.random(len(t.labels)),
            instance=np.where(random.random(len(t.rows)) < 0.1, -1, t.instance),
        )
        for t in found
    ]
    expected = stitch(found, home)
    order = random.permutation(len(found))
    rank = np.argsort(order)
    moved = [found[k] for k in order]
    instance, labels, _ = stitch(moved, rank[home])
    np.testing.assert_array_equal(instance, expected[0])
    assert labels == expected[1]


def test_painting_by_hand():
    claims = [
        Claim(np.array(rows), label, score)
        for rows, label, score in (
            ([0, 1, 2], 1, 0.9),
            ([2, 3, 4, 5], 2, 0.8),
            ([4, 5, 6], 3, 0.7),
            ([7], 4, 0.6),
        )
    ]
    instance, kept, num_small = paint_claims(
        claims, 9, min_share=0.5, is_large=lambda rows: len(rows) >= 2
    )
    assert instance.tolist() == [0, 0, 0, 1, 1, 1, -1, -1, -1]
    assert (
        kept == [0, 1] and num_small == 1
    )  # the last is small, and the third keeps too few points
    instance, kept, num_small = paint_claims(
        claims, 9, min_share=0.3, is_large=lambda rows: len(rows) >= 2
    )
    assert instance.tolist() == [0, 0, 0, 1, 1, 1, -1, -1, -1] and num_small == 2


def kept(tile, xy, low, high):
    """Make a tile whose only object keeps the points with x in [low, high)."""
    x = xy[tile.rows, 0]
    return tile._replace(instance=np.where((x > low - 0.05) & (x < high - 0.05), tile.instance, -1))


def test_a_view_that_its_edge_cuts_is_helped_by_the_other():
    """The object is as wide as the overlap; each tile loses the tenth at its own edge."""
    xy, owner = floor_plan(14, 6, [(6, 1, 8, 3)])
    (left, right), home = oracle(xy, owner, [4])
    instance, labels, _ = stitch([kept(left, xy, 6, 7.8), kept(right, xy, 6.2, 8)], home)
    check_same(instance, labels, owner, [4])


def test_the_view_of_the_whole_is_taken_also_where_the_other_tile_is_at_home():
    xy, owner = floor_plan(14, 6, [(6.8, 1, 9.5, 3)])
    (left, right), home = oracle(xy, owner, [4])
    stump = np.where(xy[left.rows, 1] < 2.6, left.instance, -1)
    instance, labels, _ = stitch([left._replace(instance=stump), right], home)
    check_same(instance, labels, owner, [4])


def test_where_no_home_says_anything_the_neighbour_is_believed():
    xy, owner = floor_plan(14, 6, [(6, 1, 9, 3)])
    (left, right), home = oracle(xy, owner, [4])
    nothing = left._replace(instance=np.full(len(left.rows), -1))
    instance, labels, _ = stitch([nothing, right], home)
    check_same(instance, labels, owner, [4])


def test_neighbours_that_share_some_points_are_two():
    xy, owner = floor_plan(14, 6, [(6.6, 1, 7.8, 3)])
    (left, right), home = oracle(xy, owner, [4])
    assert len(merge_tiles([kept(left, xy, 6.6, 7.4), kept(right, xy, 7.1, 7.8)], home)) == 2


def by_hand(rows, *objects, cut=False):
    rows = np.asarray(rows)
    instance = np.full(len(rows), -1)
    for k, own in enumerate(objects):
        instance[np.isin(rows, own)] = k
    count = len(objects)
    return TileObjects(
        rows, instance, np.full(len(rows), cut), np.zeros(count, dtype=int), np.full(count, 0.5)
    )


def test_pieces_that_contradict_each_other_are_not_joined_by_a_third():
    everything, home = range(100), np.repeat([0, 1, 2], (30, 30, 40))
    tiles = [by_hand(everything, range(n)) for n in (60, 80, 100)]  # IoU 0.75, 0.8, but 0.6
    assert sorted(len(claim.rows) for claim in merge_tiles(tiles, home)) in ([60, 80], [60, 100])


def test_two_objects_of_a_tile_are_never_joined():
    """Two other tiles agree with each other, but each of them with a different one."""
    one = by_hand(range(30), range(10), range(20, 30), cut=True)
    two = by_hand([*range(10), *range(50, 80)], [*range(10), *range(50, 80)], cut=True)
    three = by_hand(range(20, 80), [*range(20, 30), *range(50, 80)], cut=True)
    home = np.repeat([0, 1, 2], (40, 25, 15))
    assert len(merge_tiles([one, two, three], home)) == 3
