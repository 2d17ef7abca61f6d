# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Every config parses, builds (twice), runs on a scene, and means what it says."""

import ast
import inspect
import re
from pathlib import Path

import pytest
import torch
from mmdet3d.registry import DATASETS, MODELS
from mmengine import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from .shrinking import parts_of

CONFIGS = Path(__file__).parents[2] / 'configs'
LEAVES = sorted(path for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)
# What mmengine reads besides the constructor arguments of its runner.
ALSO_READ = {
    '_base_',
    'custom_imports',
    'made_rooms',  # read by insseg_lab.experiments
    'weights_of',  # likewise
    'auto_scale_lr',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'runner_type',
    'tta_model',
    'tta_pipeline',
    'sync_bn',
}
READ = ALSO_READ | inspect.signature(Runner.__init__).parameters.keys()


@pytest.fixture(params=LEAVES, ids=lambda path: path.stem)
def config(request, tiny_data, tmp_path, monkeypatch):
    monkeypatch.setenv('INSSEG3D_DATA', str(tiny_data))
    # For logs; formatting takes longer than all else here.
    monkeypatch.setattr(Config, 'pretty_text', property(lambda self: str(self._cfg_dict)))
    config = Config.fromfile(request.param)
    config.work_dir = str(tmp_path)
    init_default_scope('mmdet3d')
    return config


@pytest.fixture(scope='module')
def models_seen():
    """Models that ran already, as text."""
    return set()


@pytest.fixture(autouse=True)
def same_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_there_are_leaves():
    assert {'queryis-s_1xb10-150k_scannet', 'queryis-l_1xb10-150k_scannet'} <= {
        path.stem for path in LEAVES
    }


def voxel_size(dataloader):
    (table,) = [t for t in dataloader.dataset.pipeline if t.type == 'AddVoxelTables']
    return table.voxel_size


def test_builds_twice_and_runs(config, models_seen):
    """Twice, because a part that changes its own config, or shares a default, breaks then.

    At full size, once for each distinct model; test_leaves.py trains each leaf, made small.
    """
    # When parts begin to learn is of no matter here.
    text = re.sub(r"'(prepare|mask)_iters': \d+", '', str(config.model))
    if text in models_seen:
        return
    models_seen.add(text)
    if config.model.backbone.type == 'MultiLevelMinkUNet':
        pytest.importorskip('spconv.pytorch')
        torch.set_num_threads(1)  # spconv's code for CPUs computes with one thread only
    if not torch.cuda.is_available() and config.optim_wrapper.type == 'AmpOptimWrapper':
        config.optim_wrapper.type = 'OptimWrapper'  # mmengine refuses the other without a GPU
    before = config.pretty_text
    parameters = [
        {name: p.shape for name, p in MODELS.build(config.model).named_parameters()}
        for _ in range(2)
    ]
    assert parameters[0] == parameters[1] and config.pretty_text == before
    config.train_dataloader.update(num_workers=0, persistent_workers=False)
    config.test_dataloader.update(num_workers=0, persistent_workers=False)
    before = config.pretty_text
    runner = Runner.from_cfg(config)
    for part in ('train', 'val', 'test'):
        getattr(runner, f'build_{part}_loop')(config[f'{part}_cfg'])
    runner.optim_wrapper = runner.build_optim_wrapper(config.optim_wrapper)
    runner.build_param_scheduler(config.param_scheduler)
    assert config.pretty_text == before
    # The channels of the parts fit each other, which only a forward pass shows.
    with torch.no_grad():
        (result,) = runner.model.eval().test_step(next(iter(runner.test_dataloader)))
    if 'pred_instances_3d' in result:
        num_points = len(result.pred_pts_seg.pts_instance_mask)
        assert num_points > 100 and result.pred_instances_3d.masks.shape[1] == num_points
    else:
        assert len(result.pred_pts_seg.pts_semantic_mask) > 100


def test_values_agree_with_each_other(config):
    head = config.model.decode_head
    assert voxel_size(config.train_dataloader) == voxel_size(config.val_dataloader)
    assert voxel_size(config.val_dataloader) == voxel_size(config.test_dataloader)
    if 'class_weight' in head.get('loss_cls', {}):
        assert len(head.loss_cls.class_weight) == head.num_classes + 1
    decay = [s.end for s in config.param_scheduler if s.type in ('PolyLR', 'CosineAnnealingLR')]
    assert all(end == config.train_cfg.max_iters for end in decay)
    classes = DATASETS.get(config.train_dataloader.dataset.type).METAINFO['classes']
    assert head.num_classes == len(
        config.train_dataloader.dataset.get('metainfo', {}).get('classes', classes)
    )


def test_pointwise_heads_have_the_classes_and_surfaces_of_the_data(config):
    """A head for other surfaces would train: their points would have no label."""
    pointwise = [
        inner
        for part in (config.model.decode_head, *config.model.get('auxiliary', ()))
        for inner in parts_of(part)
        if inner.get('type') == 'PointwiseHead'
    ]
    dataset = config.train_dataloader.dataset
    labelled = any(t.type == 'LabelStuff' for t in dataset.pipeline)
    info = DATASETS.get(dataset.type).METAINFO
    surfaces = len(info.get('seg_stuff_class_ids', ())) if labelled else 0
    for part in pointwise:
        # A grouping head passes its own number of classes on.
        assert part.get('num_classes', config.model.decode_head.num_classes) == len(info['classes'])
        assert part.num_stuff == surfaces


def idle_variables(source: str) -> set[str]:
    """Top-level names of a config that neither the runner nor the config itself reads.

    mmengine substitutes nothing afterwards: a leaf that sets a variable of its base to another
    value, and does not use it, changes nothing and says that it does.
    """
    tree = ast.parse(source)
    targets = [
        target
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    used = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    return {target.id for target in targets} - READ - used


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_no_variable_is_idle(path):
    assert not idle_variables(path.read_text())


def test_finds_an_idle_variable():
    assert idle_variables('voxel_size = 0.05\nmodel = dict(a=1)') == {'voxel_size'}
    assert not idle_variables('size = 0.05\nmodel = dict(a=size)')


@pytest.mark.parametrize('leaf', LEAVES[:1], ids=lambda path: path.stem)
def test_data_root_does_not_depend_on_the_current_folder(leaf, tmp_path, monkeypatch):
    monkeypatch.delenv('INSSEG3D_DATA', raising=False)
    monkeypatch.chdir(tmp_path)
    root = Path(Config.fromfile(leaf).train_dataloader.dataset.data_root)
    assert root == CONFIGS.parent / 'data' / 'scannet'


OLD_LEAF = """
_base_ = {leaf!r}
voxels = dict(type='AddVoxelTables', voxel_size=0.05)
train_dataloader = dict(dataset=dict(pipeline=[*_base_.train_pipeline[:-1], voxels]))
test_dataloader = dict(dataset=dict(pipeline=[*_base_.test_pipeline[:-1], voxels]))
"""
NEW_LEAF = """
_base_ = {leaf!r}
voxels = dict(type='AddVoxelTables', voxel_size=0.05)
train = [*_base_.train_transforms, _base_.pack, voxels]
test = [*_base_.test_transforms, _base_.pack_points, voxels]
train_dataloader = dict(dataset=dict(pipeline=train))
test_dataloader = dict(dataset=dict(pipeline=test))
"""


@pytest.mark.parametrize('data', ['150k_scannet', '60k_s3dis-area5'])
@pytest.mark.parametrize('method', ['queryis', 'hais'])
def test_pipelines_by_name_are_those_by_position(tmp_path, method, data):
    leaf = str(CONFIGS / method / f'{method}-s_1xb10-{data}.py')
    configs = []
    for name, text in dict(old=OLD_LEAF, new=NEW_LEAF).items():
        path = tmp_path / f'{name}.py'
        path.write_text(text.format(leaf=leaf))
        configs.append(Config.fromfile(path))
    for split in ('train', 'test'):
        old, new = (config[f'{split}_dataloader'].dataset.pipeline for config in configs)
        assert old == new and new[-1].voxel_size == 0.05


def test_no_config_takes_transforms_by_their_place():
    taken = re.compile(r'(pipeline|transforms)\[')
    assert not [str(p) for p in CONFIGS.rglob('*.py') if taken.search(p.read_text())]
    assert taken.search('pipeline=[*_base_.train_pipeline[:-1], voxels]')
