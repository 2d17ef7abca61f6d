# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Fixtures shared by all tests."""

import insseg3d  # noqa: F401, I001  (first, because it lets mmdet3d import with mmcv-lite)

import dataclasses
import importlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger

ROOT = Path(__file__).parents[1]
TINY_LEAF = """
_base_ = '{leaf}'
voxels = dict(type='AddVoxelTables', voxel_size=0.15)
model = dict(
    backbone=dict(base_channels=8, num_levels=3),
    neck=dict(in_channels=24, out_channels=16, num_points=32),
    decode_head=dict(
        in_channels=8, embed_dims=16,
        decoder=dict(
            num_layers=2, queries=dict(num_queries=8, embed_dims=16),
            layer=dict(embed_dims=16, num_heads=2)),
        ranking=dict(min_points=1)))
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(pipeline=[*_base_.train_transforms, _base_.pack, voxels]))
val_dataloader = dict(
    num_workers=0, persistent_workers=False,
    dataset=dict(pipeline=[*_base_.test_transforms, _base_.pack_points, voxels]))
test_dataloader = val_dataloader
train_cfg = dict(max_iters=2, val_interval=1000)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=20)]
log_processor = dict(window_size=1)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=2, max_keep_ckpts=-1))
visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
"""


def pytest_collection_modifyitems(items):
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason='needs a CUDA device')
    for item in items:
        if item.get_closest_marker('gpu'):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def open_log_streams():
    """Give loggers of earlier tests an open stream, because pytest has closed theirs."""
    for logger in MMLogger._instance_dict.values():
        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream.closed:
                handler.stream = sys.stdout  # setStream would flush the closed one


@pytest.fixture(autouse=True)
def same_seed():
    torch.manual_seed(0)


@pytest.fixture(scope='session')
def tiny_data(tmp_path_factory):
    """Make a data root with four coarse made rooms for training and one for tests, converted.

    It also has one S3DIS room per area.
    """
    from insseg_preparation.s3dis.release import prepare_s3dis
    from insseg_preparation.scannet.release import prepare_scannet
    from made_rooms import S3DIS_OPTIONS, RoomOptions, synthesize_s3dis, synthesize_scannet

    root = tmp_path_factory.mktemp('data')
    options = RoomOptions(
        spacing=0.09, area=(6.0, 8.0), objects=(3, 5), clutter=(0, 2), vertices=(0, 240_000)
    )
    synthesize_scannet(root / 'raw', dict(train=4, val=1), seed=0, options=options)
    for name in ('scannet', 'scannet200'):
        report = prepare_scannet(
            root / 'raw', root / name, splits=('train', 'val'), label_set=name, superpoints=True
        )
        assert all(outcome.state == 'converted' for outcome in report.outcomes)
    options = dataclasses.replace(
        S3DIS_OPTIONS, spacing=0.09, area=(6.0, 8.0), objects=(3, 5), clutter=(0, 2), frames=60
    )
    synthesize_s3dis(root / 'raw_s3dis', 6, seed=0, options=options)
    report = prepare_s3dis(root / 'raw_s3dis', root / 's3dis')
    assert all(outcome.state == 'converted' for outcome in report.outcomes)
    return root


@pytest.fixture(scope='session')
def tiny_config(tmp_path_factory):
    """Write the paper's leaf with a model that trains a step in a fraction of a second on a CPU."""
    return shrink(tmp_path_factory.mktemp('config'), 'queryis-s_1xb10-150k_scannet')


@pytest.fixture(scope='session')
def tiny_s3dis_config(tmp_path_factory):
    """Write the same for the S3DIS leaf."""
    return shrink(tmp_path_factory.mktemp('config'), 'queryis-s_1xb10-60k_s3dis-area5')


def shrink(folder, leaf):
    path = folder / 'tiny.py'
    path.write_text(TINY_LEAF.format(leaf=ROOT / 'configs' / 'queryis' / f'{leaf}.py'))
    return path


@pytest.fixture(scope='session')
def sure_weights(tmp_path_factory, own_points):
    """Make an untrained checkpoint of the demo's leaf that finds several objects in ``own_points``.

    After initialisation, all queries are nearly equal, and so are all points: one object would
    cover the whole scan. Here they differ from each other, as in a trained model.
    """
    from insseg3d.apis import load_model, predict_points

    torch.manual_seed(0)
    model, config = load_model(ROOT / 'configs' / 'queryis' / 'queryis-s_demo.py')
    head = model.decode_head
    for layer, std in (
        (head.classifier, 1),
        (head.decoder.queries.embedding, 3),
        (head.mask_embedding[-1], 1),
    ):
        torch.nn.init.normal_(layer.weight, std=std)
    points = (own_points - (500, -20, 3, 0, 0, 0)).astype(np.float32)
    for part, layer in ((head.features, head.point_projection), (head.query_norm, head.query_norm)):
        seen = []
        hook = part.register_forward_hook(lambda _, __, out, seen=seen: seen.append(out))
        predict_points(model, config, points)
        hook.remove()
        with torch.no_grad():
            out = layer(seen[-1].features[0]) if part is head.features else seen[-1]
            mean, std = (f(out.flatten(0, -2), dim=0) for f in (torch.mean, torch.std))
            layer.weight /= std[:, None] if layer.weight.ndim == 2 else std
            layer.bias.sub_(mean).div_(std)
    path = tmp_path_factory.mktemp('weights') / 'model.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return path


@pytest.fixture(scope='session')
def own_points():
    """Make a floor with a box on it, far from the origin, with sizes that are exact in float32."""
    random = np.random.default_rng(0)
    floor = np.c_[random.random((3000, 2)) * 3, random.normal(0, 0.005, 3000)]
    box = random.random((2000, 3)) * (0.8, 0.6, 0.5) + (1, 1, 0)
    colors = np.r_[np.full((3000, 3), 90), np.full((2000, 3), 200)]
    colors[0] = 255
    return np.c_[np.round((np.r_[floor, box] + (500, -20, 3)) * 1024) / 1024, colors]


@pytest.fixture
def run_tool(tiny_data, tmp_path):
    """Run a command of tools/ like a user, from another folder, on the tiny data and the CPU."""
    env = dict(
        os.environ,
        INSSEG3D_DATA=str(tiny_data),
        CUDA_VISIBLE_DEVICES='',
        PYTHONPATH='',
        PYTHON=sys.executable,
    )

    def run(tool, *args, check=True, start=False):
        interpreter = ['bash'] if tool.endswith('.sh') else [sys.executable]
        command = [*interpreter, str(ROOT / 'tools' / tool), *map(str, args)]
        if start:
            return subprocess.Popen(
                command, env=env, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
            )
        result = subprocess.run(command, env=env, cwd=tmp_path, text=True, capture_output=True)
        assert not check or result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
        return result

    return run


@pytest.fixture
def here(tiny_data, tmp_path, monkeypatch, capsys):
    """Run a tool's ``main`` in this process, from the test's folder, which saves seconds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('INSSEG3D_DATA', str(tiny_data))
    monkeypatch.syspath_prepend(ROOT / 'tools')

    def run(tool, *args):
        status = importlib.import_module(tool).main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=status, stdout=out, stderr=err)

    return run


@pytest.fixture
def read_losses():
    """Read {iteration: {name: loss}} of the trainings logged in a work dir, in full precision."""

    def read(work_dir):
        losses = {}
        for path in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
            for line in path.read_text().splitlines():
                row = json.loads(line)
                if 'loss' in row:
                    losses[row['step']] = {k: v for k, v in row.items() if 'loss' in k}
        return losses

    return read
