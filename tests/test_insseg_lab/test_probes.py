# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Probes against naive loops, and on models whose answers are known."""

import math
from types import SimpleNamespace

import pytest
import torch
from mmdet3d.registry import DATASETS

from insseg3d.apis import load_model
from insseg3d.engine.command import load_config
from insseg3d.ops.masks import object_ious
from insseg3d.structures import SceneBatch, SceneTargets
from insseg_lab.probes import (
    annotated,
    effective_rank,
    linear_embeddings,
    memory_figures,
    probe_model,
    scene_variance,
    summary,
)


def make_targets(counts, shared):
    """Make ground truth from points per voxel (V,) and points shared with objects (V, G)."""
    voxel, index = shared.nonzero().unbind(1)
    labels = torch.zeros(shared.shape[1], dtype=torch.long)
    return SceneTargets(counts, voxel, index, shared[voxel, index], labels)


def random_targets(num_voxels=40, num_objects=3):
    counts = torch.randint(2, 6, (num_voxels,))
    shared = torch.zeros(num_voxels, num_objects, dtype=torch.long)
    for voxel in range(num_voxels):
        first, second = torch.randperm(num_objects)[:2].tolist()
        shared[voxel, first] = torch.randint(0, int(counts[voxel]), (1,))
        shared[voxel, second] = 1  # voxels on borders, too
    return make_targets(counts, shared), shared


def test_variance_over_scenes_equals_naive_sums():
    embeddings = torch.randn(5, 4, 3)
    mean = [[sum(e[q][c] for e in embeddings.tolist()) / 5 for c in range(3)] for q in range(4)]
    centre = [sum(row[c] for row in mean) / 4 for c in range(3)]
    over_scenes = sum(
        (float(embeddings[n, q, c]) - mean[q][c]) ** 2
        for n in range(5)
        for q in range(4)
        for c in range(3)
    ) / (5 * 4)
    between = sum((mean[q][c] - centre[c]) ** 2 for q in range(4) for c in range(3)) / 4
    assert scene_variance(embeddings) == pytest.approx(over_scenes / between)


def test_queries_that_are_equal_in_all_scenes_have_variance_0():
    assert scene_variance(torch.randn(1, 6, 4).expand(7, 6, 4)) == 0
    assert scene_variance(torch.randn(7, 1, 4).expand(7, 6, 4)) is None


def test_iou_equals_that_of_the_points():
    targets, shared = random_targets()
    logits = torch.randn(40, 5)
    points = torch.repeat_interleave(torch.arange(40), targets.counts)
    found = object_ious((logits > 0).double(), targets)
    assert found.shape == (3, 5)
    for g in range(3):
        left = shared[:, g].clone()  # the first points of a voxel are the object's
        truth = torch.zeros(len(points), dtype=torch.bool)
        for row, voxel in enumerate(points.tolist()):
            truth[row] = left[voxel] > 0
            left[voxel] -= 1
        for q in range(5):
            mask = logits[points, q] > 0
            iou = (mask & truth).sum() / (mask | truth).sum()
            assert float(found[g, q]) == pytest.approx(float(iou))


def test_linear_mask_of_a_separable_object_is_the_object():
    features = torch.randn(60, 5) * torch.tensor([1.0, 100.0, 0.01, 1.0, 0.0])
    direction = torch.randn(5, 2)
    inside = features @ direction > 0
    counts = torch.randint(1, 5, (60,))
    targets = make_targets(counts, inside * counts[:, None])
    logits = features.double() @ linear_embeddings(features, targets).T
    assert object_ious((logits > 0).double(), targets).diagonal().tolist() == [1, 1]


def test_linear_mask_has_the_smallest_loss():
    """The gradient by autograd of the weighted logistic loss, point by point, is 0."""
    targets, shared = random_targets(num_voxels=200)
    features = torch.randn(200, 4)
    fits = linear_embeddings(features, targets).requires_grad_()
    points = torch.repeat_interleave(torch.arange(200), targets.counts)
    logits = features.double()[points] @ fits.T
    first = torch.cat([torch.arange(n) for n in targets.counts.tolist()])
    truth = (first[:, None] < shared[points]).double()
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction='none')
    (gradient,) = torch.autograd.grad(loss.mean(0).sum(), fits)
    assert gradient.abs().max() < 1e-5 and fits.abs().min() > 1e-3


def test_linear_masks_of_no_objects():
    targets = make_targets(torch.ones(4, dtype=torch.long), torch.zeros(4, 0, dtype=torch.long))
    assert linear_embeddings(torch.randn(4, 3), targets).shape == (0, 3)


@pytest.mark.parametrize('rank', [1, 2, 5])
def test_rank_of_orthonormal_rows(rank):
    rows, _ = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64))
    assert effective_rank(3 * rows[:rank]) == pytest.approx(rank)
    points = torch.cat([4 + rows[:rank], 4 - rows[:rank]])  # centred: each direction twice
    assert memory_figures(points)['effective_rank'] == pytest.approx(rank)


def test_rank_of_unequal_singular_values():
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert effective_rank(torch.diag(torch.tensor([3.0, -1.0]))) == pytest.approx(math.exp(entropy))
    assert effective_rank(torch.zeros(3, 2)) == 0


def test_figures_of_memory_equal_naive_loops():
    points = torch.randn(6, 4)
    pairs = [
        float(points[i] @ points[j] / (points[i].norm() * points[j].norm()))
        for i in range(6)
        for j in range(6)
        if i != j
    ]
    mean = sum(points) / 6
    distance = math.sqrt(sum(float(((row - mean) ** 2).sum()) for row in points))
    figures = memory_figures(points)
    assert figures['cosine'] == pytest.approx(sum(pairs) / len(pairs), abs=1e-6)
    assert figures['share'] == pytest.approx(distance / float(points.norm()))


def test_memory_of_equal_points_has_no_rank():
    points = (torch.randn(1, 32) * 1e3).expand(64, 32) * (1 + 1e-7 * torch.randn(64, 32))
    figures = memory_figures(points)
    assert figures['effective_rank'] == 0
    assert figures['cosine'] == pytest.approx(1) and figures['share'] < 1e-6


def test_summary_by_hand():
    ious = [torch.tensor([0.5, 0.6]), torch.tensor([]), torch.tensor([0.8, 0.3])]
    assert summary(ious) == {
        'mean': pytest.approx(0.55),
        'over_0.5': 0.5,
        'over_0.75': 0.25,
    }
    with pytest.raises(ValueError, match='found no objects in 1 scenes, expected at least one'):
        summary([torch.tensor([])])


@pytest.fixture
def probed(tiny_config, tiny_data, monkeypatch):
    """Return a tiny model with queries that differ, and a dataset of annotated rooms."""
    monkeypatch.setenv('INSSEG3D_DATA', str(tiny_data))
    options = {'test_dataloader.dataset.ann_file': 'scannet_infos_train.pkl'}
    config = load_config(tiny_config, options)
    model, _ = load_model(config)
    torch.nn.init.normal_(model.decode_head.decoder.queries.embedding.weight)
    return model, DATASETS.build(annotated(config))


def test_queries_of_equal_scenes_are_their_mean(probed):
    model, dataset = probed
    report = probe_model(model, [dataset[0], dataset[0]])
    assert report['scene_variance'] == [0] * len(report['scene_variance'])
    assert report['best_iou']['averaged'] == report['best_iou']['queries']
    assert report['objects'] == 2 * len(dataset[0]['data_samples'].gt_instances_3d)


class KnowingHead(torch.nn.Module):
    """A head that knows the truth, with one bank of embeddings per scene or one for all."""

    def __init__(self, banks, scenes):
        super().__init__()
        self.banks, self.reads = banks, False
        lengths = [len(scene['data_samples'].voxels.counts) for scene in scenes]
        self.numbers = {length: number for number, length in enumerate(lengths)}
        assert len(self.numbers) == len(scenes)

    def forward(self, batch):
        (targets,) = batch.voxel_targets()
        bank = self.banks[self.numbers[len(targets.counts)] if self.reads else 0]
        inside = torch.zeros(len(targets.counts), bank.shape[0])
        inside[targets.inst_voxel, targets.inst_index] = 1
        # Features of which the bank makes the objects.
        features = (2 * inside - 1) @ torch.linalg.pinv(bank).T
        layers = [self.banks[:1], bank[None]]
        return SimpleNamespace(class_logits=[], mask_embeddings=layers, mask_features=[features])


def test_static_filters_lose_nothing_and_queries_that_read_lose(probed):
    model, dataset = probed
    scenes = [dataset[number] for number in range(4)]
    banks = torch.randn(4, 6, 12)
    head = model.decode_head = KnowingHead(banks, scenes)
    model.neck = None
    static = probe_model(model, scenes)
    assert static['memory'] is None
    assert static['scene_variance'] == [0, 0]
    assert static['best_iou']['averaged'] == static['best_iou']['queries']
    assert static['best_iou']['queries']['mean'] > 0.8  # voxels on borders have two objects
    head.reads = True
    reading = probe_model(model, scenes)
    assert reading['scene_variance'][0] == 0 and reading['scene_variance'][1] > 0.5
    assert reading['best_iou']['queries'] == static['best_iou']['queries']
    ious = []
    for scene in scenes:
        batch = SceneBatch({}, rows=[], coords=[], samples=[scene['data_samples']])
        logits = head(batch).mask_features[0] @ banks.mean(0).T
        ious.append(object_ious((logits > 0).double(), batch.voxel_targets()[0]).amax(1))
    expected = float(torch.cat(ious).mean())
    assert reading['best_iou']['averaged']['mean'] == pytest.approx(expected, abs=1e-3)
    assert expected < reading['best_iou']['queries']['mean'] - 0.1


def test_best_iou_is_that_of_the_last_output(probed):
    model, dataset = probed
    scenes = [dataset[0], dataset[1]]
    report = probe_model(model, scenes)
    assert len(report['scene_variance']) == 2
    ious = []
    for scene in scenes:
        data = dict(inputs=dict(points=[scene['inputs']['points']]))
        data['data_samples'] = [scene['data_samples']]
        with torch.no_grad():
            batch = model.whole_scenes(**data)
            outputs = model.decode_head(batch)
        (targets,) = batch.voxel_targets()
        logits = outputs.mask_features[0].double() @ outputs.mask_embeddings[-1][0].double().T
        ious.append(object_ious((logits > 0).double(), targets).max(1).values)
    assert report['best_iou']['queries']['mean'] == pytest.approx(float(torch.cat(ious).mean()))


def test_padding_is_no_memory(probed):
    model, dataset = probed
    neck, scenes = model.neck, [dataset[0], dataset[1]]
    expected = probe_model(model, scenes)['memory']

    class Padded(torch.nn.Module):
        def forward(self, levels, num_scenes):
            memory, _ = neck(levels, num_scenes)
            padding = torch.arange(2 * memory.shape[1])[None] >= memory.shape[1]
            return torch.cat([memory, torch.full_like(memory, 9.0)], 1), padding

    model.neck = Padded()
    assert probe_model(model, scenes)['memory'] == pytest.approx(expected)


def test_one_scene_is_refused(probed):
    model, dataset = probed
    with pytest.raises(ValueError, match='found 1 scenes, expected at least 2'):
        probe_model(model, [dataset[0]])


def test_heads_without_masks_of_queries_are_refused(probed, monkeypatch):
    model, dataset = probed
    monkeypatch.setattr(model.decode_head, 'forward', lambda batch: (1, 2))
    with pytest.raises(ValueError, match='returned tuple without class_logits.*Choose the config'):
        probe_model(model, [dataset[0], dataset[1]])
