# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Facts recorded about a scene on its way through the pipeline."""

import pickle

import numpy as np
import pytest
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import ConcatDataset
from mmengine.registry import init_default_scope

from insseg_analysis.dataset import gather_facts


def floor_and_box():
    """A floor of 2 m × 1 m at 5 cm, unannotated, and two chairs: a square ring and a point pair."""
    x, y = np.meshgrid(np.arange(0, 2, 0.05), np.arange(0, 1, 0.05), indexing='ij')
    floor = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1)
    square = np.array([[1, 1, 1], [1, 1, 3], [1, 3, 1], [1, 3, 3.0]])
    pair = np.array([[0, 0, 1], [0, 0, 2.0]])
    coords = np.concatenate([floor, square, pair])
    colors = np.tile([10, 20, 30.0], (len(coords), 1))
    colors[0, 2] = 250
    semantic = np.concatenate([np.full(len(floor), 2), [5] * 4, [5, 7]])
    instance = np.concatenate([np.full(len(floor), 1), [4] * 4, [9, 9]])
    semantic[0], instance[0] = 5, 0  # a chair's point that belongs to none
    return np.concatenate([coords, colors], axis=1), semantic, instance


def write(root, scenes):
    """Write scenes, name → (points, semantic, instance), as prepared data of ScanNet."""
    data_list = []
    for name, (points, semantic, instance) in scenes.items():
        for folder, array in (
            ('points', np.asarray(points, np.float32)),
            ('semantic_mask', np.asarray(semantic, np.int64)),
            ('instance_mask', np.asarray(instance, np.int64)),
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
            array.tofile(root / folder / f'{name}.bin')
        data_list.append(
            {
                'lidar_points': {'num_pts_feats': 6, 'lidar_path': f'{name}.bin'},
                'pts_semantic_mask_path': f'{name}.bin',
                'pts_instance_mask_path': f'{name}.bin',
                'instances': [],
            }
        )
    (root / 'infos.pkl').write_bytes(
        pickle.dumps({'metainfo': {'dataset': 'scannet'}, 'data_list': data_list})
    )


def build(root, split='train'):
    config = Config.fromfile('configs/_base_/datasets/scannet.py')
    data = config[f'{split}_dataloader'].dataset
    data.update(data_root=str(root), ann_file='infos.pkl')
    return DATASETS.build(data)


@pytest.fixture(autouse=True)
def at_home(monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)
    init_default_scope('mmdet3d')


@pytest.mark.parametrize('split', ['train', 'val'])
def test_facts_of_a_hand_made_scene(tmp_path, split):
    write(tmp_path, {'a': floor_and_box()})
    (facts,) = gather_facts(build(tmp_path, split))
    assert facts.scene.endswith('a.bin') and facts.error is None
    assert facts.num_points == facts.num_kept == 806
    np.testing.assert_allclose(facts.low, [0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(facts.extent, [1.95, 3, 3], atol=1e-5)
    assert facts.spacing == pytest.approx(0.05, abs=1e-5) and facts.duplicates == 0
    assert facts.upright[2] > 0.98 and facts.upright[:2].max() < 0.02
    assert facts.colors == (10, 250)
    assert facts.semantic_points == {2: 799, 5: 6, 7: 1}
    assert facts.unlabelled == pytest.approx(800 / 806)
    objects = facts.objects
    assert objects.num_points.tolist() == [4, 2] and objects.labels.tolist() == [2, 2]
    assert objects.num_classes.tolist() == [1, 2]  # the pair is a chair and a table; the lower wins
    np.testing.assert_allclose(objects.radius, [2**0.5, 0.5], atol=1e-6)
    if split == 'val':  # undistorted: one voxel a point, as the spacing is wider than a voxel
        assert facts.num_voxels == 806


def test_workers_and_repetition_change_nothing(tmp_path):
    rng = np.random.default_rng(0)
    scenes = {}
    for name in 'abcd':
        points, semantic, instance = floor_and_box()
        points[:, :3] += rng.normal(0, 0.01, (len(points), 3))
        scenes[name] = points, semantic, instance
    write(tmp_path, scenes)
    runs = [list(gather_facts(build(tmp_path), workers=workers)) for workers in (1, 1, 2)]
    for other in runs[1:]:
        for one, two in zip(runs[0], other):
            assert one.scene == two.scene and one.spacing == two.spacing
            assert one.num_voxels == two.num_voxels  # the augmentation is the same each time
    few = [facts.scene for facts in gather_facts(build(tmp_path), limit=2)]
    assert [scene[-5:] for scene in few] == ['a.bin', 'd.bin']


def test_joined_data_sets_are_looked_at_one_after_the_other(tmp_path):
    for name in 'ab':
        write(tmp_path / name, {name: floor_and_box()})
    for workers in (1, 2):
        joined = ConcatDataset([build(tmp_path / name) for name in 'aab'])
        scenes = [facts.scene for facts in gather_facts(joined, workers=workers)]
        assert [scene[-5:] for scene in scenes] == ['a.bin', 'a.bin', 'b.bin']
    few = [facts.scene for facts in gather_facts(joined, limit=2)]
    assert [scene[-5:] for scene in few] == ['a.bin', 'b.bin']


def test_a_scene_that_stops_the_pipeline_is_told_and_the_others_are_read(tmp_path):
    points, semantic, instance = floor_and_box()
    lost = points.copy()
    lost[3, 1] = np.nan
    write(
        tmp_path,
        {
            'bad': (lost, semantic, instance),
            'cut': (points, semantic[:-1], instance),
            'good': (points, semantic, instance),
        },
    )
    bad, cut, good = gather_facts(build(tmp_path))
    assert 'NaN' in bad.error and bad.num_points == 806 and np.isfinite(bad.extent).all()
    assert 'cut.bin' in cut.error and cut.low is None and np.isnan(cut.extent).all()
    assert good.error is None


def test_colours_are_looked_at_as_a_whole(tmp_path):
    points, semantic, instance = floor_and_box()
    red, odd = points.copy(), points.copy()
    red[:, 3:] = 200, 30, 30
    odd[:, 3:] = np.random.default_rng(0).random((len(odd), 3))
    odd[5, 4] = 1.5
    write(
        tmp_path,
        {
            'odd': (odd, semantic, instance),
            'plain': (points, semantic, instance),
            'red': (red, semantic, instance),
        },
    )
    odd, plain, red = gather_facts(build(tmp_path))
    assert (plain.one_color, plain.fractions) == (False, False)
    assert red.one_color and red.colors == (30, 200)
    assert odd.fractions and odd.colors[1] == 1.5 and 'fractions' in odd.error


def test_up_and_lost_digits_are_looked_for(tmp_path):
    points, semantic, instance = floor_and_box()
    points[:, 2] = np.random.default_rng(0).random(len(points))
    lost = points.copy()
    lost[:, 1] = np.round(lost[:, 1] / 0.3) * 0.3
    write(tmp_path, {'lost': (lost, semantic, instance), 'plain': (points, semantic, instance)})
    lost, plain = gather_facts(build(tmp_path, 'val'))
    assert plain.up.shape == (6,) and not plain.steps.any()
    np.testing.assert_allclose(lost.steps, [0, 0.3, 0], atol=1e-6)


def test_a_tilted_floor_faces_along_no_axis(tmp_path):
    points, semantic, instance = floor_and_box()
    points[:, 2] += 0.5 * points[:, 0]
    write(tmp_path, {'a': (points, semantic, instance)})
    (facts,) = gather_facts(build(tmp_path, 'val'))
    assert facts.upright.max() < 0.02


def test_duplicates_and_a_dense_scene(tmp_path):
    points, semantic, instance = floor_and_box()
    twice = [np.concatenate([part, part]) for part in (points, semantic, instance)]
    write(tmp_path, {'a': twice})
    (facts,) = gather_facts(build(tmp_path, 'val'))
    assert facts.duplicates == 1 and facts.spacing == pytest.approx(0.05, abs=1e-5)


def test_no_more_points_than_a_tree_may_hold_do_not_change_the_spacing(tmp_path, monkeypatch):
    write(tmp_path, {'a': floor_and_box()})
    monkeypatch.setattr('insseg_analysis.dataset.facts._MAX_TREE', 100)
    (facts,) = gather_facts(build(tmp_path, 'val'))
    assert facts.spacing == pytest.approx(0.05, abs=1e-5)
