# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A checkpoint is tested as it was trained, without a step in between."""

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from insseg3d.apis import load_model


def test_train_save_test_gives_identical_predictions(tiny_config, tiny_data, tmp_path, monkeypatch):
    monkeypatch.setenv('INSSEG3D_DATA', str(tiny_data))
    config = Config.fromfile(tiny_config)
    config.work_dir = str(tmp_path)
    runner = Runner.from_cfg(config)
    runner.train()
    scene = next(iter(runner.test_dataloader))
    with torch.no_grad():
        (trained,) = runner.model.eval().test_step(scene)
    # Another starting point, so that a weight that is not loaded shows.
    torch.manual_seed(123)
    model, _ = load_model(Config.fromfile(tiny_config), str(tmp_path / 'iter_2.pth'))
    with torch.no_grad():
        (loaded,) = model.test_step(scene)
    for name, weight in runner.model.state_dict().items():
        assert torch.equal(weight, model.state_dict()[name]), name
    trained, loaded = trained.pred_instances_3d, loaded.pred_instances_3d
    assert len(trained) > 0
    for key in ('masks', 'labels_3d', 'scores_3d'):
        assert torch.equal(trained[key], loaded[key])


def test_a_resumed_training_draws_the_same_voxels(tiny_config, tiny_data, tmp_path, monkeypatch):
    monkeypatch.setenv('INSSEG3D_DATA', str(tiny_data))
    monkeypatch.setattr(Config, 'pretty_text', property(lambda self: str(self._cfg_dict)))
    weights = []
    for start in (None, str(tmp_path / 'iter_2.pth')):
        config = Config.fromfile(tiny_config)
        config.model.neck = dict(
            type='RandomVoxelsNeck', in_channels=24, out_channels=16, num_points=4, stride=4
        )
        config.train_cfg.max_iters = 4
        config.update(work_dir=str(tmp_path), resume=start is not None, load_from=start)
        config.experiment_name = f'resumed_{start is not None}'
        runner = Runner.from_cfg(config)
        runner.train()
        weights.append(runner.model.state_dict())
    for name, weight in weights[0].items():
        assert torch.equal(weight, weights[1][name]), name
