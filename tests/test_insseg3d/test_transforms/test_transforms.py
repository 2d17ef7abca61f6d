# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import math

import numpy as np
import pytest
import torch
from mmdet3d.structures.points import DepthPoints

from insseg3d.transforms import (
    AddVoxelTables,
    CenterCoordinates,
    CheckAnnotations,
    CropToMaxPoints,
    ElasticDistortion,
    IfAnnotated,
    NormalizeColor,
    RandomColorShift,
    RandomMatrix,
    RelabelInstances,
    SelectInstances,
    draw_generator,
)
from insseg3d.transforms.scene import columns, grid_coords

from .scenes import coords_of, packed, random_scene, scene

# --- colours --------------------------------------------------------------------------------------


def test_colors_are_scaled_to_minus_one_to_one():
    results = NormalizeColor()(scene(np.zeros((2, 3)), [[0, 127.5, 255], [51, 102, 204]]))
    np.testing.assert_allclose(
        columns(results['points'], 'color'), [[-1, 0, 1], [-0.6, -0.2, 0.6]], atol=1e-6
    )
    assert not coords_of(results).any()


@pytest.mark.parametrize(
    'color, message',
    [
        (256, 'colours span 100 to 256; expected finite values in 0..255'),
        (-1, 'colours span -1 to 100'),
        (np.nan, 'colours span nan'),
        (np.inf, 'colours span 100 to inf'),
    ],
)
def test_impossible_color_names_the_file(color, message):
    results = scene(np.zeros((2, 3)), [[100, 100, 100], [100, color, 100]])
    with pytest.raises(ValueError, match=f'folder/scene0000_00.bin: {message}'):
        NormalizeColor()(results)


def test_colors_that_are_fractions_are_refused_but_black_is_not():
    with pytest.raises(ValueError, match='Multiply them by 255'):
        NormalizeColor()(scene(np.zeros((1, 3)), [[0, 0.5, 1]]))
    results = NormalizeColor()(scene(np.zeros((1, 3)), [[0, 0, 0]]))
    assert (columns(results['points'], 'color') == -1).all()


def test_one_color_above_1_does_not_hide_that_the_others_are_fractions():
    colors = np.random.default_rng(0).random((50, 3))
    colors[20, 1] = 1.0001
    with pytest.raises(ValueError, match='0.*to 1.0001, so they seem to be fractions'):
        NormalizeColor()(scene(np.zeros((50, 3)), colors))


def test_points_without_color_are_named():
    results = {'points': DepthPoints(torch.zeros(2, 3), points_dim=3), 'draw': (0, 0)}
    with pytest.raises(KeyError, match="no 'color' columns"):
        NormalizeColor()(results)


def test_color_shift_is_one_vector_per_scene_with_the_right_spread():
    shifts = []
    for draw in range(300):
        results = RandomColorShift()(scene(np.zeros((3, 3)), np.zeros((3, 3)), draw=(0, draw)))
        colors = columns(results['points'], 'color')
        assert (colors == colors[0]).all()
        shifts.append(colors[0].copy())
    assert abs(np.std(shifts) - 0.1) < 0.01 and abs(np.mean(shifts)) < 0.01


# --- coordinates ----------------------------------------------------------------------------------


def test_coordinates_are_centred():
    results = CenterCoordinates()(scene([[1, 2, 3], [3, 6, 9]]))
    np.testing.assert_allclose(coords_of(results), [[-1, -2, -3], [1, 2, 3]])


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_coordinate_that_is_not_finite_names_file_and_point(value):
    with pytest.raises(ValueError, match='scene0000_00.bin: 1 of 3 points.*is point 2'):
        CenterCoordinates()(scene([[0, 0, 0], [1, 1, 1], [0, value, 0]]))


def test_opposite_infinities_are_found_too():
    with pytest.raises(ValueError, match='2 of 2 points'):
        CenterCoordinates()(scene([[np.inf, 0, 0], [-np.inf, 0, 0]]))


def test_empty_scene_names_the_file():
    with pytest.raises(ValueError, match='scene0000_00.bin: the scene has no points'):
        CenterCoordinates()(scene(np.zeros((0, 3))))


def test_rotation_about_z_of_row_vectors():
    transform = RandomMatrix(jitter_std=0, flip_prob=0, rotation=(math.pi / 2, math.pi / 2))
    results = transform(scene([[1, 0, 5], [0, 2, -1]]))
    # x·(cos, sin) + y·(−sin, cos)
    np.testing.assert_allclose(coords_of(results), [[0, 1, 5], [-2, 0, -1]], atol=1e-6)


def test_flip_negates_the_first_entry_before_the_rotation():
    transform = RandomMatrix(jitter_std=0.1, flip_prob=1, rotation=(0, 0))
    plain = RandomMatrix(jitter_std=0.1, flip_prob=0, rotation=(0, 0))
    flipped, kept = (t.matrix(np.random.default_rng(3)) for t in (transform, plain))
    expected = kept.copy()
    expected[0, 0] *= -1
    np.testing.assert_allclose(flipped, expected)
    turned = RandomMatrix(jitter_std=0.1, flip_prob=1, rotation=(1, 1))
    rotation = [[math.cos(1), math.sin(1), 0], [-math.sin(1), math.cos(1), 0], [0, 0, 1]]
    np.testing.assert_allclose(turned.matrix(np.random.default_rng(3)), expected @ rotation)


def test_scale_multiplies():
    results = RandomMatrix(jitter_std=0, flip_prob=0, rotation=(0, 0), scale=(2, 2))(
        scene([[1, 2, 3]])
    )
    np.testing.assert_allclose(coords_of(results), [[2, 4, 6]])


def test_statistics_of_the_matrix():
    transform, rng = RandomMatrix(), np.random.default_rng(0)
    still = RandomMatrix(rotation=(0, 0))
    matrices = np.stack([still.matrix(rng) for _ in range(4000)])
    mean = np.diag([0.0, 1, 1])  # half of the matrices are flipped
    np.testing.assert_allclose(matrices.mean(0), mean, atol=0.06)
    spread = matrices.std(0)
    np.testing.assert_allclose(spread.ravel()[1:], 0.1, atol=0.01)
    np.testing.assert_allclose(np.abs(matrices[:, 0, 0]).mean(), 1, atol=0.01)
    assert 0.45 < (matrices[:, 0, 0] < 0).mean() < 0.55
    turned = np.stack([transform.matrix(rng) for _ in range(2000)])
    angles = np.arctan2(turned[:, 1, 0], turned[:, 1, 1])
    assert (np.histogram(angles, 4, (-math.pi, math.pi))[0] > 400).all()


def test_distortion_leaves_the_coordinates_and_adds_columns():
    results = random_scene()
    before = results['points'].tensor.clone()
    results = ElasticDistortion()(results)
    after = results['points'].tensor
    assert torch.equal(after[:, :6], before) and after.shape[1] == 9
    moved = after[:, 6:].numpy()
    np.testing.assert_array_equal(moved.min(0), 0)
    plain = before[:, :3].numpy() - before[:, :3].numpy().min(0)
    assert np.abs(moved - plain).max() > 0.1
    assert columns(results['points'], 'color').shape == (200, 3)


# --- crop -----------------------------------------------------------------------------------------


def test_small_scene_is_not_cropped():
    results = random_scene(100)
    before = results['points'].tensor.clone()
    assert torch.equal(CropToMaxPoints(max_points=100)(results)['points'].tensor, before)


@pytest.mark.parametrize('draw', range(4))
@pytest.mark.parametrize('distorted', [False, True])
def test_crop_keeps_what_lies_in_a_window(distorted, draw):
    masks = {'pts_semantic_mask': np.arange(4000), 'pts_instance_mask': np.arange(4000) + 7}
    results = random_scene(4000, draw=(0, draw), **masks)
    results['points'].tensor[:, 3] = torch.arange(4000)
    if distorted:
        results = ElasticDistortion()(results)
    before = grid_coords(results['points']).copy()
    transform = CropToMaxPoints(max_points=1500, window=6.0, step=0.5, min_points=10)
    results = transform(results)
    points = results['points']
    kept = points.tensor[:, 3].long().numpy()
    assert 10 <= len(kept) <= 1500 and (np.diff(kept) > 0).all()
    np.testing.assert_array_equal(results['pts_semantic_mask'], kept)
    np.testing.assert_array_equal(results['pts_instance_mask'], kept + 7)
    # All points of a box, moved by one vector that puts its corner at the origin.
    moved = columns(points, 'grid')
    offset = moved - before[kept]
    np.testing.assert_allclose(offset, offset[:1].repeat(len(kept), 0), atol=1e-5)
    assert (moved >= 0).all() and (offset[0] <= 0).all()
    width = moved.max(0)
    shifted = before + offset[0]
    clearly_inside = ((shifted > 1e-4) & (shifted < width - 1e-4)).all(1)
    assert np.isin(np.flatnonzero(clearly_inside), kept).all()
    assert (width[:2] < 6).all()
    if not distorted:  # the window has narrowed, but not in z
        assert (width[:2] < 5.5).all() and width[2] > 5.9


def test_crop_of_a_dense_clump_takes_a_random_subset():
    results = CropToMaxPoints(max_points=50, min_points=10)(random_scene(400, extent=0.001))
    assert len(results['points']) == 50
    assert len(np.unique(coords_of(results), axis=0)) == 50


def two_clumps(draw):
    """Two clumps of 900 points with nothing between them: most windows are empty."""
    rng = np.random.default_rng(0)
    near = rng.uniform(0, 0.2, (900, 3))
    return scene(np.concatenate([near, near + [9, 9, 0]]), draw=(0, draw))


def test_crop_tries_again_when_few_points_are_left():
    sizes = {}
    for tries in (1, 40):
        transform = CropToMaxPoints(
            max_points=1000, window=9, step=0.5, min_points=450, max_tries=tries
        )
        results = [transform(two_clumps(draw))['points'] for draw in range(10)]
        sizes[tries] = [len(points) for points in results]
    # Half a clump or more is a success; the fallback is a random subset of both (1000).
    assert all(450 <= size <= 900 for size in sizes[40])
    assert 1000 in sizes[1] and min(sizes[1]) >= 450


def test_crop_never_loses_a_sample():
    transform = CropToMaxPoints(max_points=1000, window=9, step=0.5, min_points=901)
    for draw in range(10):
        points = transform(two_clumps(draw))['points']
        assert len(points) == 1000 and (columns(points, 'grid') >= 0).all()
        AddVoxelTables()(packed({'points': points}, keys=('points',)))


# --- instances ------------------------------------------------------------------------------------

TABLE = np.array([3, 3, 3, 0, 1, 2])  # stored ids 3, 4, 5 are classes 0, 1, 2; K = 3


def labelled(instance, semantic, **more):
    return scene(
        np.zeros((len(instance), 3)),
        pts_instance_mask=np.array(instance),
        pts_semantic_mask=np.array(semantic),
        seg_label_mapping=TABLE,
        **more,
    )


def test_instances_of_ignored_classes_and_unannotated_points_are_none():
    results = SelectInstances()(labelled([0, 0, 9, 9, 4, 4, 7, -1], [3, 1, 1, 1, 3, 3, 0, 2]))
    assert results['pts_instance_mask'].tolist() == [-1, -1, 1, 1, -1, -1, 0, -1]
    assert results['pts_semantic_mask'].tolist() == [3, 1, 1, 1, 3, 3, 0, 2]
    assert results['pts_instance_mask'].dtype == np.int64


def test_mixed_instance_gets_the_label_of_most_of_its_points():
    results = SelectInstances()(labelled([1, 1, 1, 2, 2, 3, 3], [2, 2, 0, 1, 0, 3, 1]))
    assert results['pts_semantic_mask'].tolist() == [2, 2, 2, 0, 0, 3, 1]
    # a point of an ignored class leaves its instance and does not vote
    assert results['pts_instance_mask'].tolist() == [0, 0, 0, 1, 1, -1, 2]


def test_truth_for_evaluation_is_renewed_too():
    results = SelectInstances()(labelled([0, 5], [3, 1], eval_ann_info={}))
    assert results['eval_ann_info']['pts_instance_mask'].tolist() == [-1, 0]
    assert results['eval_ann_info']['pts_semantic_mask'].tolist() == [3, 1]


def test_masks_read_from_a_buffer_stay_untouched():
    stored = np.frombuffer(np.array([0, 5, 5]).tobytes(), np.int64)
    results = labelled([0, 0, 0], [3, 0, 1])
    results['pts_instance_mask'] = stored
    assert SelectInstances()(results)['pts_instance_mask'].tolist() == [-1, 0, 0]
    assert stored.tolist() == [0, 5, 5]


@pytest.mark.parametrize('instance', [[0, 0, 0], [0, 8, 8]])
def test_scene_without_objects(instance):
    results = SelectInstances()(labelled(instance, [3, 3, 3]))
    assert results['pts_instance_mask'].tolist() == [-1, -1, -1]


@pytest.mark.parametrize('highest', [9, 10**12])
def test_ids_are_consecutive_after_points_were_dropped(highest):
    results = RelabelInstances()({'pts_instance_mask': np.array([5, -1, 2, 5, highest])})
    assert results['pts_instance_mask'].tolist() == [1, -1, 0, 1, 2]
    assert results['pts_instance_mask'].dtype == np.int64
    none = RelabelInstances()({'pts_instance_mask': np.array([-1, -1])})
    assert none['pts_instance_mask'].tolist() == [-1, -1]


# --- annotations ----------------------------------------------------------------------------------


def annotated(**more):
    return labelled(
        [1, 1], [3, 4], pts_instance_mask_path='i.bin', pts_semantic_mask_path='s.bin', **more
    )


@pytest.mark.parametrize('key, name', [('instance', 'i.bin'), ('semantic', 's.bin')])
def test_mask_of_other_length_names_both_files(key, name):
    results = annotated()
    results[f'pts_{key}_mask'] = np.array([1, 1, 1])
    with pytest.raises(ValueError, match=f'^{name}: 3 entries for 2 points in folder/scene0000'):
        CheckAnnotations()(results)


@pytest.mark.parametrize('wrong', [-1, 6, 1003])
def test_unknown_semantic_id_names_the_file(wrong):
    results = annotated()
    results['pts_semantic_mask'] = np.array([3, wrong])
    with pytest.raises(ValueError, match=rf's.bin: semantic ids \[{wrong}\]; expected 0..5'):
        CheckAnnotations()(results)
    assert CheckAnnotations()(annotated())


def test_annotations_are_loaded_only_where_there_are_any():
    transform = IfAnnotated([SelectInstances()])
    with_masks = transform(annotated(eval_ann_info={}))
    assert with_masks['pts_instance_mask'].tolist() == [0, 1] or with_masks['eval_ann_info']
    without = transform(scene(np.zeros((2, 3)), eval_ann_info={}))
    assert 'eval_ann_info' not in without and 'pts_instance_mask' not in without


def test_one_mask_without_the_other_is_an_error():
    results = annotated()
    del results['pts_semantic_mask_path']
    with pytest.raises(ValueError, match='names pts_instance_mask_path but no pts_semantic_mask'):
        IfAnnotated([])(results)


# --- voxel tables ---------------------------------------------------------------------------------


def test_tables_of_a_hand_made_scene():
    results = labelled([0, 1, 1, 0, -1], [2, 0, 0, 2, 3])
    results['points'].tensor[:, :3] = torch.tensor(
        [[0.5, 0, 0], [0.5, 0.09, 0], [0.5, 0.01, 0], [0.61, 0, 0], [0.55, 0.31, 0]]
    )
    out = AddVoxelTables(voxel_size=0.1)(packed(results))
    sample = out['data_samples']
    assert sample.voxels.coors.tolist() == [[0, 0, 0], [0, 3, 0], [1, 0, 0]]
    assert sample.voxels.coors.dtype == torch.int32
    assert sample.voxels.point2voxel.tolist() == [0, 0, 0, 2, 1]
    assert sample.voxels.counts.tolist() == [3, 1, 1]
    assert sample.voxels.inst_index.tolist() == [0, 0, 1]
    assert sample.voxels.inst_voxel.tolist() == [0, 2, 0]
    assert sample.voxels.inst_points.tolist() == [1, 1, 2]
    assert sample.gt_instances_3d.labels_3d.tolist() == [2, 0]
    assert sample.gt_instances_3d.num_points.tolist() == [2, 2]


def test_extra_columns_decide_the_voxels_and_are_taken_off():
    results = ElasticDistortion()(random_scene())
    plain, grid = results['points'].tensor[:, :6].clone(), grid_coords(results['points']).copy()
    out = AddVoxelTables(voxel_size=0.25)(packed(results, keys=('points',)))
    assert torch.equal(out['inputs']['points'], plain)
    voxels = out['data_samples'].voxels
    index = np.floor(grid / np.float32(0.25)).astype(int)
    np.testing.assert_array_equal(voxels.coors[voxels.point2voxel].numpy(), index)
    assert 'inst_voxel' not in voxels and 'labels_3d' not in out['data_samples'].gt_instances_3d


def test_scene_without_objects_has_empty_tables():
    results = labelled([-1, -1], [3, 3])
    sample = AddVoxelTables()(packed(results))['data_samples']
    assert sample.gt_instances_3d.labels_3d.shape == (0,)
    assert sample.gt_instances_3d.labels_3d.dtype == torch.int64
    assert len(sample.gt_instances_3d.num_points) == len(sample.voxels.inst_voxel) == 0


def test_gaps_in_the_ids_are_refused():
    with pytest.raises(ValueError, match='highest is 2 but 2 occur.*RelabelInstances'):
        AddVoxelTables()(packed(labelled([0, 2], [0, 1])))


def test_points_of_unknown_width_are_refused():
    results = {'points': DepthPoints(torch.zeros(2, 4), points_dim=4), 'lidar_path': 'a.bin'}
    with pytest.raises(ValueError, match='a.bin: points have 4 columns'):
        AddVoxelTables()(packed(results))


def test_tables_move_with_the_sample():
    sample = AddVoxelTables()(packed(random_scene(), keys=('points',)))['data_samples']
    assert sample.to('meta').voxels.coors.device.type == 'meta'


# --- randomness -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'transform',
    [
        RandomMatrix(),
        ElasticDistortion(),
        RandomColorShift(),
        CropToMaxPoints(max_points=100, min_points=1),
    ],
)
def test_same_draw_same_sample_whatever_happened_before(transform):
    def tensor(draw):
        return transform(random_scene(draw=draw))['points'].tensor

    first = tensor((5, 17))
    np.random.rand(3)  # noqa: NPY002
    torch.rand(3)
    assert torch.equal(tensor((5, 17)), first)
    for other in ((5, 18), (6, 17)):
        assert tensor(other).shape != first.shape or not torch.equal(tensor(other), first)


def test_generators_differ_by_transform_and_by_use():
    results = {'draw': (1, 2)}
    values = [draw_generator(results, name).random() for name in ('A', 'A', 'B')]
    assert len(set(values)) == 3
    again = {'draw': (1, 2)}
    assert [draw_generator(again, name).random() for name in ('A', 'A', 'B')] == values


def test_without_a_draw_numpys_global_seed_decides():
    values = []
    for _ in range(2):
        np.random.seed(3)  # noqa: NPY002
        values.append([draw_generator({'draw': None}, 'A').random() for _ in range(2)])
    assert values[0] == values[1] and values[0][0] != values[0][1]


def test_constructors_name_a_misspelt_key():
    with pytest.raises(TypeError, match='jiter_std'):
        RandomMatrix(jiter_std=0.1)


@pytest.mark.parametrize(
    'transform',
    [
        RandomMatrix(),
        ElasticDistortion(),
        RandomColorShift(),
        CropToMaxPoints(),
        NormalizeColor(),
        CenterCoordinates(),
        SelectInstances(),
        RelabelInstances(),
        AddVoxelTables(),
        CheckAnnotations(),
        IfAnnotated([RandomMatrix()]),
    ],
)
def test_repr_names_the_transform(transform):
    assert repr(transform).startswith(type(transform).__name__ + '(')
