# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Training on other classes from a checkpoint, as docs/own-data.md says."""

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ..test_project.shrinking import shrink

ROOT = Path(__file__).parents[2]
FEW = ['chair', 'table', 'cabinet', 'bathtub']
SECTION = (ROOT / 'docs' / 'own-data.md').read_text().split('## Begin from a trained model')[1]
LEAF = re.search(r'```python\n(.*?)```', SECTION, re.S).group(1)
COMMAND = re.findall(r'```bash\n(.*?)```', SECTION, re.S)[1].replace('\\\n', ' ').split()
CLASS_LAYERS = {
    'queryis': {'classifier'},
    'queryis-plus': {'classifier', 'features.pointwise.semantic.3', 'features.class_embedding'},
    'pointgroup': {'pointwise.semantic.0'},
    'hais': {'pointwise.semantic.3'},
    'softgroup': {'pointwise.semantic.3', 'mask.2', 'classify', 'iou'},
}
METHODS = tuple(CLASS_LAYERS)


@HOOKS.register_module(name='KeepStartForTest')
class KeepStart(Hook):
    """Keeps the weights that a training begins with."""

    def before_train(self, runner):
        runner.start = {k: v.clone() for k, v in runner.model.state_dict().items()}


@pytest.fixture(scope='module')
def quick(tiny_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('INSSEG3D_DATA', str(tiny_data))
        # The formatting of configs for the log takes most of such a run.
        patch.setattr(Config, 'pretty_text', property(lambda self: str(self._cfg_dict)))
        yield


def small(method, work_dir):
    (leaf,) = ROOT.glob(f'configs/*/{method}-s_1xb10-150k_scannet.py')
    config = shrink(Config.fromfile(leaf), str(work_dir))
    config.default_hooks.checkpoint.interval = 1
    return config


@pytest.fixture(scope='module', params=METHODS)
def trained(request, quick, tmp_path_factory):
    """A method, the checkpoint of all classes, and a leaf of the same model for few of them."""
    method, folder = request.param, tmp_path_factory.mktemp(request.param)
    Runner.from_cfg(small(method, folder)).train()
    few = small(method, folder / 'few')
    for split in ('train', 'val', 'test'):
        few[f'{split}_dataloader'].dataset.metainfo = dict(classes=FEW)
    head = few.model.decode_head
    head.num_classes = len(FEW)
    if 'features' in head:
        head.features.pointwise.num_classes = len(FEW)
    if 'loss_cls' in head:
        head.loss_cls.class_weight = [1.0] * len(FEW) + [0.1]
    for table in ('class_points', 'class_radii'):
        if table in head.get('grouping', {}):
            head.grouping[table] = [10] * len(FEW)
    few.dump(folder / 'few.json')
    return method, folder / 'iter_1.pth', folder / 'few.json'


def documented(checkpoint, few, folder):
    """The leaf of the docs with the names of this test."""
    text = LEAF.replace("'small.py'", repr(str(few))).replace(
        "'work_dirs/queryis-s_demo/iter_5000.pth'", repr(str(checkpoint))
    )
    assert str(few) in text and str(checkpoint) in text
    path = folder / 'fine_tuned.py'
    path.write_text(text)
    config = Config.fromfile(path)
    config.work_dir = str(folder)
    config.custom_hooks = [dict(type='KeepStartForTest')]
    return config


def check(method, start, checkpoint):
    """Everything is that of the checkpoint, but the layers that tell classes apart."""
    state = torch.load(checkpoint)['state_dict']
    others = {name for name in start if not torch.equal(start[name], state[name])}
    layer_of = {name: name.removeprefix('decode_head.').rsplit('.', 1)[0] for name in start}
    assert start.keys() == state.keys()
    assert {layer_of[name] for name in others} == CLASS_LAYERS[method]
    # Weights and, where a layer has them, biases.
    assert others == {name for name in start if layer_of[name] in CLASS_LAYERS[method]}


def test_the_documented_leaf_trains_on_other_classes(trained, tmp_path):
    method, checkpoint, few = trained
    config = documented(checkpoint, few, tmp_path)
    runner = Runner.from_cfg(config)
    runner.train()
    check(method, runner.start, checkpoint)
    assert runner.iter == 1
    # A test, and a training that goes on, take all weights, with the hook too.
    weights = torch.load(tmp_path / 'iter_1.pth')['state_dict']
    config.update(load_from=str(tmp_path / 'iter_1.pth'))
    runner = Runner.from_cfg(config)
    assert runner.test()
    for name, weight in runner.model.state_dict().items():
        assert torch.equal(weight, weights[name]), name
    config.update(resume=True)
    config.train_cfg.max_iters = 2
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.iter == 2 and all(
        torch.equal(weight, weights[name]) for name, weight in runner.start.items()
    )


def test_without_the_hook_the_checkpoint_is_refused_and_the_remedy_named(trained, tmp_path):
    method, checkpoint, few = trained
    config = documented(checkpoint, few, tmp_path)
    del config.default_hooks['new_classes']
    with pytest.raises(
        RuntimeError,
        match=(r"add default_hooks=dict\(new_classes=dict\(type='NewClassesHook'\)\).*own-data.md"),
    ):
        Runner.from_cfg(config).train()


@pytest.mark.parametrize('trained', ['queryis'], indirect=True)
def test_an_average_of_the_weights_begins_there_too(trained, tmp_path):
    method, checkpoint, few = trained
    config = documented(checkpoint, few, tmp_path)
    config.custom_hooks.append(dict(type='EMAHook'))
    runner = Runner.from_cfg(config)
    runner.train()
    check(method, runner.start, checkpoint)
    saved = torch.load(tmp_path / 'iter_1.pth')
    assert saved['state_dict']['decode_head.classifier.weight'].shape[0] == len(FEW) + 1
    # From a checkpoint with both, back to all classes.
    config = small(method, tmp_path / 'back')
    config.load_from = str(tmp_path / 'iter_1.pth')
    config.default_hooks.new_classes = dict(type='NewClassesHook')
    config.custom_hooks = [dict(type='EMAHook')]
    runner = Runner.from_cfg(config)
    runner.train()


@pytest.mark.parametrize('trained', ['queryis'], indirect=True)
def test_a_checkpoint_of_another_model_is_told(trained, tmp_path, monkeypatch):
    method, checkpoint, few = trained
    config = documented(checkpoint, few, tmp_path)
    config.model.decode_head.decoder.queries.num_queries = 9
    told = []
    monkeypatch.setattr(
        'insseg3d.engine.new_classes.print_log', lambda message, **_: told.append(message)
    )
    Runner.from_cfg(config).train()
    assert re.match(
        r'Of \d+ other weights, 1 are not in the checkpoint or have another shape.*'
        r'queries.embedding.weight',
        told[1],
    )


def test_the_documented_command_trains_on_other_classes(run_tool, tiny_config, tmp_path):
    run_tool('train.py', tiny_config, '--work-dir', 'all')
    few = tmp_path / 'few.py'
    few.write_text(
        f"_base_ = '{tiny_config}'\nfew = dict(metainfo=dict(classes={FEW}))\n"
        'train_dataloader = dict(dataset=few)\nval_dataloader = dict(dataset=few)\n'
        'test_dataloader = val_dataloader\nmodel = dict(decode_head=dict(\n'
        '    num_classes=4, loss_cls=dict(class_weight=[1.0] * 4 + [0.1])))\n'
    )
    names = {
        'work_dirs/own/small.py': few,
        'work_dirs/own/fine_tuned': 'fine_tuned',
        'load_from=work_dirs/queryis-s_demo/iter_5000.pth': 'load_from=all/iter_2.pth',
    }
    assert COMMAND[:2] == ['python', 'tools/train.py'] and names.keys() < set(COMMAND)
    result = run_tool('train.py', *(names.get(word, word) for word in COMMAND[2:]))
    assert 'New classes: not loaded' in result.stdout and 'Iter(train) [2/2]' in result.stdout
