# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""mmdetection3d's MinkUNet with its levels, on spconv's CPU code with one thread."""

import contextlib

import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.registry import init_default_scope

import insseg3d  # noqa: F401

pytest.importorskip('spconv.pytorch')
SMALL = dict(
    in_channels=6,
    base_channels=8,
    encoder_channels=[8, 12, 16],
    decoder_channels=[16, 12, 8],
    encoder_blocks=[1, 1, 1],
    decoder_blocks=[1, 1, 1],
)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    init_default_scope('mmdet3d')
    yield
    torch.set_num_threads(threads)


def build(**changes):
    return MODELS.build(dict(SMALL, type='MultiLevelMinkUNet', **changes)).eval()


def voxels(extent, batch_size=2, seed=0):
    """Make random voxels, scene by scene, with one in the last corner of the grid."""
    generator = torch.Generator().manual_seed(seed)
    scenes = []
    for b in range(batch_size):
        cells = torch.randint(0, extent, (150, 3), generator=generator)
        cells = torch.unique(torch.cat([cells, torch.tensor([[extent - 1] * 3])]), dim=0)
        scenes.append(torch.cat([torch.full((len(cells), 1), b), cells], 1))
    coors = torch.cat(scenes).int()
    return torch.randn(len(coors), 6, generator=generator), coors


@torch.no_grad()
def test_finest_level_is_the_stock_backbones():
    features, coors = voxels(16)
    stock = MODELS.build(
        dict(
            SMALL,
            type='MinkUNetBackbone',
            num_stages=3,
            sparseconv_backend='spconv',
            encoder_channels=[8, 12, 16],
            decoder_channels=[16, 12, 8],
        )
    ).eval()
    ours = build()
    ours.load_state_dict(stock.state_dict())
    torch.testing.assert_close(ours(features, coors)[1].features, stock(features, coors))


@pytest.mark.parametrize('extent', [16, 13])
@torch.no_grad()
def test_levels_hold_each_voxels_ancestors(extent):
    features, coors = voxels(extent)
    levels = build()(features, coors)
    assert {stride: level.features.shape[1] for stride, level in levels.items()} == {
        1: 8,
        2: 12,
        4: 16,
    }
    assert torch.equal(levels[1].coors, coors)
    for stride, level in levels.items():
        batch, cells = coors[:, :1], coors[:, 1:] // stride
        assert {tuple(row) for row in level.coors.tolist()} == {
            tuple(row) for row in torch.cat([batch, cells], 1).tolist()
        }


@torch.no_grad()
def test_batch_equals_single_scenes():
    features, coors = voxels(13)
    model = build()
    both = model(features, coors)[1].features
    second = coors[:, 0] == 1
    alone = coors[second].clone()
    alone[:, 0] = 0
    torch.testing.assert_close(
        model(features[second], alone)[1].features, both[second], rtol=1e-4, atol=1e-5
    )


def test_every_parameter_gets_a_gradient():
    model = build().train()
    levels = model(*voxels(13))
    sum(level.features.square().sum() for level in levels.values()).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_config_is_left_as_it_was():
    config = dict(SMALL, type='MultiLevelMinkUNet', encoder_channels=[8, 12, 16])
    shapes = [[p.shape for p in MODELS.build(config).parameters()] for _ in range(2)]
    assert shapes[0] == shapes[1] and config['encoder_channels'] == [8, 12, 16]


@torch.no_grad()
def test_spconv_runs_on_the_device_of_the_features(monkeypatch):
    """spconv launches on the current device, not on that of its input."""
    current, seen = [], []

    @contextlib.contextmanager
    def device_of(tensor):
        current.append(tensor.device)
        yield
        current.pop()

    monkeypatch.setattr(torch.cuda, 'device_of', device_of)
    model = build()
    for module in model.modules():
        module.register_forward_pre_hook(
            lambda module, inputs: seen.append(len(current)) if module is not model else None
        )
    model(*voxels(13))
    assert set(seen) == {1} and not current


def test_several_threads_are_refused():
    torch.set_num_threads(2)
    with pytest.raises(RuntimeError, match='more than one thread'):
        build()(*voxels(13))
