# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The registered metric: input, stored tables, output and errors."""

import json
import pickle

import numpy as np
import pytest
import torch
from mmdet3d.evaluation.metrics import InstanceSegMetric
from mmdet3d.registry import METRICS
from mmdet3d.structures import Det3DDataSample, PointData
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

from insseg3d.evaluation import InsSegMetric, class_metrics

CLASSES = ('chair', 'table', 'sofa')


def labelled_room(seed, num_points=6000):
    """Make ground truth, and a partly right partition into predicted objects."""
    rng = np.random.default_rng(seed)
    cells = np.repeat(np.arange(num_points // 20), 20)
    instance = (cells // 15) - 1
    semantic = rng.integers(0, len(CLASSES) + 1, instance.max() + 2)[instance]
    semantic[instance < 0] = len(CLASSES)
    instance = np.where(semantic < len(CLASSES), instance, -1)
    shifted = np.roll(instance, int(rng.integers(0, 150)))
    shifted[rng.random(len(cells) // 20).repeat(20) < 0.1] = -1
    numbers = np.unique(shifted[shifted >= 0])
    pred = np.full_like(shifted, -1)
    for index, number in enumerate(numbers):
        pred[shifted == number] = index
    labels = np.array([semantic[instance == number][0] for number in numbers])
    labels[rng.random(len(labels)) < 0.2] = 0
    return instance, semantic, pred, labels, rng.random(len(labels)).astype(np.float32)


def sample_of(instance, semantic, pred, labels, scores, *, as_numpy=True):
    """Make a model's data sample, with both kinds of prediction."""
    sample = Det3DDataSample(metainfo={'lidar_path': 'rooms/a.bin'})
    truth = {'pts_instance_mask': instance, 'pts_semantic_mask': semantic}
    if not as_numpy:
        truth = {key: torch.from_numpy(value.copy()) for key, value in truth.items()}
    sample.eval_ann_info = truth
    masks = torch.from_numpy(pred[None] == np.arange(len(labels))[:, None])
    sample.pred_instances_3d = InstanceData(
        masks=masks, labels_3d=torch.from_numpy(labels), scores_3d=torch.from_numpy(scores)
    )
    sample.pred_pts_seg = PointData(
        pts_instance_mask=torch.from_numpy(pred),
        instance_labels=torch.from_numpy(labels),
        instance_scores=torch.from_numpy(scores),
    )
    return sample


def evaluate(metric, samples, classes=CLASSES, **meta):
    metric.dataset_meta = dict(classes=classes, **meta)
    for sample in samples:
        metric.process({}, [sample.to_dict()])
    return metric.evaluate(len(samples))


@pytest.fixture
def metric():
    return METRICS.build({'type': 'InsSegMetric'})


def test_equals_mmdet3d_metric_on_disjoint_masks(metric):
    rooms = [labelled_room(seed) for seed in range(8)]
    ours = evaluate(metric, [sample_of(*room) for room in rooms])
    theirs = evaluate(
        InstanceSegMetric(),
        [sample_of(*room, as_numpy=False) for room in rooms],
        seg_valid_class_ids=(3, 4, 5),
    )
    for key, theirs_key in (('AP', 'all_ap'), ('AP50', 'all_ap_50%'), ('AP25', 'all_ap_25%')):
        assert ours[key] == pytest.approx(theirs[theirs_key], abs=1e-12)
    assert 0.05 < ours['AP'] < ours['AP50'] < ours['AP25'] < 0.98
    for name in CLASSES:
        for key, theirs_key in (('AP', 'ap'), ('AP50', 'ap50%'), ('AP25', 'ap25%')):
            assert ours[f'{key}/{name}'] == pytest.approx(
                theirs['classes'][name][theirs_key], abs=1e-12
            )


def test_runs_in_mmengine_evaluator_and_counts_objects():
    evaluator = Evaluator([{'type': 'mmdet3d.InsSegMetric', 'prefix': 'val', 'min_points': 250}])
    evaluator.dataset_meta = {'classes': CLASSES}
    instance = np.repeat([-1, 0, 1, 2], [100, 300, 200, 300])
    semantic = np.repeat([3, 0, 1, 0], [100, 300, 200, 300])
    sample = sample_of(instance, semantic, instance, np.array([0, 1, 0]), np.ones(3, np.float32))
    evaluator.process([sample])
    metrics = evaluator.evaluate(1)
    assert metrics['val/AP'] == metrics['val/AP/chair'] == 1.0
    assert np.isnan(metrics['val/AP/table']) and np.isnan(metrics['val/AP50/sofa'])
    assert (metrics['val/num_objects'], metrics['val/num_objects_scored']) == (3, 2)
    assert metrics['val/share_objects_scored'] == pytest.approx(2 / 3)


def test_log_shows_every_class(metric, monkeypatch):
    lines = []
    monkeypatch.setattr(
        'insseg3d.evaluation.metrics.insseg_metric.print_log',
        lambda message, logger: lines.append(message),
    )
    evaluate(metric, [sample_of(*labelled_room(0))], classes=('chair', 'table', 'sofa', 'lamp'))
    table = lines[0].splitlines()
    for name in ('chair', 'table', 'sofa', 'lamp', 'all'):
        assert sum(f'| {name} ' in row for row in table) == 1
    assert '–' in next(row for row in table if 'lamp' in row)


def test_keeps_tables_not_masks(metric):
    metric.dataset_meta = {'classes': CLASSES}
    sample = sample_of(*labelled_room(0, num_points=60_000))
    metric.process({}, [sample.to_dict()])
    num_pred, num_gt = metric.results[0].overlap.intersections.shape
    num_counts = num_pred * num_gt + 10 * (num_pred + num_gt)
    assert len(pickle.dumps(metric.results)) < 2000 + 4 * num_counts


def test_classes_group_into_json(metric):
    metrics = evaluate(metric, [sample_of(*labelled_room(0))], classes=(*CLASSES, 'lamp'))
    grouped = class_metrics(metrics, (*CLASSES, 'lamp'))
    assert grouped['lamp'] == {'AP': None, 'AP50': None, 'AP25': None}
    assert grouped['chair']['AP25'] == metrics['AP25/chair']
    json.dumps(grouped, allow_nan=False)


def test_room_without_objects_or_predictions(metric):
    instance, semantic = np.full(500, -1), np.full(500, 3)
    empty = sample_of(instance, semantic, instance, np.zeros(0, np.int64), np.zeros(0, np.float32))
    metrics = evaluate(metric, [empty])
    assert np.isnan(metrics['AP']) and metrics['num_objects'] == 0


def _without_truth(sample):
    sample['eval_ann_info'] = None


def _without_instances(sample):
    del sample['eval_ann_info']['pts_instance_mask']


def _without_predictions(sample):
    del sample['pred_instances_3d']


def _short_masks(sample):
    sample['pred_instances_3d']['masks'] = sample['pred_instances_3d']['masks'][:, :-1]


def _wrong_class(sample):
    sample['pred_instances_3d']['labels_3d'][0] = 7


@pytest.mark.parametrize(
    ('spoil', 'error', 'message'),
    [
        (_without_truth, KeyError, 'a.bin: eval_ann_info has no pts_inst.*no ground truth'),
        (_without_instances, KeyError, 'a.bin: eval_ann_info has no pts_instance_mask'),
        (_without_predictions, KeyError, 'a.bin: .*found no pred_instances_3d'),
        (_short_masks, ValueError, r'a.bin: .*P = 6000 points .*5999\)'),
        (_wrong_class, ValueError, 'a.bin: predicted class 7 is outside the 3 classes'),
    ],
)
def test_bad_samples_are_refused_by_name(metric, spoil, error, message):
    metric.dataset_meta = {'classes': CLASSES}
    sample = sample_of(*labelled_room(0)).to_dict()
    spoil(sample)
    with pytest.raises(error, match=message):
        metric.process({}, [sample])


def test_data_set_without_classes_is_refused(metric):
    metric.dataset_meta = {'palette': []}
    with pytest.raises(KeyError, match="no 'classes'; found .*palette"):
        metric.process({}, [sample_of(*labelled_room(0)).to_dict()])


def test_misspelt_argument_is_refused():
    with pytest.raises(TypeError, match='min_point'):
        InsSegMetric(min_point=50)
