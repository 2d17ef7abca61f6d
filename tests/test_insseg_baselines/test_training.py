# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Proposals start at their iteration; a resumed training continues as if never interrupted."""

from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from ..test_project.shrinking import shrink

LEAF = Path(__file__).parents[2] / 'configs' / 'hais' / 'hais-s_1xb10-150k_scannet.py'


@pytest.fixture
def train(tiny_data, tmp_path, monkeypatch):
    monkeypatch.setenv('INSSEG3D_DATA', str(tiny_data))
    monkeypatch.setattr(Config, 'pretty_text', property(lambda self: str(self._cfg_dict)))

    def train(name, **changes):
        init_default_scope('mmdet3d')
        config = shrink(Config.fromfile(LEAF), str(tmp_path / name))
        config.model.decode_head.update(prepare_iters=2, mask_iters=3, max_proposals=3)
        config.train_cfg.max_iters = 5
        config.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=-1)
        # Loose limits make sure that there are proposals.
        config.model.decode_head.grouping.update(kept_share=0.0, radius=1.0)
        config.experiment_name = f'{name}{len(changes)}'
        config.update(changes)
        torch.manual_seed(0)
        runner = Runner.from_cfg(config)
        runner.train()
        return runner

    return train


def test_proposals_begin_at_their_iteration_and_resumed_losses_are_the_same(
    train, read_losses, tmp_path
):
    train('whole')
    whole = read_losses(tmp_path / 'whole')
    assert sorted(whole) == [1, 2, 3, 4, 5]
    for iteration, row in whole.items():
        assert (row['loss_score'] > 0) == (iteration > 2)
        assert row['loss_semantic'] > 0
    train('resumed', resume=True, load_from=str(tmp_path / 'whole' / 'iter_3.pth'))
    resumed = read_losses(tmp_path / 'resumed')
    assert resumed == {iteration: whole[iteration] for iteration in (4, 5)}
