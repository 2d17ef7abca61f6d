# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Made rooms with the known faults: converter and dataset reproduce the true labels."""

import dataclasses

import numpy as np
import pytest
from mmdet3d.registry import DATASETS
from mmengine.registry import init_default_scope

from insseg_preparation.s3dis.release import prepare_s3dis
from made_rooms import FAULTS, S3DIS_OPTIONS, make_s3dis_room, synthesize_s3dis
from made_rooms.writers.generate import plan_rooms
from made_rooms.writers.s3dis import object_names
from made_rooms.writers.s3dis_room import ROOM_NAMES

from ..test_insseg3d.test_datasets.config import load_config

OPTIONS = dataclasses.replace(
    S3DIS_OPTIONS, spacing=0.09, area=(8.0, 14.0), objects=(5, 10), clutter=(3, 6), frames=60
)
CLASSES = (
    'ceiling',
    'floor',
    'wall',
    'beam',
    'column',
    'window',
    'door',
    'table',
    'chair',
    'sofa',
    'bookcase',
    'board',
    'clutter',
)


def truth(index, program, release, stairs):
    """Return points, classes and instances of a room in the order of its files' names."""
    options = dataclasses.replace(OPTIONS, programs=(program,))
    room = make_s3dis_room((0, index), options, aligned=release == 'aligned')
    names = object_names(room.classes)
    if stairs:
        names[names.index('clutter_1')] = 'stairs_1'
    order = sorted(range(len(names)), key=lambda k: f'{names[k]}.txt')
    rows = [np.flatnonzero(room.owner == k) for k in order]
    sizes = [len(part) for part in rows]
    metres = room.coords[np.concatenate(rows)] / 1000
    points = np.concatenate([metres - metres.min(axis=0), room.colors[np.concatenate(rows)]], 1)
    labels = [CLASSES.index(room.classes[k]) for k in order]
    return (
        points.astype(np.float32),
        np.repeat(labels, sizes),
        np.repeat(np.arange(len(order)), sizes),
    )


@pytest.mark.parametrize('release', ['v1.2', 'aligned'])
def test_every_point_has_the_label_and_the_object_of_its_maker(tmp_path, release):
    init_default_scope('mmdet3d')
    raw, out = tmp_path / 'raw', tmp_path / 'out'
    synthesize_s3dis(raw, 7, seed=0, options=OPTIONS, release=release, faults=tuple(FAULTS))
    report = prepare_s3dis(raw, out)
    assert {outcome.state for outcome in report.outcomes} == {'converted'}
    noted = (out / 's3dis_repairs.txt').read_text()
    for part in (
        "read as ' '",
        'byte 0x1',
        'wall_3 (1).txt',
        'stairs_1.txt counts as clutter',
        "ignored 'of_fice_1.txt'",
        'lines end with CR LF',
        f'release {release}',
    ):
        assert part in noted
    config = load_config('s3dis')['test_dataloader']['dataset']
    config.update(data_root=str(out), areas=(1, 2, 3, 4, 5, 6))
    dataset = DATASETS.build(config)
    assert len(dataset) == 7 and dataset.metainfo['release'] == release
    where = {dataset.get_data_info(k)['lidar_path'].split('/')[-1]: k for k in range(7)}
    for index, (area, name, program) in enumerate(plan_rooms(7, tuple(ROOM_NAMES))):
        points, labels, instances = truth(index, program, release, name == 'storage_1')
        stored = np.fromfile(out / 'points' / f'{area}_{name}.bin', np.float32).reshape(-1, 6)
        np.testing.assert_array_equal(stored, points)
        sample = dataset[where[f'{area}_{name}.bin']]
        ann = sample['data_samples'].eval_ann_info
        np.testing.assert_array_equal(ann['pts_semantic_mask'], labels)
        np.testing.assert_array_equal(ann['pts_instance_mask'], instances)
        loaded = sample['inputs']['points'].numpy()
        shifted = points[:, :3] - points[:, :3].mean(axis=0)
        np.testing.assert_allclose(loaded[:, :3], shifted, atol=1e-4)
