# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Every leaf trains a step and tests a scene; an ablation changes what it declares and no more."""

import ast
import re
from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from insseg3d.datasets import S3DISInstanceSegDataset

from .shrinking import shrink

CONFIGS = Path(__file__).parents[2] / 'configs'
LEAVES = sorted(path for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)
ABLATIONS = [path for path in LEAVES if 'ablations' in path.parts]
MIXING = [path for path in LEAVES if 'mixing' in path.parts]
# Keys of a config that matter to a comparison of methods; others are variables of fragments.
READ_BY_RUNNER = {
    'model',
    'optim_wrapper',
    'param_scheduler',
    'default_hooks',
    'randomness',
    *(f'{part}_{kind}' for part in ('train', 'val', 'test') for kind in ('cfg', 'dataloader')),
    *(f'{part}_evaluator' for part in ('val', 'test')),
}


@pytest.fixture
def trained(request, tiny_data, tmp_path, monkeypatch):
    """The runner of a leaf after one iteration at a small size, on one thread, and what moved."""
    monkeypatch.setenv('INSSEG3D_DATA', str(tiny_data))
    # The formatting of configs for the log takes four fifths of such a run.
    monkeypatch.setattr(Config, 'pretty_text', property(lambda self: str(self._cfg_dict)))
    config = Config.fromfile(request.param)
    if config.model.backbone.type == 'MultiLevelMinkUNet':
        pytest.importorskip('spconv.pytorch')
    init_default_scope('mmdet3d')
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # spconv's code for CPUs computes with one thread only
    runner = Runner.from_cfg(shrink(config, str(tmp_path)))
    runner.train()
    yield runner
    torch.set_num_threads(threads)


@pytest.mark.parametrize('trained', LEAVES, indirect=True, ids=lambda path: path.stem)
def test_trains_a_step_and_tests_a_scene(trained):
    model, state = trained.model, trained.optim_wrapper.optimizer.state
    # AdamW has a state of what it has stepped: each parameter that the loss reaches.
    idle = [name for name, p in model.named_parameters() if p not in state]
    assert trained.iter == 1 and not idle
    assert all(torch.isfinite(p).all() for p in model.parameters())
    scores = trained.test()
    assert scores


# spconv knows no bfloat16.
AUTOCAST = [
    path
    for path in LEAVES
    if (path.parent.name in ('table4', 'mixing') or 'amp' in path.stem or 'eq2' in path.stem)
    and 's_minkunet' not in path.stem
]


@pytest.mark.parametrize('trained', AUTOCAST, indirect=True, ids=lambda path: path.stem)
def test_losses_are_finite_float32_under_autocast(trained):
    data = next(iter(trained.train_dataloader))
    data = trained.model.data_preprocessor(data, True)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = trained.model(**data, mode='loss')
    assert all(torch.isfinite(loss) for loss in losses.values())
    if hasattr(trained.model, 'neck'):
        assert {loss.dtype for loss in losses.values()} == {torch.float32}


def differences(ours: dict, theirs: dict, prefix: str = '') -> set[str]:
    """Dotted keys whose values differ, as deep as both sides are dicts."""
    found = set()
    for key in ours.keys() | theirs.keys():
        one, other = ours.get(key), theirs.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            found |= differences(one, other, f'{prefix}{key}.')
        elif key not in ours or key not in theirs or one != other:
            found.add(prefix + key)
    return found


def declared(source: str) -> set[str]:
    """Keys that the comment of a leaf says it changes."""
    text = re.search(r'^# Changes: ((?:.*\n)(?:#     .*\n)*)', source, re.M).group(1)
    keys = set(re.findall(r'[\w.]+', text))
    return keys - {'nothing'}


def base_of(path: Path) -> Path:
    (base,) = [
        node.value
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and node.targets[0].id == '_base_'
    ]
    return (path.parent / ast.literal_eval(base)).resolve()


@pytest.mark.parametrize('path', ABLATIONS, ids=lambda path: path.stem)
def test_ablation_changes_what_it_says(path):
    ours, theirs = (Config.fromfile(file).to_dict() for file in (path, base_of(path)))
    assert differences(ours, theirs) == declared(path.read_text())
    assert re.match(r'# .*\n', path.read_text())


def test_finds_differences():
    ours = dict(a=1, b=dict(c=2, d=dict(e=3)), g=0)
    theirs = dict(a=1, b=dict(c=3, d=dict(e=3, f=4)), h=0)
    assert differences(ours, theirs) == {'b.c', 'b.d.f', 'g', 'h'}
    assert declared('# x\n# Changes: a.b, c_d,\n#     e.f\n_base_ = 1\n') == {'a.b', 'c_d', 'e.f'}
    assert declared('# Changes: nothing\n# a.b\n') == set()


def test_the_papers_ablations_are_there():
    names = {f'{path.parent.name}/{path.stem}' for path in ABLATIONS}
    assert names >= {f'table4/{row}' for row in ('without-rpg', 'random', 'fps', 'non-params')}
    assert names >= {f'fig4/queries-{k}' for k in (50, 100, 150, 200)}
    assert names >= {f'fig4/points-{j}' for j in (500, 1000, 2000, 3000)}


def test_each_part_of_queryis_plus_has_an_ablation():
    names = {path.stem for path in ABLATIONS if path.parent.name == 'plus'}
    parts = {'votes', 'dense', 'reading', 'pilots', 'relation', 'quality', 'nms'}
    others = {'coordinates-only', 'full-rate', 'no-object-0.1'}
    assert names >= {f'without-{part}' for part in parts} | others


@pytest.mark.parametrize('size', 'sl')
@pytest.mark.parametrize('data', ['150k_scannet', '60k_s3dis-area5'])
def test_queryis_plus_differs_from_queryis_in_neck_head_and_rates_alone(data, size):
    """The same backbone, data, length and metric; training scenes also label surfaces."""
    ours, theirs = (
        Config.fromfile(CONFIGS / f'queryis/{name}-{size}_1xb10-{data}.py').to_dict()
        for name in ('queryis-plus', 'queryis')
    )
    found = {
        key
        for key in differences(ours, theirs)
        if not key.startswith(
            (
                'model.neck',
                'model.backbone.out_strides',  # only the neck reads the other level
                'model.decode_head.',
                'made_rooms.',
                'optim_wrapper.paramwise_cfg.custom_keys.',
            )
        )
        and key.split('.')[0] in READ_BY_RUNNER
    }
    labels = {'train_dataloader.dataset.pipeline'} if 'scannet' in data else set()
    assert found == labels


@pytest.mark.parametrize('size', 'sl')
def test_six_folds_test_each_area_once_and_never_train_on_it(size):
    for area in range(1, 7):
        config = Config.fromfile(CONFIGS / f'queryis/queryis-{size}_1xb10-60k_s3dis-area{area}.py')
        assert tuple(config.test_dataloader.dataset.areas) == (area,)
        assert tuple(config.val_dataloader.dataset.areas) == (area,)
        others = {1, 2, 3, 4, 5, 6} - {area}
        assert set(config.train_dataloader.dataset.areas) == others


def leaf_of(method, size='s', data='150k_scannet'):
    """The leaf of a method with the budget and the schedule of the paper."""
    return CONFIGS / method / f'{method}-{size}_1xb10-{data}.py'


METHODS = {path.parent.name for path in CONFIGS.glob('*/metafile.yml')}
BASELINES = sorted(method for method in METHODS - {'queryis'} if leaf_of(method).is_file())


def test_baselines_are_found():
    assert {'pointgroup', 'hais', 'softgroup'} <= set(BASELINES)


@pytest.mark.parametrize('size', 'sl')
@pytest.mark.parametrize('data', ['150k_scannet', '60k_s3dis-area5'])
@pytest.mark.parametrize('method', BASELINES)
def test_baselines_differ_from_the_method_in_the_head_alone(method, data, size):
    """The same backbone, data, schedule and metric; training scenes also label wall and floor."""
    ours, theirs = (
        Config.fromfile(leaf_of(name, size, data)).to_dict() for name in (method, 'queryis')
    )
    for config in (ours, theirs):
        for part in ('type', 'neck', 'decode_head'):
            config['model'].pop(part, None)
    found = {key for key in differences(ours, theirs) if key.split('.')[0] in READ_BY_RUNNER}
    labels = {'train_dataloader.dataset.pipeline'} if 'scannet' in data else set()
    assert found == {'model.backbone.out_strides'} | labels
    if labels:
        pipelines = [config['train_dataloader']['dataset']['pipeline'] for config in (ours, theirs)]
        place = [transform['type'] for transform in pipelines[0]].index('LabelStuff')
        pipelines[0][place : place + 1] = pipelines[0][place]['transforms']
        assert pipelines[0] == pipelines[1]


@pytest.mark.parametrize('method', BASELINES)
def test_baselines_of_s3dis_have_tables_in_the_order_of_its_classes(method):
    head = Config.fromfile(leaf_of(method, data='60k_s3dis-area5')).model.decode_head
    classes = S3DISInstanceSegDataset.METAINFO['classes']
    assert [classes[k] for k in head.whole_classes] == ['ceiling', 'floor']
    if 'class_points' in head.grouping:  # SoftGroup's order is another
        points = dict(zip(classes, head.grouping.class_points, strict=True))
        assert (points['table'], points['chair'], points['sofa'], points['bookcase']) == (
            5092,
            1724,
            5279,
            7424,
        )


@pytest.mark.parametrize('trained', MIXING, indirect=True, ids=lambda path: path.stem)
@torch.no_grad()
def test_mixed_model_predicts_for_every_point(trained):
    data = next(iter(trained.test_dataloader))
    (sample,) = trained.model.eval().test_step(data)
    num_points = len(data['inputs']['points'][0])
    if trained.cfg.test_evaluator.type != 'SegMetric':
        assert sample.pred_instances_3d.masks.shape[1] == num_points
        assert len(sample.pred_instances_3d) > 0
    else:
        assert sample.pts_seg_logits.pts_seg_logits.shape == (18, num_points)
        assert sample.pred_pts_seg.pts_semantic_mask.shape == (num_points,)


@pytest.mark.parametrize('model', ['queryis-s', 'queryis-plus-s'])
def test_accumulated_gradients_give_as_many_updates_of_as_many_scenes(model):
    parent, leaf = (
        Config.fromfile(CONFIGS / 'queryis' / f'{model}_{name}.py')
        for name in ('1xb10-150k_scannet', '1xb2-750k-accumulate5_scannet')
    )
    steps = leaf.optim_wrapper.accumulative_counts
    assert leaf.train_dataloader.batch_size * steps == parent.train_dataloader.batch_size
    # --auto-scale-lr leaves the rate as it is where the batch is the leaf's.
    assert leaf.auto_scale_lr.base_batch_size == leaf.train_dataloader.batch_size
    assert parent.auto_scale_lr.base_batch_size == parent.train_dataloader.batch_size
    assert leaf.train_cfg.max_iters == steps * parent.train_cfg.max_iters
    for ours, theirs in zip(leaf.param_scheduler, parent.param_scheduler):
        assert dict(ours) == dict(theirs, end=steps * theirs.end)
