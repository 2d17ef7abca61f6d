# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Auxiliary branches add losses in training and change nothing else."""

import pytest
import torch
from mmdet3d.structures import PointData
from mmengine.structures import InstanceData
from torch import nn

from insseg3d.heads import PointwiseBranch

from .test_instance_segmentor import NUM_CLASSES, batch, build_model, make_sample

POINTWISE = dict(
    type='PointwiseBranch',
    pointwise=dict(
        type='PointwiseHead',
        in_channels=8,
        num_classes=NUM_CLASSES,
        offset_losses=dict(l1=dict(type='OffsetL1Loss')),
    ),
)
OWN = ('semantic', 'offset_l1')


def labelled(seed, num_points=80):
    """Make a sample whose points also have instances and classes."""
    points, sample = make_sample(num_points, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    instance = torch.randint(-1, 3, (num_points,), generator=generator)
    labels = sample.gt_instances_3d.labels_3d
    semantic = torch.where(instance >= 0, labels[instance], NUM_CLASSES)
    sample.gt_pts_seg = PointData(pts_instance_mask=instance, pts_semantic_mask=semantic)
    return points, sample


def test_losses_of_a_branch_are_added_under_its_name():
    plain = build_model().train()(**batch(labelled(0), labelled(1)), mode='loss')
    model = build_model(auxiliary=[dict(POINTWISE, name='points'), POINTWISE]).train()
    losses = model(**batch(labelled(0), labelled(1)), mode='loss')
    added = {f'{name}.loss_{loss}' for name in ('points', 'aux1') for loss in OWN}
    assert set(losses) == set(plain) | added
    assert all(losses[name] > 0 for name in added)
    assert {name for name, _ in model.auxiliary.named_children()} == {'points', 'aux1'}


def test_gradients_of_a_branch_reach_the_backbone():
    model = build_model(auxiliary=[POINTWISE]).train()
    losses = model(**batch(labelled(0), labelled(1)), mode='loss')
    sum(losses[f'aux0.loss_{name}'] for name in OWN).backward()
    assert all(p.grad is not None for p in model.auxiliary.parameters())
    assert all(p.grad is None for p in model.decode_head.parameters())
    # Every layer of the backbone contributes to the finest level.
    silent = [n for n, p in model.backbone.named_parameters() if p.grad is None]
    assert not silent and any(p.grad.any() for p in model.backbone.parameters())


def test_a_branch_has_no_part_in_a_test(monkeypatch):
    model = build_model(auxiliary=[POINTWISE]).eval()
    monkeypatch.setattr(PointwiseBranch, 'outputs', lambda *_: pytest.fail('was called'))
    plain = build_model().eval()
    plain.load_state_dict(
        {k: v for k, v in model.state_dict().items() if not k.startswith('auxiliary.')}
    )
    for data in (batch(labelled(0)), batch(make_sample(seed=1), make_sample(seed=2))):
        for one, other in zip(model(**data, mode='predict'), plain(**data, mode='predict')):
            for found, expected in (
                (one.pred_instances_3d, other.pred_instances_3d),
                (one.pred_pts_seg, other.pred_pts_seg),
            ):
                assert found.keys() == expected.keys()
                assert all(torch.equal(found[key], expected[key]) for key in found.keys())


def test_a_batch_has_the_losses_of_its_scenes():
    model = build_model(auxiliary=[POINTWISE]).eval()
    scenes = [labelled(3), labelled(4, 60)]
    both = model(**batch(*scenes), mode='loss')
    alone = [model(**batch(scene), mode='loss') for scene in scenes]
    known = [int((s.gt_pts_seg.pts_semantic_mask < NUM_CLASSES).sum()) for _, s in scenes]
    inside = [int((s.gt_pts_seg.pts_instance_mask >= 0).sum()) for _, s in scenes]
    for name, weights in (('semantic', known), ('offset_l1', inside)):
        total = sum(n * losses[f'aux0.loss_{name}'] for n, losses in zip(weights, alone))
        torch.testing.assert_close(both[f'aux0.loss_{name}'], total / sum(weights))


def test_losses_of_a_branch_have_its_weight():
    model = build_model(auxiliary=[POINTWISE, dict(POINTWISE, loss_weight=10.0)]).train()
    model.auxiliary['aux1'].load_state_dict(model.auxiliary['aux0'].state_dict())
    losses = model(**batch(labelled(0), labelled(1)), mode='loss')
    for name in OWN:
        assert losses[f'aux0.loss_{name}'] > 0
        torch.testing.assert_close(losses[f'aux1.loss_{name}'], 10 * losses[f'aux0.loss_{name}'])


def test_outputs_cover_the_points_of_all_scenes():
    model = build_model(auxiliary=[POINTWISE]).eval()
    scenes = model.whole_scenes(*batch(labelled(0), labelled(1, 60)).values())
    points, outputs = model.auxiliary['aux0'].outputs(scenes)
    assert len(points.point2row) == 140 and points.num_scenes == 2
    assert outputs.logits.shape == (len(points.features), NUM_CLASSES)
    assert outputs.offsets.shape == (len(points.features), 3)


def test_scene_without_objects_trains_the_branch_too():
    model = build_model(auxiliary=[POINTWISE]).train()
    points, sample = make_sample(num_objects=0)
    sample.gt_instances_3d = InstanceData(labels_3d=torch.zeros(0, dtype=torch.long))
    nothing = torch.full((80,), -1)
    sample.gt_pts_seg = PointData(
        pts_instance_mask=nothing, pts_semantic_mask=torch.full((80,), NUM_CLASSES)
    )
    losses = model(**batch((points, sample)), mode='loss')
    assert losses['aux0.loss_semantic'] == losses['aux0.loss_offset_l1'] == 0
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_classes_of_a_branch_are_compared_with_those_of_a_checkpoint():
    model = build_model(auxiliary=[POINTWISE])
    branch = model.auxiliary['aux0']
    assert branch.num_classes == NUM_CLASSES
    layers = dict(branch.named_modules())
    assert [layers[name].out_features for name in branch.class_layers] == [NUM_CLASSES]
    pointwise = dict(POINTWISE['pointwise'], num_classes=NUM_CLASSES + 2)
    other = build_model(auxiliary=[dict(POINTWISE, pointwise=pointwise)])
    with pytest.raises(RuntimeError, match='has 3 semantic classes, the config 5 '):
        other.load_state_dict(model.state_dict(), strict=False)


@pytest.mark.parametrize('names', [('a', 'a'), ('a.b',), ('',), ('aux1', None)])
def test_names_that_cannot_be_prefixes_are_refused(names):
    configs = [dict(POINTWISE, **(dict(name=name) if name is not None else {})) for name in names]
    with pytest.raises(ValueError, match=r'auxiliary\[\d\].name is .*, expected an identifier'):
        build_model(auxiliary=configs)


def test_any_module_with_a_loss_may_be_a_branch():
    from mmdet3d.registry import MODELS

    class Constant(nn.Module):
        def loss(self, batch):
            return dict(loss_rows=torch.tensor(float(len(batch.rows[0].features))))

    MODELS.register_module(name='ConstantBranchForTest', module=Constant, force=True)
    model = build_model(auxiliary=[dict(type='ConstantBranchForTest')])
    points, sample = labelled(0)
    losses = model(**batch((points, sample)), mode='loss')
    assert losses['aux0.loss_rows'] == len(sample.voxels.coors)
