# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Weights from every program are loaded, or loading fails with an error."""

import re

import pytest
import torch
from mmengine.model import BaseModule
from mmengine.runner import load_checkpoint, save_checkpoint

from insseg3d.backbones import SparseResUNet
from insseg3d.layers import SubMConv3d, load_backbone
from insseg3d.layers.checkpoint import shortcut_weight

from .sparse_reference import random_voxels


class Model(BaseModule):
    """A backbone under a prefix, like in a segmentor."""

    def __init__(self, init_cfg=None):
        super().__init__()
        self.backbone = _backbone(init_cfg)


def _backbone(init_cfg=None):
    return SparseResUNet(
        base_channels=16, num_levels=3, blocks_per_level=1, out_strides=1, init_cfg=init_cfg
    )


@pytest.fixture
def trained():
    """Make a model all of whose numbers differ from the initial ones, including norms."""
    torch.manual_seed(1)
    model = Model()
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.1)
    return model


def _output(backbone):
    coors = random_voxels(80)
    features = torch.randn(80, 6, generator=torch.Generator().manual_seed(2))
    return backbone.eval()(features, coors)


def _same(one, other):
    return torch.equal(_output(one.backbone), _output(other.backbone))


def _as_spconv1(state):
    """Permute (out, k, k, k, in) to (k, k, k, in, out)."""
    return {
        key: value.permute(1, 2, 3, 4, 0).contiguous() if value.ndim == 5 else value
        for key, value in state.items()
    }


def test_saved_and_loaded_by_mmengine(trained, tmp_path):
    save_checkpoint({'state_dict': trained.state_dict()}, str(tmp_path / 'a.pth'))
    other = Model()
    assert not _same(other, trained)
    load_checkpoint(other, str(tmp_path / 'a.pth'), strict=True)
    assert _same(other, trained)


def test_changed_prefix(trained, tmp_path):
    """The keys of the metadata keep the old path; our layers do not use them."""
    state = {'state_dict': trained.backbone.state_dict()}
    save_checkpoint(state, str(tmp_path / 'b.pth'))
    other = Model()
    load_checkpoint(other, str(tmp_path / 'b.pth'), strict=True, revise_keys=[(r'^', 'backbone.')])
    assert _same(other, trained)


def test_pretrained_with_prefix(trained, tmp_path):
    save_checkpoint({'state_dict': trained.state_dict()}, str(tmp_path / 'c.pth'))
    other = Model(
        {'type': 'Pretrained', 'checkpoint': str(tmp_path / 'c.pth'), 'prefix': 'backbone.'}
    )
    other.init_weights()
    assert _same(other, trained)


def test_plain_dict_without_metadata(trained):
    other = Model()
    other.load_state_dict(dict(trained.state_dict()))
    assert _same(other, trained)


@pytest.mark.parametrize('metadata', [False, True])
def test_layout_of_spconv_1(trained, metadata):
    state = _as_spconv1(trained.state_dict())
    assert state['backbone.stem.weight'].shape == (3, 3, 3, 6, 16)
    given = trained.state_dict()
    given.update(state)
    other = Model()
    other.load_state_dict(given if metadata else state)
    assert _same(other, trained)


def test_through_load_backbone(trained):
    other = Model()
    state = _as_spconv1(trained.state_dict())
    counts = load_backbone(
        other.backbone, {**state, 'head.weight': torch.zeros(1)}, prefix='backbone.'
    )
    assert counts == {'loaded': len(trained.state_dict()), 'missing': 0, 'unexpected': 0}
    assert _same(other, trained)


def test_given_state_is_left_alone(trained):
    state = _as_spconv1(trained.state_dict())
    shapes = {key: value.shape for key, value in state.items()}
    Model().load_state_dict(state)
    assert {key: value.shape for key, value in state.items()} == shapes


def test_skipped_convolution_raises(trained):
    state = dict(trained.backbone.state_dict())
    del state['down.0.weight']
    state['other.weight'] = torch.zeros(1)
    with pytest.raises(RuntimeError, match=r"1 keys were not in the state dict.*'down.0.weight'"):
        load_backbone(_backbone(), state)
    counts = load_backbone(_backbone(), state, strict=False)
    assert counts == {'loaded': len(state) - 1, 'missing': 1, 'unexpected': 1}


def test_wrong_prefix_raises(trained):
    with pytest.raises(RuntimeError, match="prefix 'net.'"):
        load_backbone(_backbone(), trained.state_dict(), prefix='net.')


def test_wrong_shape_raises():
    layer = SubMConv3d(16, 8)
    message = re.escape('size mismatch for weight')
    for shape in [(8, 3, 3, 3, 17), (16, 3, 3, 3, 8), (8, 2, 2, 2, 16), (8, 16)]:
        with pytest.raises(RuntimeError, match=message):
            layer.load_state_dict({'weight': torch.zeros(shape)})


class TestShortcut:
    """Make the 1x1x1 weights with which each program writes the same map of 2 to 3 channels."""

    matrix = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

    def _files(self):
        in_out = self.matrix.t().contiguous()
        stock = in_out.reshape(3, 1, 1, 1, 2)  # memory of (in, out), declared (out, 1, 1, 1, in)
        return {
            'spconv1': in_out.reshape(1, 1, 1, 2, 3),
            'spconv2': stock,
            'spconv2_permuted': stock.permute(1, 2, 3, 4, 0).contiguous(),
            'linear1x1': self.matrix.reshape(3, 1, 1, 1, 2),
        }

    def test_every_origin_gives_the_matrix(self):
        for origin, weight in self._files().items():
            assert torch.equal(shortcut_weight(weight, origin), self.matrix), origin
            assert torch.equal(shortcut_weight(self.matrix, origin), self.matrix)

    def test_stock_spconv_computes_what_we_take(self):
        spconv = pytest.importorskip('spconv.pytorch')
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        conv = spconv.SubMConv3d(2, 3, 1, bias=False)
        features = torch.randn(4, 2)
        coors = random_voxels(4).int()
        tensor = spconv.SparseConvTensor(features, coors, [6, 5, 7], 2)
        expected = features @ shortcut_weight(conv.weight.detach(), 'spconv2').t()
        torch.testing.assert_close(conv(tensor).features, expected)
        torch.set_num_threads(threads)

    def test_origin_is_asked_for(self, trained):
        state = dict(trained.backbone.state_dict())
        key = 'decoder.0.0.shortcut.weight'
        state[key] = state[key].reshape(16, 1, 1, 1, 32)
        with pytest.raises(ValueError, match=f'{key} is a 1x1x1 convolution.*give origin'):
            load_backbone(_backbone(), state)
        other = Model()
        load_backbone(other.backbone, state, origin='linear1x1')
        assert _same(other, trained)

    def test_wrong_origin_and_shape(self):
        with pytest.raises(ValueError, match="origin is 'spconv3', expected one of"):
            shortcut_weight(self.matrix, 'spconv3')
        with pytest.raises(ValueError, match=r'shape \(2, 3, 4\)'):
            shortcut_weight(torch.zeros(2, 3, 4), 'spconv1')
