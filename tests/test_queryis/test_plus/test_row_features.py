# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Places of rows, and the features that are appended to those of the backbone."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample
from mmengine.runner import IterBasedTrainLoop
from torch import nn

from insseg3d.engine import NewClassesHook
from insseg3d.engine.consistency import check_loader
from queryis.plus.row_features import JoinedRows, row_places

from ...test_insseg_baselines.helpers import METHODS
from ...test_insseg_baselines.helpers import build_head as build_method
from ..helpers import CHANNELS, NUM_CLASSES
from .scenes import (
    CELL,
    CHANNELS_OF,
    PLACED,
    POINTWISE,
    POSITION,
    VOTED,
    VOTES,
    batch_of,
    in_pieces,
    make_scene,
    plus_head,
)


def build(cfg):
    torch.manual_seed(0)
    return MODELS.build(dict(cfg, in_channels=CHANNELS))


def test_places_equal_a_naive_loop():
    scene = make_scene(seed=1)
    places = row_places(batch_of(scene), 0)
    tables = scene.sample.voxels
    assert len(places) == len(tables.coors) and tables.counts.max() > 1
    mean = sum(scene.coords) / len(scene.coords)
    for v in range(len(places)):
        members = [p for p, voxel in zip(scene.coords, tables.point2voxel) if voxel == v]
        torch.testing.assert_close(places[v], sum(members) / len(members) - mean)


def test_places_of_a_scene_in_pieces_are_those_of_the_whole():
    scene = make_scene(200, seed=2)
    pieces, voxels = in_pieces(scene)
    whole, split = row_places(batch_of(scene), 0), row_places(pieces, 0)
    assert len(split) > len(whole)
    assert torch.equal(split, whole[voxels])
    # All features of a row agree then, too, because those of the backbone are the same here.
    part = build(PLACED)
    assert torch.equal(part(pieces).features[0][:], part(batch_of(scene)).features[0][:][voxels])


def test_places_do_not_depend_on_the_origin_of_the_scan():
    scene = make_scene(seed=3)
    # Coordinates that stay exact in float32 far from the origin.
    scene = scene._replace(coords=(scene.coords * 1024).round() / 1024)
    moved = scene._replace(coords=scene.coords + torch.tensor([512.0, -64.0, 8.0]))
    for dtype, atol in ((torch.float64, 1e-9), (torch.float32, 1e-3)):
        here, there = (row_places(batch_of(s, dtype=dtype), 0) for s in (scene, moved))
        torch.testing.assert_close(there, here, atol=atol, rtol=0)
    assert here.abs().max() < 3


def test_places_do_not_depend_on_other_scenes_of_the_batch():
    scenes = [make_scene(50, seed=4), make_scene(90, seed=5), make_scene(1, 0, seed=6)]
    batch = batch_of(*scenes)
    for b, scene in enumerate(scenes):
        assert torch.equal(row_places(batch, b), row_places(batch_of(scene), 0))
    assert not row_places(batch, 2).any()  # one point is its own mean


def test_smaller_voxels_move_places_within_a_voxel_only():
    coarse, fine = (make_scene(200, seed=7, cell=cell) for cell in (CELL, CELL / 2))
    assert torch.equal(coarse.coords, fine.coords)
    per_point = [
        row_places(batch_of(scene), 0)[scene.sample.voxels.point2voxel] for scene in (coarse, fine)
    ]
    assert (per_point[0] - per_point[1]).abs().max() < CELL
    # All cells of a grid that fine contain one point.
    single = make_scene(200, seed=7, cell=0.001)
    centred = single.coords - single.coords.mean(0)
    places = row_places(batch_of(single), 0)[single.sample.voxels.point2voxel]
    torch.testing.assert_close(places, centred)


def test_without_voxel_tables_the_error_names_the_transform():
    batch = dataclasses.replace(batch_of(make_scene()), samples=[Det3DDataSample()])
    with pytest.raises(ValueError, match='AddVoxelTables'):
        row_places(batch, 0)


def test_backbone_features_are_left_as_they_are():
    batch = batch_of(make_scene(), make_scene(seed=1))
    part = build(dict(type='BackboneFeatures'))
    rows = part(batch)
    assert part.num_channels == CHANNELS and not part.loss(rows, batch)
    assert all(found is own.features for found, own in zip(rows.features, batch.rows))
    assert rows.places is None and rows.centers is None and rows.pointwise is None


def test_placed_features_are_backbone_then_position():
    batch = batch_of(make_scene(), make_scene(50, seed=1))
    part = build(PLACED)
    rows = part(batch)
    assert part.num_channels == CHANNELS_OF['PlacedFeatures'] and not part.loss(rows, batch)
    for b, found in enumerate(rows.features):
        assert torch.equal(rows.places[b], row_places(batch, b))
        assert torch.equal(rows.centers[b], rows.places[b])
        position = MODELS.build(POSITION)(rows.places[b])
        assert torch.equal(found[:], torch.cat([batch.rows[b].features, position], 1))


@pytest.mark.parametrize('joined_before', [False, True])
def test_joined_rows_are_sliced_like_a_tensor(joined_before):
    values, more = torch.arange(14.0).view(7, 2), torch.arange(7.0)[:, None]
    rows = JoinedRows((values, lambda part: (part, -part)), (more, lambda part: (part.square(),)))
    whole = torch.cat([values, -values, more.square()], 1)
    if joined_before:
        assert torch.equal(rows[:], whole) and torch.equal(rows.joined, whole)
    assert len(rows) == 7
    for some in (slice(2, 5), slice(None, None, 3), slice(4, 99), slice(3, 3), slice(None)):
        assert torch.equal(rows[some], whole[some])
    nothing = JoinedRows((values[:0], lambda part: (part,)))
    assert nothing[:].shape == (0, 2)


def test_a_test_keeps_no_features_of_all_rows(monkeypatch):
    """Masks of a large scene are made from slices; only a training joins all rows."""
    monkeypatch.setattr('insseg3d.ops.masks.MOST_VOXELS_IN_CACHE', 16)
    head = plus_head(reading_rows=8).eval()
    batch, seen = batch_of(make_scene(80)), []
    forward = head.features.forward
    monkeypatch.setattr(head.features, 'forward', lambda b: seen.append(forward(b)) or seen[-1])
    with torch.no_grad():
        head.predict(batch)
        assert seen[0].features[0].joined is None
        head(batch)
    assert len(seen[1].features[0].joined) == len(batch.rows[0].counts)


@pytest.mark.parametrize('half', [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize('cfg', [PLACED, VOTED])
def test_autocast_does_not_round_places(cfg, half):
    scene = make_scene(seed=8)
    scene = scene._replace(coords=30 * scene.coords)  # bfloat16 would round to decimetres
    part = build(cfg).eval()
    exact = part(batch_of(scene)).features[0][:]
    narrow = scene._replace(features=scene.features.to(half))
    with torch.autocast('cpu', dtype=half):
        found = part(batch_of(narrow, dtype=half, coords=torch.float32)).features[0][:]
    assert found.dtype == torch.float32
    columns = slice(CHANNELS, CHANNELS_OF['PlacedFeatures'])
    torch.testing.assert_close(found[:, columns], exact[:, columns])


@pytest.mark.parametrize('cfg', [PLACED, VOTED])
def test_a_quarter_turn_of_the_scene_turns_the_places(cfg):
    scene = make_scene(seed=8)
    x, y, z = scene.coords.T
    turned = scene._replace(coords=torch.stack([-y, x, z], 1))
    part = build(cfg).eval()
    before, after = part(batch_of(scene)), part(batch_of(turned))
    x, y, z = before.places[0].T
    torch.testing.assert_close(after.places[0], torch.stack([-y, x, z], 1))
    turn = torch.tensor([1, 0, 2])
    columns = slice(CHANNELS, CHANNELS + 3)
    old, new = before.features[0][:], after.features[0][:]
    found = new[:, columns][:, turn] * torch.tensor([1.0, -1.0, 1.0])
    torch.testing.assert_close(found, old[:, columns])
    torch.testing.assert_close(new[:, :CHANNELS], old[:, :CHANNELS])


def test_voted_features_are_placed_ones_then_votes_then_classes():
    batch = batch_of(make_scene(), make_scene(50, seed=1))
    part = build(VOTED).eval()
    rows, placed = part(batch), build(PLACED)(batch)
    assert part.num_channels == CHANNELS_OF['VotedFeatures']
    for b, scene in enumerate(batch.rows):
        outputs = part.pointwise(scene.features)
        votes = MODELS.build(VOTES)(rows.centers[b])
        torch.testing.assert_close(rows.centers[b], placed.places[b] + outputs.offsets)
        classes = outputs.logits.softmax(1) @ part.class_embedding.weight.T
        expected = torch.cat([placed.features[b][:], votes, classes], 1)
        torch.testing.assert_close(rows.features[b][:], expected)
        assert torch.equal(rows.places[b], placed.places[b])
        assert not rows.centers[b].requires_grad
    assert rows.pointwise.offsets.shape == (sum(len(some) for some in rows.features), 3)


@pytest.mark.parametrize('channels', [6, 32])
def test_class_probabilities_keep_their_distances(channels):
    embedding = build(dict(VOTED, class_channels=channels)).class_embedding
    probabilities = torch.rand(9, NUM_CLASSES + 2).softmax(1)
    found = torch.cdist(embedding(probabilities), embedding(probabilities))
    torch.testing.assert_close(found, torch.cdist(probabilities, probabilities), atol=1e-5, rtol=0)


@pytest.mark.parametrize('objects', [(3, 2), (3, 0), (0, 0)])
@pytest.mark.parametrize('other', ['branch', *METHODS])
def test_losses_of_votes_are_those_of_other_models(other, objects):
    batch = batch_of(make_scene(80, objects[0]), make_scene(50, objects[1], seed=1))
    part = build(VOTED)
    if other == 'branch':
        model = MODELS.build(dict(type='PointwiseBranch', pointwise=POINTWISE))
    else:
        model = build_method(other)
    model.pointwise.load_state_dict(part.pointwise.state_dict())
    found, expected = part.loss(part(batch), batch), model.loss(batch)
    assert found.keys() == {'loss_semantic', 'loss_offset_l1'} and found.keys() <= expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, 3 * expected[name])


def test_features_train_the_embedding_and_the_backbone_but_no_votes():
    batch = batch_of(make_scene())
    features = batch.rows[0].features.requires_grad_()
    part = build(VOTED)
    weight = torch.randn(len(features), part.num_channels)
    (part(batch).features[0][:] * weight).sum().backward()
    # The backbone is reached only by the columns that are its own.
    assert torch.equal(features.grad, weight[:, :CHANNELS])
    assert part.class_embedding.weight.grad.any()
    assert all(p.grad is None for p in part.pointwise.parameters())


def test_votes_are_trained_by_their_own_losses():
    batch = batch_of(make_scene())
    features = batch.rows[0].features.requires_grad_()
    part = build(VOTED)
    sum(part.loss(part(batch), batch).values()).backward()
    assert all(p.grad.any() for p in part.pointwise.semantic[-1].parameters())
    assert all(p.grad.any() for p in part.pointwise.offset[-1].parameters())
    assert features.grad.any() and part.class_embedding.weight.grad is None


def model_of(num_classes):
    pointwise = dict(POINTWISE, num_classes=num_classes)
    head = plus_head(
        dict(VOTED, pointwise=pointwise),
        num_classes=num_classes,
        loss_cls=dict(type='mmdet.CrossEntropyLoss'),
    )
    return nn.ModuleDict(dict(decode_head=head))


def test_other_classes_are_refused_before_the_training():
    model = model_of(NUM_CLASSES)
    model['decode_head'].num_classes = 7
    data = SimpleNamespace(dataset=SimpleNamespace(metainfo=dict(classes=['a'] * 7)))
    with pytest.raises(ValueError, match='model.decode_head.features.num_classes=4; .* to 7'):
        check_loader('train', data, model)
    check_loader('train', data, model_of(7))


def test_class_layers_are_all_that_new_classes_replace():
    """Without them, a checkpoint of other classes has no weight of another shape."""
    state = model_of(NUM_CLASSES).state_dict()
    model = model_of(7)
    shapes = {name: weight.shape for name, weight in model.state_dict().items()}
    other = {name for name, weight in state.items() if weight.shape != shapes[name]}
    loop = IterBasedTrainLoop.__new__(IterBasedTrainLoop)
    runner = SimpleNamespace(model=model, _resume=False, _train_loop=loop)
    checkpoint = dict(state_dict=dict(state))
    NewClassesHook().after_load_checkpoint(runner, checkpoint)
    left = checkpoint['state_dict']
    assert state.keys() - left.keys() == other
    assert {name.split('.', 2)[1] for name in other} == {'classifier', 'features'}
    missing, unexpected = model.load_state_dict(left, strict=False)
    assert set(missing) == other and not unexpected
