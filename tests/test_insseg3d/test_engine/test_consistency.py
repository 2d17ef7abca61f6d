# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Settings that do not fit each other are rejected before the first iteration."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

from insseg3d.datasets import ScanNetInsSegDataset
from insseg3d.engine import DrawSampler
from insseg3d.engine.consistency import check_loader

FEW = ['chair', 'table', 'cabinet']
REFUSED = (
    r'{place} \(ScanNetInsSegDataset\) has {found}, but '
    r'model.decode_head.num_classes={expected}; .* Set num_classes to {number}'
)


@pytest.fixture
def config(tiny_config, tiny_data, tmp_path, monkeypatch):
    monkeypatch.setenv('INSSEG3D_DATA', str(tiny_data))
    # Formatting the config for the log would take most of the time of such a run.
    monkeypatch.setattr(Config, 'pretty_text', property(lambda self: str(self._cfg_dict)))
    config = Config.fromfile(tiny_config)
    config.work_dir = str(tmp_path)
    return config


def with_classes(config, number):
    config.model.decode_head.num_classes = number
    config.model.decode_head.loss_cls.class_weight = [1.0] * number + [0.1]
    return config


def read_nothing(config, monkeypatch):
    """Make a runner whose training would fail at the first scene it reads."""
    runner = Runner.from_cfg(config)
    monkeypatch.setattr(DrawSampler, '__iter__', lambda self: pytest.fail('a scene was drawn'))
    return runner


def refused(place, found, expected, number):
    return REFUSED.format(place=place, found=found, expected=expected, number=number)


def test_classes_of_the_training_are_compared(config, monkeypatch):
    runner = read_nothing(with_classes(config, 7), monkeypatch)
    expected = refused('train_dataloader.dataset', '18 classes .*', 7, 18)
    with pytest.raises(ValueError, match=expected) as error:
        runner.train()
    assert '\n' not in str(error.value)


def test_classes_of_the_validation_are_compared_before_the_training(config, monkeypatch):
    config.val_dataloader.dataset.metainfo = dict(classes=FEW)
    runner = read_nothing(config, monkeypatch)
    expected = refused('val_dataloader.dataset', r'3 classes \(chair, table, cabinet\)', 18, 3)
    with pytest.raises(ValueError, match=expected):
        runner.train()


def test_classes_of_a_test_are_compared(config, tmp_path):
    Runner.from_cfg(config).train()
    config.load_from = str(tmp_path / 'iter_2.pth')
    assert Runner.from_cfg(config).test()
    config.test_dataloader = config.test_dataloader.copy()  # the validation dataset
    config.test_dataloader.dataset = dict(
        config.test_dataloader.dataset, metainfo=dict(classes=['chair'])
    )
    with pytest.raises(
        ValueError, match=refused('test_dataloader.dataset', r'1 class \(chair\)', 18, 1)
    ):
        Runner.from_cfg(config).test()


def test_each_data_set_in_wrappers_is_compared(config, monkeypatch):
    own = config.train_dataloader.dataset
    keys = list(ScanNetInsSegDataset(**{k: v for k, v in own.items() if k != 'type'}).metainfo)
    config.train_dataloader.dataset = dict(
        type='RepeatDataset',
        times=2,
        dataset=dict(
            type='ConcatDataset',
            ignore_keys=keys,
            datasets=[own, dict(own, metainfo=dict(classes=FEW))],
        ),
    )
    runner = read_nothing(config, monkeypatch)
    place = r'train_dataloader.dataset.dataset.datasets\[1\]'
    with pytest.raises(ValueError, match=refused(place, '3 classes.*', 18, 3)):
        runner.train()


@pytest.mark.parametrize(
    'head, classes',
    [
        # The classes of a semantic head may include walls and floors.
        (SimpleNamespace(num_classes=20), ('chair', 'table')),
        (SimpleNamespace(num_classes=20, class_layers=('classifier',)), None),
    ],
)
def test_what_nobody_tells_is_not_compared(head, classes):
    model = nn.ModuleDict(dict(decode_head=nn.Identity()))
    vars(model['decode_head']).update(vars(head))
    dataset = SimpleNamespace(metainfo={} if classes is None else dict(classes=classes))
    check_loader('train', SimpleNamespace(dataset=dataset), model)


@pytest.mark.parametrize('sampler', ['DrawSampler', 'InfiniteSampler'])
def test_epochs_over_an_endless_sampler_are_refused_and_the_remedy_trains(
    config, sampler, monkeypatch
):
    config.train_dataloader.sampler = dict(type=sampler)
    config.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
    config.default_hooks.checkpoint.interval = 1000
    with (
        monkeypatch.context() as patch,
        pytest.raises(
            ValueError,
            match=(
                rf'train_dataloader.sampler is {sampler}, which never ends, '
                r'but EpochBasedTrainLoop '
                r'waits .*type="DefaultSampler", shuffle=True\), .*max_iters'
            ),
        ),
    ):
        read_nothing(config, patch).train()
    config.train_dataloader.sampler = dict(type='DefaultSampler', shuffle=True)
    runner = Runner.from_cfg(config)
    runner.train()
    assert (runner.epoch, runner.iter) == (1, 2)  # four scenes in batches of two


@pytest.mark.parametrize('split', ['val', 'test'])
def test_a_validation_or_test_without_end_is_refused(config, split, monkeypatch):
    config[f'{split}_dataloader'] = dict(
        config[f'{split}_dataloader'], sampler=dict(type='DrawSampler')
    )
    runner = read_nothing(config, monkeypatch)
    with pytest.raises(ValueError, match=f'{split}_dataloader.sampler is DrawSampler.*Loop waits'):
        runner.train() if split == 'val' else runner.test()


def test_an_optimiser_of_other_groups_is_refused_and_the_remedy_resumes(config, tmp_path):
    remedy = 'DefaultOptimWrapperConstructor'
    before = config.copy()
    before.optim_wrapper = dict(config.optim_wrapper, constructor=remedy)
    Runner.from_cfg(before).train()
    config.update(
        resume=True,
        load_from=str(tmp_path / 'iter_2.pth'),
        train_cfg=dict(config.train_cfg, max_iters=3),
    )
    with pytest.raises(
        ValueError,
        match=(
            r'--resume: the optimiser in the checkpoint has \d\d+ groups of parameters, '
            rf'that of the config \d\. .*optim_wrapper.constructor={remedy}'
        ),
    ) as error:
        Runner.from_cfg(config).train()
    assert '\n' not in str(error.value)
    config.optim_wrapper.constructor = remedy
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.iter == 3
    # Loading only weights still works.
    config.optim_wrapper.constructor = 'MergedGroupsConstructor'
    config.resume = False
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.iter == 3 and len(runner.optim_wrapper.param_groups) < 5
    assert all(torch.isfinite(p).all() for p in runner.model.parameters())
