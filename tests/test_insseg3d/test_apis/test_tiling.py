# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Inference tile by tile has the objects, the rows and the voxels of the whole scan."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

import queryis  # noqa: F401
from insseg3d.apis import InstanceSeg3DInferencer, Tiling
from insseg3d.apis.painting import Limits, paint
from insseg3d.apis.tiles import tiles_of
from insseg3d.apis.tiling import TilePoints, find_in_tiles, points_of_tiles
from insseg3d.ops.voxelize import voxelize
from insseg3d.structures import InstanceMap
from insseg_scans import Assumptions

VOXEL = 0.08


@pytest.fixture(scope='module')
def inferencer(sure_weights):
    return InstanceSeg3DInferencer(
        'queryis-s_demo',
        sure_weights,
        'cpu',
        score_thr=0.05,
        min_voxels=10,
        tiling=Tiling(4.0, 1.0),
    )


@pytest.fixture(scope='module')
def hall():
    """Make a floor of 12 × 7 m with blocks; the colour of a block is its number."""
    random = np.random.default_rng(0)
    points = [
        np.c_[
            random.random((6000, 2)) * (12, 7), random.normal(0, 0.005, 6000), np.zeros((6000, 3))
        ]
    ]
    at = [(1, 1), (3.2, 1), (3.7, 3.3), (6.5, 0.4), (6.5, 3.2), (9, 5), (2.8, 5.5), (11, 1)]
    sizes = [(0.6, 0.6)] * 4 + [(2.5, 1.2), (1.5, 1.5), (5, 0.6), (0.3, 0.3)]
    for k, ((x, y), size) in enumerate(zip(at, sizes)):
        block = random.random((1500, 3)) * (*size, 0.7) + (x, y, 0)
        points.append(np.c_[block, np.full((1500, 3), 20 * (k + 1))])
    points = np.concatenate(points)
    points[0, 3:] = 255  # makes the range of colours certain
    return points, np.r_[np.full(6000, -1), np.repeat(np.arange(8), 1500)]


class Oracle:
    """Find the blocks by their colours; replaces the model's forward pass."""

    def __init__(self):
        self.seen = []

    def __call__(self, batch):
        points, sample = batch['inputs']['points'][0], batch['data_samples'][0]
        block = torch.round((points[:, 3] * 127.5 + 127.5) / 20).long() - 1
        block[block > 10] = -1
        shown = torch.unique(block[block >= 0])
        self.seen.append((len(points), len(shown)))
        masks = block == shown[:, None]
        scores = 0.9 - 0.01 * shown
        sample.pred_instances_3d = InstanceData(masks=masks, labels_3d=shown % 3, scores_3d=scores)
        return [sample]


def with_oracle(inferencer, **options):
    inferencer = copy.copy(inferencer)
    inferencer.forward = Oracle()
    vars(inferencer).update(options)
    return inferencer


def test_a_scan_of_one_tile_gives_what_it_gives_without(inferencer, own_points):
    whole = copy.copy(inferencer)
    whole.tiling = None
    expected, found = whole(own_points), inferencer(own_points)
    assert len(expected) > 0 and found.remarks == expected.remarks
    np.testing.assert_array_equal(found.instance, expected.instance)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_true_objects_are_whole_again_whatever_the_order(inferencer, hall):
    points, block = hall
    oracle = with_oracle(inferencer)
    result = oracle(points)
    assert len(oracle.forward.seen) == 8 and max(n for n, _ in oracle.forward.seen) < 7000
    assert max(count for _, count in oracle.forward.seen) < 8  # no tile shows all of it
    np.testing.assert_array_equal(result.instance, block)  # the better score is the lower number
    np.testing.assert_array_equal(result.labels, np.arange(8) % 3)
    np.testing.assert_allclose(result.scores, 0.9 - 0.01 * np.arange(8), rtol=1e-6)
    np.testing.assert_array_equal(result.coords, points[:, :3])
    assert any('8 tiles of 4 m that overlap by at least 1 m' in str(r) for r in result.remarks)
    order = np.random.default_rng(1).permutation(len(points))
    lost = np.insert(points[order], [0, 500], np.nan, axis=0)
    np.testing.assert_array_equal(np.delete(oracle(lost).instance, [0, 501]), block[order])


def test_a_real_model_finds_the_same_in_any_order(inferencer, hall):
    points, _ = hall
    order = np.random.default_rng(1).permutation(len(points))
    expected, found = inferencer(points), inferencer(points[order])
    assert len(expected) > 0
    np.testing.assert_array_equal(found.instance, expected.instance[order])
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_units_and_axes_and_single_objects_are_those_of_the_scan(inferencer, hall):
    points, block = hall
    turned = points[:, [1, 2, 0, 3, 4, 5]].copy()  # y up
    turned[:, :3] = turned[:, :3] * 100 + 5e6  # centimetres, far away
    oracle = with_oracle(inferencer)
    result = oracle(turned, assumptions=Assumptions(units='cm', up='y'))
    np.testing.assert_array_equal(result.instance, block)
    assert result.up.tolist() == [0, 1, 0] and result.scale == 0.01


@pytest.mark.parametrize('least, count', [(1, 0), (300, 1)])
def test_small_objects_are_counted_once_and_by_the_voxels_of_the_whole(
    inferencer, hall, least, count
):
    points, block = hall
    result = with_oracle(inferencer, min_voxels=least)(points)
    assert result.num_small == count and len(result) == 8 - count
    voxels = voxelize(points[:, :3] - points[:, :3].min(axis=0), voxel_size=VOXEL).point2voxel
    expected = [len(np.unique(voxels[block == k])) >= least for k in range(8)]
    np.testing.assert_array_equal(np.isin(np.arange(8), block[result.instance >= 0]), expected)


def test_tiles_have_the_voxels_of_one_grid(hall):
    points = hall[0].astype(np.float32)
    whole = voxelize(points[:, :3] - points[:, :3].min(axis=0), voxel_size=VOXEL)
    tiling = Tiling(4.0, 1.0)
    tiles, home = tiles_of(points, size=4.0, overlap=1.0)
    homes = np.zeros(len(points), dtype=int)
    for tile in points_of_tiles(points, tiles, home, tiling=tiling, voxel_size=VOXEL):
        own = voxelize(tile.grid, voxel_size=VOXEL)
        np.testing.assert_array_equal(tile.points, points[tile.rows])
        assert tile.grid.min() >= 0 and (tile.grid.min(axis=0) < VOXEL).all()
        # The same points share voxels in both, except for points on a border of voxels.
        pairs = np.unique(np.c_[whole.point2voxel[tile.rows], own.point2voxel], axis=0)
        assert len(pairs) <= 1.01 * len(own.counts)
        homes[tile.rows[tile.at_home]] += 1
    assert (homes == 1).all()


def preds(masks, scores, point2voxel):
    return SimpleNamespace(
        pred_instances_3d=SimpleNamespace(
            masks=torch.tensor(masks, dtype=torch.bool),
            scores_3d=torch.tensor(scores),
            labels_3d=torch.arange(len(scores)),
        ),
        voxels=SimpleNamespace(point2voxel=torch.tensor(point2voxel)),
    )


def test_what_an_edge_cuts_may_be_small_and_the_rest_counts_at_home():
    found = preds(
        [[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]],
        [0.9, 0.8, 0.7],
        [0, 1, 2, 3, 4, 5],
    )
    limits = Limits(0.3, min_voxels=3, min_points=1, min_share=0.5)
    spared = torch.tensor([0, 1, 0, 0, 0, 0], dtype=torch.bool)
    counted = torch.tensor([0, 0, 1, 0, 0, 1], dtype=torch.bool)
    objects, num_small = paint(found, limits, spared=spared, counted=counted)
    assert objects.instance.tolist() == [0, 0, -1, -1, -1, -1]
    assert num_small == 1  # the second; the third belongs to another tile
    assert paint(found, limits)[1] == 3


def test_impossible_tiles_are_refused_before_the_model_is_loaded():
    with pytest.raises(ValueError, match='expected a positive size'):
        InstanceSeg3DInferencer('nonsense', tiling=Tiling(2.0, 1.5))


def test_voxels_of_two_tiles_are_counted_apart():
    """Ten points in ten voxels; each tile has seven of them, numbered from 0."""
    home = np.repeat([0, 1], 5)
    tiles = [
        TilePoints(rows, np.zeros((7, 6)), None, np.ones(7, dtype=bool), home[rows] == index)
        for index, rows in enumerate((np.arange(7), np.arange(3, 10)))
    ]

    def all_of_it(tile):
        objects = InstanceMap(
            torch.zeros(7, dtype=torch.long), torch.tensor([2]), torch.tensor([0.5])
        )
        return objects, 0, torch.arange(7)

    for least, count in ((10, 1), (11, 0)):
        limits = Limits(0.3, least, 1, 0.5)
        objects, num_small = find_in_tiles(iter(tiles), home, limits, all_of_it)
        assert len(objects) == count and num_small == 1 - count
