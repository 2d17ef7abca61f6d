# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Checkpoints, and configs inside them, that were tampered with."""

import io

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from insseg3d.apis.checkpoints import read_checkpoint
from insseg3d.apis.config_text import config_of_text
from insseg3d.engine import safetensors_bytes

from ..mutations import FEW, MANY, changes, mutated, mutated_member, right_or_refused

CONFIG = """default_scope = 'mmdet3d'
model = dict(
    type='InstanceSegmentor',
    backbone=dict(type='MinkUNet', channels=[32, 64], norm_cfg=dict(eps=1e-3)),
    decode_head=dict(num_classes=2, weights=(1.0, -2.5, 0.5), names={'a': None, 'b': True}))
train_cfg = dict({'max_iters': 10}, by_epoch=False)
custom_imports = dict(imports=['insseg3d'], allow_failed_imports=False)
"""
SEED = st.integers(0, 2**32 - 1)


def checkpoint(ending):
    torch.manual_seed(0)
    weights = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).state_dict()
    meta = dict(
        cfg=CONFIG,
        epoch=1,
        dataset_meta=dict(classes=['chair', 'table'], palette=[[1, 2, 3], [4, 5, 6]]),
    )
    content = dict(state_dict=dict(weights), meta=meta)
    if ending == '.safetensors':
        pytest.importorskip('safetensors')
        return safetensors_bytes(content)
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def change_checkpoint(ending, drawn, seed, *, inside, tmp_path):
    path = tmp_path / f'some{ending}'
    content = checkpoint(ending)
    if inside and ending == '.pth':
        content = mutated_member(content, drawn, seed)
    else:
        content = mutated(content, drawn)
    path.write_bytes(content)
    found = right_or_refused(lambda: read_checkpoint(path), ValueError, name=str(path))
    if found is not None:
        assert all(isinstance(name, str) for name in found.state_dict)
        size = sum(tensor.numel() * tensor.element_size() for tensor in found.state_dict.values())
        assert size <= 8 * len(content)
        assert isinstance(found.meta, dict) and isinstance(found.dataset_meta, dict)


@pytest.mark.parametrize('ending', ['.pth', '.safetensors'])
@FEW
@given(changes(), SEED, st.booleans())
def test_right_weights_or_a_clear_line(ending, tmp_path, drawn, seed, inside):
    change_checkpoint(ending, drawn, seed, inside=inside, tmp_path=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize('ending', ['.pth', '.safetensors'])
@MANY
@given(changes(), SEED, st.booleans())
def test_thousands_of_mutated_checkpoints(ending, tmp_path, drawn, seed, inside):
    change_checkpoint(ending, drawn, seed, inside=inside, tmp_path=tmp_path)


def change_config(drawn):
    text = mutated(CONFIG.encode(), drawn).decode('utf-8', errors='replace')
    config = right_or_refused(lambda: config_of_text(text, 'some.pth'), ValueError, name='some.pth')
    assert config is None or isinstance(config.to_dict(), dict)


@FEW
@given(changes())
def test_right_configs_or_a_clear_line(drawn):
    change_config(drawn)


@pytest.mark.slow
@MANY
@given(changes())
def test_thousands_of_mutated_configs(drawn):
    change_config(drawn)
