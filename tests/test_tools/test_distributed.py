# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Several CPU processes: the launchers train and test, and gradients are those of one process."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).with_name('ddp_gradients.py')


def free_port():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return str(listener.getsockname()[1])


def test_two_processes_train_and_test(run_tool, read_losses, tiny_config, tmp_path, monkeypatch):
    monkeypatch.setenv('PORT', free_port())
    run_tool(
        'dist_train.sh',
        tiny_config,
        2,
        '--work-dir',
        'two',
        '--cfg-options',
        'train_dataloader.batch_size=1',
    )
    losses = read_losses(tmp_path / 'two')
    assert sorted(losses) == [1, 2] and all(row['loss'] > 0 for row in losses.values())
    monkeypatch.setenv('PORT', free_port())
    result = run_tool(
        'dist_test.sh', tiny_config, tmp_path / 'two' / 'iter_2.pth', 2, '--work-dir', 'two'
    )
    assert 'Iter(test) [1/1]' in result.stdout


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh'])
def test_launchers_without_arguments_say_how(run_tool, script):
    result = run_tool(script, check=False)
    assert result.returncode == 2 and script in result.stderr and 'PORT' in result.stderr


def gradients(tiny_config, tiny_data, out, *, processes, scenes, objectless=''):
    env = dict(os.environ, INSSEG3D_DATA=str(tiny_data), CUDA_VISIBLE_DEVICES='', PYTHONPATH='')
    launch = (
        []
        if processes == 1
        else [
            '-m',
            'torch.distributed.run',
            f'--nproc_per_node={processes}',
            f'--master_port={free_port()}',
        ]
    )
    result = subprocess.run(
        [sys.executable, *launch, str(SCRIPT), str(tiny_config), str(out), scenes, objectless],
        env=env,
        text=True,
        capture_output=True,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return torch.load(out, weights_only=True)


@pytest.mark.parametrize('objectless', ['', '1'], ids=['both with objects', 'one without'])
def test_gradients_of_two_processes_are_those_of_one(tiny_config, tiny_data, tmp_path, objectless):
    one, two = (
        gradients(
            tiny_config,
            tiny_data,
            tmp_path / f'{processes}.pth',
            processes=processes,
            scenes='0,1',
            objectless=objectless,
        )
        for processes in (1, 2)
    )
    assert one.keys() == two.keys()
    assert sum(gradient.abs().sum() > 0 for gradient in one.values()) > 0.9 * len(one)
    for name, gradient in one.items():
        # Not to the last bit of float64: the loss averages its normalisers in float32.
        torch.testing.assert_close(
            two[name], gradient, rtol=1e-5, atol=1e-8, msg=lambda text, name=name: f'{name}: {text}'
        )


KEEPS_BUFFERS = """
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class KeepsBuffers(Hook):
    priority = 'VERY_LOW'

    def before_val_epoch(self, runner):
        torch.save(dict(runner.model.module.named_buffers()), f'validated{get_rank()}.pth')
"""


def test_all_processes_validate_and_save_one_model(run_tool, tiny_config, tmp_path, monkeypatch):
    """Each trains on its scenes, with running means and variances of these."""
    (tmp_path / 'keeps_buffers.py').write_text(KEEPS_BUFFERS)
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(
        f"_base_ = '{tiny_config}'\nimport sys\nsys.path.insert(0, '{tmp_path}')\n"
        "custom_imports = dict(imports=['keeps_buffers'])\n"
        "custom_hooks = [dict(type='KeepsBuffers')]\n"
    )
    monkeypatch.setenv('PORT', free_port())
    run_tool(
        'dist_train.sh',
        leaf,
        2,
        '--work-dir',
        'two',
        '--cfg-options',
        'train_dataloader.batch_size=1',
        'train_cfg.val_interval=2',
        'default_hooks.checkpoint.interval=1',
    )
    first, second = (torch.load(tmp_path / f'validated{rank}.pth') for rank in (0, 1))
    means = [name for name in first if name.endswith('running_mean')]
    assert len(means) > 5 and all(first[name].any() for name in means)
    saved = torch.load(tmp_path / 'two' / 'iter_2.pth', weights_only=False)['state_dict']
    for name, buffer in first.items():
        torch.testing.assert_close(buffer, second[name])
        if name in saved:
            torch.testing.assert_close(buffer, saved[name])
