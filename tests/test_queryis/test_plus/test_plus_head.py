# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The head with all parts: votes, reading under masks, relations, pilots and quality."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ..helpers import CHANNELS, NUM_CLASSES, QUERIES, build_head
from .scenes import (
    DECODER,
    PLACED,
    POINTWISE,
    QUALITY,
    VOTED,
    batch_of,
    make_scene,
    plus_head,
)
from .two_processes import CASES, gradients_of

ROOT = Path(__file__).parents[3]
HALVES = [torch.float16, torch.bfloat16]


def total(losses):
    return sum(losses.values())


def test_losses_of_all_parts_have_their_names():
    losses = plus_head().loss(batch_of(make_scene()))
    masks = {'loss_cls', 'loss_bce', 'loss_dice'}
    prefixes = ('d0.', 'd1.', '', 'pilots.d1.', 'pilots.')
    assert set(losses) == {'loss_semantic', 'loss_offset_l1', 'loss_quality'} | {
        prefix + name for prefix in prefixes for name in masks
    }
    assert all(value > 0 for value in losses.values())


def test_loss_of_copies_equals_loss_of_one():
    head, scene = plus_head(), make_scene(seed=1)
    single, triple = head.loss(batch_of(scene)), head.loss(batch_of(scene, scene, scene))
    assert single.keys() == triple.keys()
    for name, value in single.items():
        torch.testing.assert_close(triple[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('objects', [(3, 2), (3, 0), (0, 3), (0, 0), (0,), (QUERIES + 3, 1)])
def test_every_parameter_gets_a_gradient_whatever_the_scenes_contain(objects):
    """Otherwise a training with several processes would wait for the missing ones."""
    head = plus_head()
    scenes = [make_scene(60, number, seed=seed) for seed, number in enumerate(objects)]
    losses = head.loss(batch_of(*scenes))
    assert all(torch.isfinite(value) for value in losses.values())
    total(losses).backward()
    assert [name for name, p in head.named_parameters() if p.grad is None] == []
    assert all(torch.isfinite(p.grad).all() for p in head.parameters())


def test_gradients_are_not_0():
    head = plus_head()
    total(head.loss(batch_of(make_scene(), make_scene(50, 2, seed=1)))).backward()
    silent = [name for name, p in head.named_parameters() if not p.grad.any()]
    # The key's bias shifts all attention logits of a query equally, which cancels in the softmax.
    assert [name for name in silent if 'in_proj_bias' not in name] == []


def test_a_head_without_pilots_has_no_weights_without_gradients():
    head = plus_head(pilots=None)
    total(head.loss(batch_of(make_scene()))).backward()
    assert [name for name, p in head.named_parameters() if p.grad is None] == []


def test_mask_losses_do_not_train_the_votes():
    head = plus_head()
    losses = head.loss(batch_of(make_scene(), make_scene(50, seed=1)))
    points = [losses.pop(name) for name in ('loss_semantic', 'loss_offset_l1')]
    total(losses).backward(retain_graph=True)
    votes = head.features.pointwise
    assert not any(p.grad is not None and p.grad.any() for p in votes.parameters())
    assert head.features.class_embedding.weight.grad.any()
    sum(points).backward()
    assert all(p.grad.any() for p in votes.semantic[-1].parameters())


@pytest.mark.parametrize('half', HALVES, ids=str)
def test_autocast_changes_the_losses_little(half):
    """Backbone and neck give features in half precision; sums over points stay in float32."""
    scenes = [make_scene(400, 3, seed=1), make_scene(90, 0, seed=2)]
    exact = plus_head().loss(batch_of(*scenes))
    head = plus_head()
    with torch.autocast('cpu', dtype=half):
        losses = head.loss(batch_of(*scenes, dtype=half, coords=torch.float32))
    assert losses.keys() == exact.keys()
    for name, value in losses.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, exact[name], rtol=0.02, atol=0.02, msg=name)
    total(losses).backward()
    assert all(torch.isfinite(p.grad).all() for p in head.parameters())


def test_float64_stays_float64():
    losses = plus_head().double().loss(batch_of(make_scene(), dtype=torch.float64))
    exact = plus_head().loss(batch_of(make_scene()))
    for name, value in losses.items():
        assert value.dtype == torch.float64
        torch.testing.assert_close(value.float(), exact[name], rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_a_scene_of_one_point():
    head = plus_head().eval()
    alone, beside = make_scene(1, 1, seed=3), make_scene(seed=4)
    for batch in (batch_of(alone), batch_of(beside, alone)):
        *_, found = head.predict(batch)
        assert found.masks.shape[1] == 1 and found.masks.all()
        assert torch.isfinite(found.scores_3d).all()
    losses = head.train().loss(batch_of(alone))
    assert all(torch.isfinite(value) for value in losses.values())


@pytest.mark.parametrize('sizes', [(0,), (60, 0), (0, 60)])
def test_a_scene_without_points_has_finite_losses_and_no_predictions(sizes):
    head = plus_head()
    batch = batch_of(*(make_scene(size, min(size, 2)) for size in sizes))
    losses = head.loss(batch)
    total(losses).backward()
    assert all(torch.isfinite(value) for value in losses.values())
    assert all(torch.isfinite(p.grad).all() for p in head.parameters())
    with torch.no_grad():
        for size, found in zip(sizes, head.eval().predict(batch)):
            assert found.masks.shape[1] == size and (len(found) > 0) == (size > 0)


@torch.no_grad()
def test_predictions_of_a_batch_are_those_of_its_scenes():
    head = plus_head().eval()
    scenes = [make_scene(80, 3, seed=5), make_scene(40, 0, seed=6)]
    both = head.predict(batch_of(*scenes))
    for scene, found in zip(scenes, both):
        (alone,) = head.predict(batch_of(scene))
        assert torch.equal(found.masks, alone.masks) and len(found) > 1
        assert torch.equal(found.labels_3d, alone.labels_3d)
        torch.testing.assert_close(found.scores_3d, alone.scores_3d)


def test_the_plain_head_has_the_weights_that_it_always_had():
    """Checkpoints of 3D-QueryIS load, and none of its weights is left untrained."""
    pair = ('weight', 'bias')
    attention = [*(f'in_proj_{name}' for name in pair), *(f'out_proj.{name}' for name in pair)]
    layer = [f'{kind}_attn.{name}' for kind in ('self', 'cross') for name in attention]
    layer += [f'ffn.{i}.{name}' for i in (0, 3) for name in pair]
    layer += [f'norms.{i}.{name}' for i in range(3) for name in pair]
    modules = ['point_projection', 'query_norm', 'classifier']
    modules += [f'mask_embedding.{i}' for i in (0, 2, 4)]
    assert list(build_head().state_dict()) == [
        'decoder.queries.embedding.weight',
        *(f'decoder.layers.{i}.{name}' for i in range(3) for name in layer),
        *(f'{module}.{name}' for module in modules for name in pair),
    ]


def test_parts_of_other_classes_are_refused_with_the_head():
    state = plus_head().state_dict()
    pointwise = dict(POINTWISE, num_classes=7)
    other = plus_head(
        dict(VOTED, pointwise=pointwise),
        num_classes=7,
        loss_cls=dict(type='mmdet.CrossEntropyLoss'),
    )
    with pytest.raises(RuntimeError, match=f'has {NUM_CLASSES} classes, the config num_classes=7'):
        other.load_state_dict(state, strict=False)


def test_another_number_of_surfaces_is_refused():
    state = plus_head().state_dict()
    other = plus_head(dict(VOTED, pointwise=dict(POINTWISE, num_stuff=0)))
    with pytest.raises(RuntimeError, match=r'semantic.3.bias: .* has 6 semantic.*num_stuff=0'):
        other.load_state_dict(state, strict=False)


@pytest.mark.parametrize('part', ['decoder', 'quality'])
def test_parts_that_read_other_channels_are_refused_with_the_remedy(part):
    whole = dict(decoder=DECODER, quality=QUALITY)
    parts = {name: dict(cfg, reading_channels=CHANNELS + 15) for name, cfg in whole.items()}
    build_head(features=PLACED, **parts)
    parts[part]['reading_channels'] = 20
    with pytest.raises(ValueError, match=f'{part}.reading_channels=20, .* set .*{part}.*=21'):
        build_head(features=PLACED, **parts)


def free_port():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


def start(rank, out, port):
    """Start one of two processes that write to files instead of pipes, which could fill up."""
    env = dict(
        os.environ,
        CUDA_VISIBLE_DEVICES='',
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE='2',
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
    )
    command = [sys.executable, '-m', f'{__package__}.two_processes', str(out / 'found.pth')]
    with open(out / f'{rank}.log', 'w') as log:
        return subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT)


def test_gradients_of_two_processes_are_those_of_one(tmp_path):
    port = free_port()
    processes = [start(rank, tmp_path, port) for rank in (0, 1)]
    expected = {case: gradients_of(**changes) for case, changes in CASES.items()}
    try:
        for rank, process in enumerate(processes):
            assert process.wait(timeout=200) == 0, (tmp_path / f'{rank}.log').read_text()[-3000:]
    finally:
        for process in processes:
            process.kill()
    found = torch.load(tmp_path / 'found.pth', weights_only=True)
    for case, gradients in expected.items():
        assert found[case].keys() == gradients.keys()
        for name, gradient in gradients.items():
            # mmdet adds 1e-7 to the normaliser of the class loss, which is small without objects.
            torch.testing.assert_close(
                found[case][name],
                gradient,
                rtol=0,
                atol=1e-5 * gradient.abs().max().item() + 1e-9,
                msg=lambda text, case=case, name=name: f'{case}, {name}: {text}',
            )
