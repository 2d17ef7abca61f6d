# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A setting with one entry per class is checked against the classes when the model is built."""

import json

import pytest
from mmdet3d.registry import MODELS
from mmengine.config import Config

from insseg3d.apis import load_model

from .helpers import GROUPINGS, METHODS, NUM_CLASSES, build_head, head_config

TABLES = [
    ('HAISHead', 'class_points'),
    ('HAISHead', 'class_radii'),
    ('SoftGroupHead', 'class_points'),
]


def lengthened(method, by, only=None):
    """Change table lengths of the grouping: a table of ScanNet that was left in, or a short one."""
    return {
        key: [1.0] * (NUM_CLASSES + by)
        if key.startswith('class_') and only in (None, key)
        else value
        for key, value in GROUPINGS[method].items()
    }


@pytest.mark.parametrize('by', [-1, 1, 14])
@pytest.mark.parametrize('method, table', TABLES)
def test_tables_of_other_lengths_are_refused(method, table, by):
    with pytest.raises(ValueError) as error:
        build_head(method, grouping=lengthened(method, by))
    first = next(key for key in GROUPINGS[method] if key.startswith('class_'))
    assert (
        f'decode_head.grouping.{first} has {NUM_CLASSES + by} entries, num_classes='
        f'{NUM_CLASSES}; expected {NUM_CLASSES}, one for each class.'
    ) in str(error.value)
    assert 'check_dataset.py' in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('method, table', TABLES)
def test_each_table_is_compared(method, table):
    with pytest.raises(ValueError, match=table):
        build_head(method, grouping=lengthened(method, 1, only=table))


@pytest.mark.parametrize('numbers', [(0, NUM_CLASSES), (-1,)])
@pytest.mark.parametrize('method', METHODS)
def test_whole_classes_that_are_none_are_refused(method, numbers):
    with pytest.raises(
        ValueError,
        match=(rf'decode_head.whole_classes has \[{numbers[-1]}\], num_classes=4; .* 0\.\.3'),
    ):
        build_head(method, whole_classes=numbers)
    assert build_head(method, whole_classes=(0, 3)).whole_classes == (0, 3)


@pytest.mark.parametrize('method', ['hais', 'softgroup'])
def test_the_remedy_is_walked(method, here, tiny_data, tmp_path):
    """A leaf has few classes but a table for many; the data check writes the right table."""
    root = __file__.split('/tests/')[0]
    leaf = tmp_path / 'few.py'
    classes = ['chair', 'table', 'cabinet', 'bathtub']
    leaf.write_text(
        f"_base_ = '{root}/configs/{method}/{method}-s_demo.py'\n"
        f'few = dict(metainfo=dict(classes={classes}))\n'
        'train_dataloader = dict(dataset=few)\nval_dataloader = dict(dataset=few)\n'
        'test_dataloader = val_dataloader\n'
        f'model = dict(decode_head=dict(num_classes={len(classes)}))\n'
    )
    with pytest.raises(ValueError, match='class_points has 18 entries, num_classes=4'):
        load_model(leaf)
    here('check_dataset', leaf, '--splits', 'train', '--workers', '0', '--out', 'checked')
    tables = json.loads((tmp_path / 'checked' / 'class_statistics.json').read_text())['tables']
    config = Config.fromfile(leaf)
    grouping = config.model.decode_head.grouping
    grouping.update({key: table for key, table in tables.items() if key in grouping})
    model, _ = load_model(config)
    assert len(model.decode_head.grouping.class_points) == len(classes)


def test_every_table_of_a_strategy_is_named():
    """Each setting with K entries must be in ``class_tables``; otherwise it is not checked."""
    for method in METHODS:
        head = MODELS.build(head_config(method))
        lists = {
            key
            for key, value in vars(head.grouping).items()
            if hasattr(value, '__len__')
            and not isinstance(value, str)
            and len(value) == NUM_CLASSES
        }
        assert lists == set(getattr(head.grouping, 'class_tables', ()))
