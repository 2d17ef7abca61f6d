# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A budget makes a leaf small and leaves what it varies."""

import copy
import re
from pathlib import Path

import pytest
from mmengine.config import Config

from insseg_lab.experiments.budgets import BUDGETS
from insseg_lab.experiments.fitting import fill_class_tables, fit_to_rooms, needs_class_tables
from insseg_lab.experiments.runs import count_parameters

ROOT = Path(__file__).parents[2]
LEAF = ROOT / 'configs' / 'queryis' / 'queryis-s_1xb10-150k_scannet.py'
BASELINES = [
    ROOT / 'configs' / name / f'{name}-s_1xb10-150k_scannet.py'
    for name in ('pointgroup', 'hais', 'softgroup')
]
PLUS = LEAF.with_name('queryis-plus-s_1xb10-150k_scannet.py')
ABLATIONS = sorted((LEAF.parent / 'ablations').glob('*/*.py'))


def fitted(leaf, budget='cpu', **changes):
    config = Config.fromfile(leaf)
    config.merge_from_dict(changes)
    before = copy.deepcopy(config.to_dict())
    found = fit_to_rooms(
        config, BUDGETS[budget], seed=3, data_root='rooms/scannet', results_file='a.npz'
    )
    assert config.to_dict() == before  # the leaf is left alone
    return found


@pytest.mark.parametrize('leaf', [LEAF, PLUS, *BASELINES], ids=lambda leaf: leaf.stem)
def test_sizes_are_those_of_the_demo(leaf):
    demo = leaf.with_name(leaf.name.replace('1xb10-150k_scannet', 'demo'))
    ours, demo = fitted(leaf), Config.fromfile(demo)
    for table in ('class_points', 'class_radii'):  # which the runner fills in
        for config in (ours, demo):
            config.model.decode_head.get('grouping', {}).pop(table, None)
    assert ours.model == demo.model
    assert ours.optim_wrapper == demo.optim_wrapper
    assert ours.train_dataloader.dataset.pipeline == demo.train_dataloader.dataset.pipeline
    assert ours.test_dataloader.dataset.pipeline == demo.test_dataloader.dataset.pipeline
    if leaf == PLUS:  # its demo is shorter
        assert demo.train_cfg.max_iters == demo.param_scheduler[1].end == 3000
    else:
        assert ours.param_scheduler == demo.param_scheduler
        assert ours.train_cfg.max_iters == demo.train_cfg.max_iters
    assert ours.randomness.seed == 3 and ours.test_evaluator.results_file == 'a.npz'
    assert {
        loader.dataset.data_root
        for loader in (ours.train_dataloader, ours.val_dataloader, ours.test_dataloader)
    } == {'rooms/scannet'}


@pytest.mark.parametrize('leaf', [LEAF, PLUS, *BASELINES], ids=lambda leaf: leaf.stem)
def test_weights_to_time_are_of_the_leafs_own_model(leaf):
    ours, given = fitted(leaf, 'timing'), Config.fromfile(leaf)
    for config in (ours, given):
        for key in ('prepare_iters', 'mask_iters'):  # which follow the length of the training
            config.model.decode_head.pop(key, None)
    assert ours.model == given.model
    crops, voxels = (
        [t for t in ours.train_dataloader.dataset.pipeline if t.type == name]
        for name in ('CropToMaxPoints', 'AddVoxelTables')
    )
    assert [t.max_points for t in crops] == [30_000] and voxels[0].voxel_size == 0.02
    assert BUDGETS['timing'].facts()['room_options'] == [
        '--kinds',
        'bed,chair,sofa,table,cabinet,bookshelf,toilet,bathtub',
    ]
    assert 'room_options' not in BUDGETS['cpu'].facts()


@pytest.mark.parametrize('given, made', [(500, 64), (1000, 128), (2000, 256), (3000, 384)])
def test_representative_points_keep_their_proportion(given, made):
    config = fitted(LEAF, **{'model.neck.num_points': given})
    assert config.model.neck.num_points == made


@pytest.mark.parametrize('given, made', [(50, 20), (100, 40), (150, 60), (200, 80)])
def test_queries_keep_their_proportion(given, made):
    config = fitted(LEAF, **{'model.decode_head.decoder.queries.num_queries': given})
    assert config.model.decode_head.decoder.queries.num_queries == made


@pytest.mark.parametrize('given, made, channels', [(2, 1, 16), (4, 2, 32), (8, 4, 48)])
def test_strides_keep_their_proportion(given, made, channels):
    model = fitted(LEAF, **{'model.neck.stride': given}).model
    assert (model.neck.stride, model.neck.in_channels) == (made, channels)
    assert model.backbone.out_strides == tuple(sorted({1, made}))


@pytest.mark.parametrize('given, made', [(128, 64), (256, 128), (16, 16)])
def test_width_is_halved_but_where_it_is_the_channel_unit(given, made):
    head = 'model.decode_head.'
    model = fitted(
        LEAF,
        **{
            'model.neck.out_channels': given,
            head + 'embed_dims': given,
            head + 'decoder.queries.embed_dims': given,
            head + 'decoder.layer.embed_dims': given,
        },
    ).model
    decoder = model.decode_head.decoder
    assert {
        model.neck.out_channels,
        model.decode_head.embed_dims,
        decoder.queries.embed_dims,
        decoder.layer.embed_dims,
    } == {made}
    assert model.decode_head.in_channels == 16


def test_gpu_keeps_stride_width_and_distortion():
    config = fitted(LEAF, 'gpu')
    assert (config.model.neck.stride, config.model.neck.in_channels) == (4, 48)
    assert config.model.decode_head.embed_dims == 128
    assert 'ElasticDistortion' in [t.type for t in config.train_dataloader.dataset.pipeline]
    assert config.train_dataloader.dataset.pipeline[-1].voxel_size == 0.04


@pytest.mark.parametrize('budget', BUDGETS)
@pytest.mark.parametrize('leaf', ABLATIONS + BASELINES, ids=lambda leaf: leaf.stem)
def test_every_leaf_builds_at_the_size_of_rooms(leaf, budget):
    assert 1000 < count_parameters(fitted(leaf, budget))


def test_another_data_set_is_refused():
    with pytest.raises(ValueError, match='reads S3DIS.*; made rooms are written in the layout of'):
        fitted(LEAF.with_name('queryis-s_1xb10-60k_s3dis-area5.py'))


def test_a_model_of_unknown_parts_is_refused():
    config = Config.fromfile(LEAF)
    config.model.backbone = dict(type='Other')
    with pytest.raises(ValueError, match='no backbone.base_channels, backbone.num_levels; a budg'):
        fit_to_rooms(config, BUDGETS['cpu'], seed=0, data_root='scannet', results_file='a.npz')


def test_a_leaf_that_lists_no_settings_is_refused():
    config = Config.fromfile(LEAF)
    for rules, message in (
        (None, 'it has no made_rooms; a budget brings only'),
        (dict(length=['neck.stride']), 'made_rooms has length; expected some of class_tables, '),
    ):
        config.made_rooms = rules
        with pytest.raises(ValueError, match=message):
            fit_to_rooms(config, BUDGETS['cpu'], seed=0, data_root='scannet', results_file='a.npz')


@pytest.mark.parametrize('leaf', [LEAF, PLUS, *BASELINES], ids=lambda leaf: leaf.stem)
def test_a_leaf_lists_settings_that_its_parts_have(leaf):
    """A part that was renamed would be passed over: its sizes would be those of the paper."""
    config = Config.fromfile(leaf)
    keys = [key for rule in config.made_rooms.values() for key in ensure_list(rule)]
    assert keys and not [key for key in keys if part_of(config.model, key) is None]


def ensure_list(rule):
    return [rule] if isinstance(rule, str) else rule


def part_of(model, key):
    for name in key.split('.')[:-1]:
        model = model.get(name) if isinstance(model, dict) else None
    return model


def test_no_budget_names_a_method():
    folder = ROOT / 'projects' / 'insseg_lab' / 'experiments'
    text = (folder / 'budgets.py').read_text() + (folder / 'fitting.py').read_text()
    code = '\n'.join(line for line in text.splitlines() if not line.strip().startswith(('*', '#')))
    assert not re.findall(r'decode_head|grouping|score_scale|prepare_iters|embed_dims', code)


def test_a_stride_beyond_the_levels_is_refused():
    with pytest.raises(ValueError, match='stride 64 is 32 on made rooms, but the budget has 5'):
        fitted(LEAF, **{'model.neck.stride': 64})


@pytest.mark.parametrize('leaf', BASELINES, ids=lambda leaf: leaf.stem)
def test_lengths_grow_with_voxels_and_beginnings_keep_their_share(leaf):
    theirs, ours = Config.fromfile(leaf).model.decode_head, fitted(leaf, 'gpu').model.decode_head
    assert ours.grouping.radius == pytest.approx(2 * theirs.grouping.radius)
    assert ours.proposal_net.score_scale == pytest.approx(theirs.proposal_net.score_scale / 2)
    assert ours.prepare_iters == theirs.prepare_iters / 10  # 15,000 of 150,000 iterations
    assert ours.get('mask_iters') == (theirs.mask_iters / 10 if 'mask_iters' in theirs else None)
    assert ours.proposal_net.full_scale == theirs.proposal_net.full_scale


def test_tables_of_classes_are_those_of_the_rooms():
    statistics = {
        name: dict(num_objects=1, mean_points=100.4 + k, mean_radius=0.5)
        for k, name in enumerate('abcdefghijklmnopq')
    }
    statistics['r'] = dict(num_objects=0, mean_points=None, mean_radius=None)
    pointgroup, hais, softgroup = map(fitted, BASELINES)
    assert not needs_class_tables(fitted(LEAF)) and not needs_class_tables(pointgroup)
    for config in (hais, softgroup):
        assert needs_class_tables(config)
        fill_class_tables(config, statistics)
        assert config.model.decode_head.grouping.class_points == [*range(100, 117), -1]
    assert hais.model.decode_head.grouping.class_radii == [0.825] * 17 + [-1]
    assert 'class_radii' not in softgroup.model.decode_head.grouping
