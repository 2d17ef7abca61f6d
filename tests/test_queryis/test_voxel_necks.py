# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Keys and values of Table 4: all voxels, random ones, farthest ones."""

import uuid

import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.logging import MessageHub

import queryis  # noqa: F401
from insseg3d.structures import VoxelLevel

KINDS = ('AllVoxelsNeck', 'RandomVoxelsNeck', 'FPSNeck')


@pytest.fixture(autouse=True)
def hub():
    """Make a new message hub current, in which runners store seed and iteration."""
    return MessageHub.get_instance(f'hub{uuid.uuid4()}')


def build(kind, num_points=6, **changes):
    torch.manual_seed(0)
    cfg = dict(
        type=kind,
        in_channels=5,
        out_channels=8,
        stride=4,
        mlp_norm=dict(type='LN'),
        post_norm=dict(type='LN'),
        **changes,
    )
    if kind != 'AllVoxelsNeck':
        cfg['num_points'] = num_points
    neck = MODELS.build(cfg)
    neck.init_weights()
    return neck.double().eval()


def level(*sizes, seed=0):
    """Make voxels with distinct coordinates, scene by scene."""
    generator = torch.Generator().manual_seed(seed)
    batch = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    cells = torch.cat([torch.randperm(64, generator=generator)[:size] for size in sizes])
    coors = torch.stack([batch, cells // 16, cells // 4 % 4, cells % 4], 1).int()
    features = torch.randn(len(batch), 5, dtype=torch.float64, generator=generator)
    return VoxelLevel(features, coors)


def part(both, number):
    """Take one scene of a level as a batch of its own."""
    inside = both.coors[:, 0] == number
    coors = both.coors[inside].clone()
    coors[:, 0] = 0
    return VoxelLevel(both.features[inside], coors)


def rows_of(points, padding=None):
    return points if padding is None else points[~padding]


def embedded(neck, voxels):
    return neck.post_norm(neck.mlp(voxels.features))


def matches(neck, points, voxels):
    """Find the voxel whose embedding each key is."""
    distance = torch.cdist(points, embedded(neck, voxels))
    assert (distance.min(1).values < 1e-12).all()
    return distance.argmin(1).tolist()


def test_all_voxels_are_kept_in_their_order():
    neck, voxels = build('AllVoxelsNeck'), level(9)
    points, padding = neck({4: voxels}, 1)
    torch.testing.assert_close(points[0], embedded(neck, voxels))
    assert padding is None


@pytest.mark.parametrize('kind', KINDS)
def test_batch_equals_single_scenes(kind):
    neck, both = build(kind), level(4, 11, 6)
    points, padding = neck({4: both}, 3)
    for number in range(3):
        alone, none = neck({4: part(both, number)}, 1)
        assert none is None
        torch.testing.assert_close(rows_of(points[number], padding[number]), alone[0])


@pytest.mark.parametrize('kind', KINDS)
def test_small_scene_keeps_all_voxels_once(kind):
    neck, both = build(kind), level(4, 11)
    points, padding = neck({4: both}, 2)
    kept = matches(neck, rows_of(points[0], padding[0]), part(both, 0))
    assert sorted(kept) == [0, 1, 2, 3]
    expected = 11 if kind == 'AllVoxelsNeck' else 6
    kept = matches(neck, rows_of(points[1], padding[1]), part(both, 1))
    assert len(set(kept)) == len(kept) == expected


def test_farthest_voxels_by_hand():
    neck = build('FPSNeck', num_points=3)
    coors = torch.zeros(5, 4, dtype=torch.int32)
    coors[:, 2] = torch.tensor([0, 1, 5, 9, 10])
    voxels = VoxelLevel(torch.randn(5, 5, dtype=torch.float64), coors)
    assert matches(neck, neck({4: voxels}, 1)[0][0], voxels) == [0, 4, 2]


def test_random_voxels_differ_in_training_and_follow_the_seed():
    neck, voxels = build('RandomVoxelsNeck'), level(40)
    first, again = neck({4: voxels}, 1)[0], neck({4: voxels}, 1)[0]
    assert torch.equal(first, again)  # in a test, a scene always has the same result
    neck.train()
    torch.manual_seed(1)
    draws = [neck({4: voxels}, 1)[0] for _ in range(2)]
    torch.manual_seed(1)
    assert not torch.equal(*draws)
    assert torch.equal(neck({4: voxels}, 1)[0], draws[0])


def test_random_voxels_of_a_training_depend_on_seed_and_iteration_alone(hub, monkeypatch):
    neck, voxels = build('RandomVoxelsNeck').train(), level(40)

    def draw(seed, iteration, rank=0):
        hub.update_info('seed', seed)
        hub.update_info('iter', iteration)
        monkeypatch.setattr('insseg3d.engine.progress.get_rank', lambda: rank)
        torch.randn(3)  # other draws in the meantime do not matter
        return neck({4: voxels}, 1)[0]

    first = draw(0, 7)
    assert torch.equal(draw(0, 7), first)
    for other in (draw(0, 8), draw(1, 7), draw(7, 0), draw(0, 7, rank=1)):
        assert not torch.equal(other, first)
    neck.eval()
    assert torch.equal(draw(0, 7), draw(3, 8))


def test_random_voxels_leave_the_generator_of_torch_alone(hub):
    """Dropout and other users of the generator do not depend on the neck."""
    hub.update_info('iter', 0)
    neck = build('RandomVoxelsNeck').train()
    state = torch.get_rng_state()
    neck({4: level(40)}, 1)
    assert torch.equal(torch.get_rng_state(), state)


def test_scenes_of_a_batch_draw_differently(hub):
    hub.update_info('iter', 3)
    neck, both = build('RandomVoxelsNeck').train(), level(24, 24)
    points, _ = neck({4: both}, 2)
    picks = [matches(neck, points[number], part(both, number)) for number in range(2)]
    assert picks[0] != picks[1]


def test_random_voxels_come_from_everywhere():
    neck, voxels = build('RandomVoxelsNeck').train(), level(20)
    seen = set()
    for _ in range(30):
        seen |= set(matches(neck, neck({4: voxels}, 1)[0][0], voxels))
    assert seen == set(range(20))


@pytest.mark.parametrize('kind', KINDS)
def test_empty_scene_has_something_to_attend_to(kind):
    neck = build(kind)
    points, padding = neck({4: level(0, 4)}, 2)
    assert torch.isfinite(points).all() and padding[0].tolist() == [False, True, True, True]


@pytest.mark.parametrize('kind', KINDS)
def test_every_parameter_gets_a_gradient(kind):
    neck = build(kind).train()
    points, _ = neck({4: level(9, 12)}, 2)
    (points * torch.randn_like(points)).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in neck.parameters())


def test_missing_level_is_named():
    with pytest.raises(ValueError, match=r'FPSNeck: stride=4, but the backbone returns .*\[1\]'):
        build('FPSNeck')({1: level(3)}, 1)
