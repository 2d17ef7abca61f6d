# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""From a made room to voxel tables and back to points: labels and instances are unchanged."""

import numpy as np
import pytest
from mmdet3d.registry import DATASETS
from mmengine.registry import init_default_scope

from insseg_preparation.scannet.release import prepare_scannet
from made_rooms import RoomOptions, make_room
from made_rooms.labels.categories import CATEGORIES
from made_rooms.writers.scannet import write_scene, write_tables

from ..test_datasets.config import load_config

# The 18 classes in the order of the benchmark, by NYU40 id.
CLASSES = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39]
AUGMENTATION_OFF = {
    'RandomMatrix': dict(jitter_std=0.0, flip_prob=0.0, rotation=(0.0, 0.0)),
    'ElasticDistortion': dict(passes=()),
    'RandomColorShift': dict(std=0.0),
}


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """Return rooms, and the folder of the dataset made from them."""
    root = tmp_path_factory.mktemp('made')
    options = RoomOptions(
        spacing=0.08, area=(6.0, 9.0), objects=(4, 7), clutter=(1, 3), vertices=(0, 240_000)
    )
    rooms = [make_room((7, index), options) for index in range(20)]
    names = [f'scene{index:04d}_00' for index in range(len(rooms))]
    for room, name in zip(rooms, names):
        write_scene(room, root / 'raw/scans' / name, annotated=True)
    write_tables(root / 'raw', dict(train=names, val=[], test=[]))
    prepare_scannet(root / 'raw', root / 'scannet', splits=('train',))
    return rooms, root / 'scannet'


def truth_of(room):
    """Return the generator's class (18 for none) and instance (-1 for none) of every point."""
    classes = np.full(len(room.points), len(CLASSES))
    instances = np.full(len(room.points), -1)
    number = 0
    for label, segments in room.groups:
        inside = np.isin(room.segments, segments)
        assert len(np.unique(room.owner[inside])) == 1
        if CATEGORIES[label].nyu40_id in CLASSES:
            classes[inside] = CLASSES.index(CATEGORIES[label].nyu40_id)
            instances[inside] = number
            number += 1
    return classes, instances


def load(root, voxel_size):
    init_default_scope('mmdet3d')
    cfg = load_config()['train_dataloader']['dataset']
    for transform in cfg['pipeline']:
        transform.update(AUGMENTATION_OFF.get(transform['type'], {}))
    cfg['pipeline'][-1]['voxel_size'] = voxel_size
    return DATASETS.build(dict(cfg, data_root=str(root)))


def devoxelise(voxels, num_instances):
    """Return the majority instance of each point's voxel, -1 if most points have none."""
    table = np.zeros((len(voxels.coors), num_instances + 1), np.int64)
    table[voxels.inst_voxel, voxels.inst_index] = voxels.inst_points
    table[:, -1] = voxels.counts - table.sum(1)  # points without an instance
    return table, np.where(table.argmax(1) == num_instances, -1, table.argmax(1))[
        voxels.point2voxel
    ]


@pytest.mark.parametrize('voxel_size', [0.0005, 0.02, 0.2])
def test_labels_and_instances_of_made_rooms_come_back_point_for_point(made, voxel_size):
    rooms, root = made
    dataset = load(root, voxel_size)
    assert len(dataset) == len(rooms)
    objects, shared_points = 0, 0
    for room, sample in zip(rooms, dataset):
        classes, instances = truth_of(room)
        truth, voxels = sample['data_samples'].gt_instances_3d, sample['data_samples'].voxels
        labels = truth.labels_3d.numpy()
        table, came_back = devoxelise(voxels, len(labels))
        # The points of every voxel are counted for their instances.
        expected = np.zeros_like(table)
        np.add.at(expected, (voxels.point2voxel.numpy(), instances), 1)  # -1 is the last column
        np.testing.assert_array_equal(table, expected)
        shared = ((table > 0).sum(1) > 1)[voxels.point2voxel]
        np.testing.assert_array_equal(came_back[~shared], instances[~shared])
        has_object = came_back >= 0
        np.testing.assert_array_equal(
            labels[came_back[has_object & ~shared]], classes[has_object & ~shared]
        )
        # Point by point, also without voxels.
        packed = sample['data_samples'].gt_pts_seg
        np.testing.assert_array_equal(packed.pts_instance_mask, instances)
        np.testing.assert_array_equal(packed.pts_semantic_mask, classes)
        np.testing.assert_array_equal(
            truth.num_points, np.bincount(instances[instances >= 0], minlength=len(labels))
        )
        objects += len(labels)
        shared_points += shared.sum()
    assert objects >= 2 * len(rooms)
    # If no voxel contains two objects, all points are equal; with coarse voxels some differ.
    assert (shared_points == 0) == (voxel_size < 0.01)
