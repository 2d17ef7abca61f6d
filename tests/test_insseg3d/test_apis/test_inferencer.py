# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The inferencer: results do not depend on order, format, units or position of a scan."""

import copy
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet3d.apis.inferencers.base_3d_inferencer import Base3DInferencer
from mmdet3d.registry import INFERENCERS
from mmengine.config import Config

import queryis  # noqa: F401
from insseg3d.apis import InstanceSeg3DInferencer
from insseg3d.apis.painting import forget_classes
from insseg3d.ops import masks
from insseg3d.ops.painting import resolve_overlaps
from insseg_scans import Assumptions, Scan, look_at
from insseg_scans.errors import RawDataError

from ...test_insseg_scans.writers import WRITERS

CONFIG = Path(__file__).parents[3] / 'configs' / 'queryis' / 'queryis-s_demo.py'
# mmdetection3d's demo/data/scannet/scene0000_00.bin, if available.
REAL_SCAN = Path(
    os.environ.get('INSSEG3D_REAL_SCAN', CONFIG.parents[3] / 'shared' / 'real' / 'scene0000_00.bin')
)
# An untrained model has low scores; all of its objects are kept.
LENIENT = dict(score_thr=0.05, min_voxels=10)


def make(weights, **options):
    return InstanceSeg3DInferencer('queryis-s_demo', weights, 'cpu', **{**LENIENT, **options})


@pytest.fixture(scope='module')
def inferencer(sure_weights):
    return make(sure_weights)


@pytest.fixture(scope='module')
def result(inferencer, own_points):
    return inferencer(own_points)


def test_a_result_covers_the_scan_as_it_came(result, own_points):
    assert len(result) > 1
    np.testing.assert_array_equal(result.coords, own_points[:, :3])
    assert result.instance.shape == (len(own_points),)
    assert set(result.instance.tolist()) == {-1, *range(len(result))}
    assert (np.diff(result.scores) <= 0).all()
    assert result.names == [result.classes[label] for label in result.labels]
    assert len(result.classes) == 18 and len(result.remarks) >= 4


def test_any_order_of_the_points_gives_the_same_objects(inferencer, result, own_points):
    order = np.random.default_rng(1).permutation(len(own_points))
    shuffled = inferencer(own_points[order])
    np.testing.assert_array_equal(shuffled.instance, result.instance[order])
    np.testing.assert_array_equal(shuffled.scores, result.scores)
    seen = [
        next(inferencer.preprocess([points]))[2]['inputs']['points'][0]
        for points in (own_points, own_points[order])
    ]
    assert torch.equal(*seen)


def test_masks_are_painted_once(inferencer, own_points, monkeypatch):
    painted = []

    def counting(masks, **limits):
        painted.append(len(masks))
        return resolve_overlaps(masks, **limits)

    monkeypatch.setattr('insseg3d.structures.resolve_overlaps', counting)
    assert len(inferencer(own_points)) and len(painted) == 1


@pytest.mark.parametrize('name', WRITERS)
def test_any_format_gives_the_same_objects(inferencer, result, own_points, name, tmp_path):
    WRITERS[name](tmp_path / name, own_points)
    found = inferencer(tmp_path / name)
    np.testing.assert_array_equal(found.instance, result.instance)
    np.testing.assert_array_equal(found.labels, result.labels)
    np.testing.assert_array_equal(found.coords, own_points[:, :3])


def test_a_mesh_that_lies_on_its_side_by_definition(inferencer, result, own_points, tmp_path):
    trimesh = pytest.importorskip('trimesh')
    near = own_points - (500, -20, 3, 0, 0, 0)
    cloud = trimesh.PointCloud(near[:, [1, 2, 0]], colors=near[:, 3:].astype(np.uint8))
    cloud.export(tmp_path / 'scan.glb')
    found = inferencer(tmp_path / 'scan.glb')
    assert found.up.tolist() == [0, 1, 0]
    np.testing.assert_array_equal(found.instance, result.instance)


def test_path_text_list_and_folder(inferencer, result, own_points, tmp_path):
    path = tmp_path / 'scan.npy'
    np.save(path, own_points)
    (from_list,) = inferencer([path])
    for found in (inferencer(path), inferencer(str(path)), from_list, *inferencer(tmp_path)):
        np.testing.assert_array_equal(found.instance, result.instance)


@pytest.mark.parametrize('chunk', [17, 500])
def test_masks_made_in_pieces_are_the_same(inferencer, result, own_points, chunk, monkeypatch):
    monkeypatch.setitem(masks.binary_masks.__kwdefaults__, 'chunk', chunk)
    found = inferencer(own_points)
    np.testing.assert_array_equal(found.labels, result.labels)
    # Sums of other lengths may differ in their last digits, and with them masks at one half.
    assert (found.instance != result.instance).mean() < 1e-3


def test_units_axes_and_place_do_not_matter(inferencer, result, own_points):
    survey = own_points.copy()
    survey[:, :3] += (4_500_000, 5_400_000, 0)
    found = inferencer(survey)
    np.testing.assert_array_equal(found.instance, result.instance)
    np.testing.assert_array_equal(found.coords, survey[:, :3])
    turned = own_points[:, [1, 2, 0, 3, 4, 5]].copy()
    turned[:, :3] *= 1024  # a power of two avoids rounding
    known = Assumptions(units='mm', up='y')
    found = inferencer(turned, assumptions=known)
    assert found.up.tolist() == [0, 1, 0] and found.scale == 0.001
    # 1.024 times as large: voxels and masks differ, but all rows are there.
    assert len(found.instance) == len(turned)


def test_lost_points_keep_their_rows(inferencer, result, own_points):
    lost = np.insert(own_points, [0, 7, 4000], np.nan, axis=0)
    rows = np.flatnonzero(np.isnan(lost[:, 0]))
    found = inferencer(lost)
    assert (found.instance[rows] == -1).all()
    np.testing.assert_array_equal(np.delete(found.instance, rows), result.instance)


def predictions(masks, scores, point2voxel):
    return SimpleNamespace(
        pred_instances_3d=SimpleNamespace(
            masks=torch.tensor(masks, dtype=torch.bool),
            scores_3d=torch.tensor(scores),
            labels_3d=torch.arange(len(scores)),
        ),
        voxels=SimpleNamespace(point2voxel=torch.tensor(point2voxel)),
    )


@pytest.mark.parametrize(
    'options, instance, labels, num_small',
    [
        # Six points in four voxels. The first mask has one voxel, the second two, the last three;
        # the fourth has a low score. Without the first mask, the third keeps enough points.
        (dict(min_voxels=1), [0, 0, -1, 1, 1, 1], [0, 1], 0),
        (dict(min_voxels=2), [1, 1, 1, 0, 0, 0], [1, 2], 1),
        (dict(min_voxels=3), [0, 0, 0, 0, 0, -1], [2], 2),
        (dict(min_voxels=1, min_points=3), [1, 1, 1, 0, 0, 0], [1, 2], 1),
        (dict(min_voxels=1, min_share=0.2), [0, 0, 2, 1, 1, 1], [0, 1, 2], 0),
        (dict(min_voxels=5), [-1] * 6, [], 3),
    ],
)
def test_small_objects_are_left_out_counted_and_take_no_points(
    inferencer, options, instance, labels, num_small
):
    inferencer = copy.copy(inferencer)
    vars(inferencer).update(score_thr=0.3, min_points=1, min_share=0.5)
    vars(inferencer).update(options)
    preds = predictions(
        [[1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1], [1, 1, 1, 1, 1, 0], [1] * 6],
        [0.9, 0.8, 0.7, 0.2],
        [0, 0, 1, 2, 2, 3],
    )
    order = np.array([5, 0, 1, 2, 3, 4])  # the model received the last row first
    seen = np.random.default_rng(0).random((6, 6))
    ready = look_at(Scan('scan', seen[:, :3]), Assumptions(units='m', up='z'))
    result = inferencer.postprocess(preds, ready, order)
    np.testing.assert_array_equal(result.instance[order], instance)
    assert result.labels.tolist() == labels and result.num_small == num_small


def test_an_object_that_better_ones_make_small_is_left_out(inferencer):
    inferencer = copy.copy(inferencer)
    vars(inferencer).update(score_thr=0.3, min_voxels=2, min_points=1, min_share=0.5)
    preds = predictions([[1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 1, 1]], [0.9, 0.8], [0, 0, 1, 2, 2, 3])
    ready = look_at(Scan('scan', np.eye(6)[:, :3]), Assumptions(units='m', up='z'))
    result = inferencer.postprocess(preds, ready, np.arange(6))
    assert result.instance.tolist() == [0, 0, 0, 0, 0, -1] and result.num_small == 1


def test_by_default_an_object_has_thirty_voxels(sure_weights):
    inferencer = InstanceSeg3DInferencer(CONFIG, sure_weights, 'cpu')
    assert inferencer.min_voxels == 30
    assert inferencer.model.decode_head.ranking.min_points == 1


def test_without_classes_all_are_objects_and_no_two_cover_the_same(sure_weights, own_points):
    found = make(sure_weights, class_agnostic=True)(own_points)
    assert found.classes == ('object',) and set(found.names) == {'object'}
    assert len(found) > 0 and found.labels.max() == 0


def test_a_model_without_candidates_cannot_forget_classes():
    with pytest.raises(ValueError, match='class_agnostic: Linear has no decode_head.ranking'):
        forget_classes(torch.nn.Linear(1, 1))


def test_nothing_is_written_and_nothing_stays(
    inferencer, result, own_points, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    own = own_points.copy()
    before = {k: id(v) for k, v in vars(inferencer).items()}
    again = inferencer(own)
    np.testing.assert_array_equal(again.instance, result.instance)
    np.testing.assert_array_equal(own, own_points)
    assert not list(tmp_path.iterdir()) and before == {
        k: id(v) for k, v in vars(inferencer).items()
    }


def test_one_model_a_thread(sure_weights, result, own_points):
    def work(k):
        inferencer = make(sure_weights)
        order = np.random.default_rng(k).permutation(len(own_points))
        return order, [inferencer(own_points[order]).instance for _ in range(2)]

    with ThreadPoolExecutor(3) as pool:
        for order, instances in pool.map(work, range(3)):
            for instance in instances:
                np.testing.assert_array_equal(instance, result.instance[order])


def test_it_is_one_of_mmdetection3ds():
    # get() and build() of mmdet3d 1.4 search for a package that it does not have.
    assert INFERENCERS.module_dict['instance-seg3d'] is InstanceSeg3DInferencer
    assert issubclass(InstanceSeg3DInferencer, Base3DInferencer)


def test_a_config_is_left_as_it_is(sure_weights):
    config = Config.fromfile(CONFIG)
    before = config.pretty_text
    InstanceSeg3DInferencer(config, sure_weights, 'cpu')
    assert config.pretty_text == before


def test_several_scans_one_at_a_time(inferencer, result, own_points):
    found = inferencer.iterate([own_points, own_points[:2500]])
    np.testing.assert_array_equal(next(found).instance, result.instance)
    assert len(next(found).coords) == 2500 and next(found, None) is None


@pytest.mark.parametrize(
    'scan, error',
    [(np.zeros((0, 3)), 'none with finite'), ('none.ply', 'No such file'), (np.zeros(3), 'shape')],
)
def test_bad_scans_are_refused(inferencer, scan, error):
    with pytest.raises(RawDataError, match=error):
        inferencer(scan)


@pytest.mark.parametrize(
    'points', [np.zeros((1, 6)), np.zeros((40, 3)), np.outer(np.arange(50.0), (0.1, 0, 0))]
)
def test_tiny_scans_have_no_large_objects(sure_weights, points):
    result = make(sure_weights, min_voxels=100)(points)
    assert len(result) == 0 and (result.instance == -1).all() and not result.objects()


def test_strict_and_other_options_reach_the_scan(sure_weights, own_points):
    strict = make(sure_weights, assumptions=Assumptions(strict=True))
    with pytest.raises(RawDataError, match='no colours'):
        strict(own_points[:, :3])
    assert len(strict(own_points[:, :3], assumptions=Assumptions())) >= 0


def test_batches_are_of_one(inferencer, own_points):
    with pytest.raises(ValueError, match='batch_size is 2'):
        next(inferencer.preprocess([own_points], batch_size=2))
    assert torch.is_grad_enabled()


@pytest.mark.skipif(not REAL_SCAN.is_file(), reason='needs a real scan, see INSSEG3D_REAL_SCAN')
def test_a_real_scan_goes_through_in_any_order(inferencer, tmp_path):
    result = inferencer(REAL_SCAN)
    points = np.fromfile(REAL_SCAN, np.float32).reshape(-1, 6)
    np.testing.assert_array_equal(result.coords, points[:, :3])
    text = ' '.join(map(str, result.remarks))
    assert 'units are m' in text and 'z up' in text and 'colours of 0..255' in text
    assert 'assumed' not in text
    order = np.random.default_rng(0).permutation(len(points))
    np.testing.assert_array_equal(inferencer(points[order]).instance, result.instance[order])
    for name in ('big.ply', 'text.ply', 'arrays.npz', 'compressed.pcd'):
        WRITERS[name](tmp_path / name, points.astype(np.float64))
        np.testing.assert_array_equal(inferencer(tmp_path / name).instance, result.instance)
