# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Properties of all three methods: gradients, empty scenes, batches, limits, checkpoints."""

import pytest
import torch

from insseg3d.structures import PointTargets, SceneRows
from insseg_lab.speed.measure import forget_peak_memory, peak_memory_mb

from .helpers import (
    CHANNELS,
    METHODS,
    NUM_CLASSES,
    NUM_STUFF,
    batch_of,
    build_head,
    head_config,
    make_scene,
)


@pytest.fixture(params=METHODS)
def method(request):
    return request.param


def loss_of(head, scenes, iteration=0):
    losses = head.loss(batch_of(scenes, iteration))
    assert all(torch.isfinite(loss) for loss in losses.values()), losses
    return losses


def certain(head, favourite):
    """Make a head that predicts the same class everywhere with certainty."""
    with torch.no_grad():
        head.pointwise.semantic[-1].weight.zero_()
        head.pointwise.semantic[-1].bias.fill_(-9.0)[favourite] = 9.0
        head.pointwise.offset[-1].weight.zero_()
        head.pointwise.offset[-1].bias.zero_()
    return head


def test_every_parameter_gets_a_gradient(method):
    head = certain(build_head(method).train(), 1)
    losses = loss_of(head, [make_scene(0), make_scene(1)])
    sum(losses.values()).backward()
    missing = [name for name, p in head.named_parameters() if p.grad is None]
    assert not missing
    # A network that received proposals has gradients other than 0.
    assert head.proposal_net.unet.encoder[0][0].conv1.weight.grad.abs().max() > 0


def test_before_its_time_the_network_has_losses_of_zero(method):
    head = certain(build_head(method, prepare_iters=10).train(), 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(head, 'grouping', None)  # is not called
        losses = loss_of(head, [make_scene(0)], iteration=9)
    assert losses['loss_semantic'] > 0 and losses['loss_offset_l1'] > 0
    assert all(
        loss == 0
        for name, loss in losses.items()
        if name not in ('loss_semantic', 'loss_offset_l1')
    )
    sum(losses.values()).backward()
    assert not [name for name, p in head.named_parameters() if p.grad is None]
    later = loss_of(head, [make_scene(0)], iteration=10)
    assert sum(later.values()) > sum(losses.values())


def test_no_points_of_objects(method):
    """All points are wall, so nothing is grouped, with and without annotated objects."""
    head = certain(build_head(method).train(), NUM_CLASSES)
    rows, coords, targets = make_scene(0)
    nothing = PointTargets(
        torch.full_like(targets.semantic, NUM_CLASSES),
        torch.full_like(targets.instance, -1),
        torch.zeros(0, dtype=torch.int64),
    )
    for truth in (targets, nothing):
        losses = loss_of(head, [(rows, coords, truth)])
        head.zero_grad()
        sum(losses.values()).backward()
        assert not [name for name, p in head.named_parameters() if p.grad is None]
    (instances,) = head.eval().predict(batch_of([(rows, coords)]))
    assert instances.masks.shape == (0, len(coords))
    assert (instances.pts_semantic_mask == NUM_CLASSES + 1).all()


def test_objects_predicted_where_none_are_annotated(method):
    head = certain(build_head(method).train(), 1)
    rows, coords, targets = make_scene(0)
    nothing = PointTargets(
        torch.full_like(targets.semantic, NUM_CLASSES),
        torch.full_like(targets.instance, -1),
        torch.zeros(0, dtype=torch.int64),
    )
    losses = loss_of(head, [(rows, coords, nothing), make_scene(1)])
    sum(losses.values()).backward()
    losses = loss_of(head, [(rows, coords, nothing)])
    sum(losses.values()).backward()


def test_a_scene_of_one_point(method):
    rows = SceneRows(
        torch.randn(1, CHANNELS), torch.ones(1, dtype=torch.long), torch.zeros(1, dtype=torch.long)
    )
    coords, zero = torch.zeros(1, 3), torch.zeros(1, dtype=torch.long)
    head = certain(build_head(method).train(), 1)
    loss_of(head, [(rows, coords, PointTargets(zero, zero, zero))])
    (instances,) = head.eval().predict(batch_of([(rows, coords)]))
    assert instances.masks.shape[1] == 1


def test_a_single_huge_component(method):
    """50,000 points of one class in one place form one proposal, or one in each of two runs."""
    num = 50_000
    generator = torch.Generator().manual_seed(0)
    point2row = torch.randint(1000, (num,), generator=generator)
    rows = SceneRows(
        torch.randn(1000, CHANNELS, generator=generator),
        torch.bincount(point2row, minlength=1000),
        point2row,
    )
    coords = torch.rand(num, 3, generator=generator)
    zeros = torch.zeros(num, dtype=torch.long)
    head = certain(build_head(method).train(), 0)
    loss_of(head, [(rows, coords, PointTargets(zeros, zeros, zeros[:1]))])
    (instances,) = head.eval().predict(batch_of([(rows, coords)]))
    assert len(instances.masks) == 0 or instances.masks.sum(1).max() > num / 2


def test_two_scenes_equal_each_alone(method):
    head = certain(build_head(method).eval(), 1)
    scenes = [make_scene(0), make_scene(3, num_points=120)]
    for scene, instances in zip(scenes, head.predict(batch_of(scenes))):
        (alone,) = head.predict(batch_of([scene]))
        assert len(alone.masks) > 0
        assert torch.equal(alone.masks, instances.masks)
        assert torch.equal(alone.scores_3d, instances.scores_3d)
        assert torch.equal(alone.labels_3d, instances.labels_3d)
        assert torch.equal(alone.pts_semantic_mask, instances.pts_semantic_mask)


def test_grouping_two_scenes_at_once_equals_each_alone(method):
    head = certain(build_head(method).eval(), 1)
    scenes = [make_scene(0), make_scene(3, num_points=120)]

    def sets(scenes):
        points, outputs = head(batch_of(scenes))
        found = head.group(points, outputs)
        return [
            frozenset(found.members[found.proposal == n].tolist())
            for n in range(found.num_proposals)
        ]

    start = len(scenes[0][1])
    alone = sets(scenes[:1]) + [frozenset(p + start for p in points) for points in sets(scenes[1:])]
    assert len(alone) > 4 and sorted(sets(scenes), key=min) == sorted(alone, key=min)


def test_more_proposals_than_the_limit_are_thinned(method):
    head = certain(build_head(method, max_proposals=2).train(), 1)
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        describe = head.proposal_net.forward

        def watch(points, proposals, place=None):
            seen.append(proposals)
            return describe(points, proposals, place)

        patch.setattr(head.proposal_net, 'forward', watch)
        for iteration in (0, 0, *range(1, 9)):
            loss_of(head, [make_scene(0), make_scene(1)], iteration)
    assert all(proposals.num_proposals == 4 for proposals in seen)  # two per scene
    assert torch.equal(seen[0].members, seen[1].members)
    assert any(not torch.equal(seen[0].members, other.members) for other in seen[2:])


def test_losses_depend_on_the_iteration_and_on_nothing_else_that_is_random(method):
    head = certain(build_head(method).train(), 1)
    scenes = [make_scene(0), make_scene(1)]
    torch.manual_seed(1)
    one = loss_of(head, scenes, 3)
    torch.manual_seed(2)
    two = loss_of(head, scenes, 3)
    assert one == two


def test_whole_classes_are_one_object_each(method):
    head = certain(build_head(method, whole_classes=(1,)).eval(), 1)
    rows, coords, _ = make_scene(0)
    (instances,) = head.predict(batch_of([(rows, coords)]))
    assert instances.masks.all() and instances.labels_3d.tolist() == [1]
    assert instances.scores_3d.tolist() == [1]
    other = certain(build_head(method, whole_classes=(0,)).eval(), 1)
    (instances,) = other.predict(batch_of([(rows, coords)]))
    assert len(instances.labels_3d) > 1 and 0 not in instances.labels_3d.tolist()


def test_checkpoint_of_another_label_set_is_refused(method):
    head = build_head(method)
    again = build_head(method)
    again.load_state_dict(head.state_dict())
    pointwise = dict(head_config(method)['pointwise'], num_stuff=NUM_STUFF + 1)
    config = build_head(method, pointwise=pointwise)
    with pytest.raises(RuntimeError, match='has 6 semantic classes, the config 7'):
        config.load_state_dict(head.state_dict(), strict=False)


@pytest.mark.gpu
def test_a_gpu_finds_the_same(method):
    head = certain(build_head(method).eval(), 1)
    rows, coords, _ = make_scene(0)
    (one,) = head.predict(batch_of([(rows, coords)]))
    there = SceneRows(*(part.to('cuda') for part in rows))
    (two,) = head.to('cuda').predict(batch_of([(there, coords.to('cuda'))]))
    assert torch.equal(one.masks, two.masks.cpu())
    torch.testing.assert_close(one.scores_3d, two.scores_3d.cpu(), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize('extent', [1.0, 20.0])
def test_a_million_points_of_one_class(method, extent):
    """The points are in one place, or so sparse that there are thousands of components."""
    generator = torch.Generator().manual_seed(0)
    point2row = torch.randint(300_000, (1_000_000,), generator=generator)
    rows = SceneRows(
        torch.randn(300_000, CHANNELS, generator=generator),
        torch.bincount(point2row, minlength=300_000),
        point2row,
    )
    coords = extent * torch.rand(1_000_000, 3, generator=generator)
    head = certain(build_head(method).eval(), 0)
    head.grouping.radius = 0.04
    forget_peak_memory(coords.device)
    with torch.no_grad():
        (instances,) = head.predict(batch_of([(rows, coords)]))
    assert peak_memory_mb(coords.device) < 4000
    assert 1 <= len(instances.masks) <= head.ranking.max_instances
    assert instances.masks.shape[1] == len(instances.pts_semantic_mask) == 1_000_000


def test_a_saved_model_says_the_same(method, tmp_path):
    head = build_head(method).train()
    scenes = [make_scene(0), make_scene(1)]
    loss_of(head, scenes)  # updates the running statistics
    torch.save(head.state_dict(), tmp_path / 'head.pth')
    again = build_head(method)
    for parameter in again.parameters():
        torch.nn.init.normal_(parameter)
    again.load_state_dict(torch.load(tmp_path / 'head.pth', weights_only=True))
    results = [certain(h.eval(), 1).predict(batch_of(scenes)) for h in (head, again)]
    for one, two in zip(*results):
        assert len(one.masks) > 0 and torch.equal(one.masks, two.masks)
        assert torch.equal(one.scores_3d, two.scores_3d)
