# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Published files omit the parts that only a training needs; models are tested without them."""

from pathlib import Path

import pytest
import torch
from mmengine import Config

from insseg3d.apis import checkpoints, load_model, predict_points
from insseg3d.apis.checkpoints import Checkpoint, published
from insseg3d.apis.config_text import config_of_text

DEMO = Path(__file__).parents[3] / 'configs' / 'queryis' / 'queryis-plus-s_demo.py'
PARTS = ('auxiliary', 'decode_head.pilots')


@pytest.fixture(scope='module')
def configs():
    """Configs of the demo's model with an auxiliary branch and pilots, and with neither."""
    both, neither = Config.fromfile(DEMO), Config.fromfile(DEMO)
    head = both.model.decode_head
    both.model.auxiliary = [dict(type='PointwiseBranch', pointwise=head.features.pointwise)]
    neither.model.decode_head.pilots = None
    return both, neither


@pytest.fixture(scope='module')
def models(configs):
    return [load_model(config)[0] for config in configs]


@pytest.fixture
def told(monkeypatch):
    """The lines that the loader writes into the log."""
    lines = []
    monkeypatch.setattr(checkpoints, 'print_log', lambda line, **_: lines.append(line))
    return lines


def checkpoint_of(model):
    return Checkpoint('x.pth', dict(model.state_dict()), {})


@pytest.mark.parametrize(
    ('saved', 'built', 'what'), [(0, 1, 'were left out'), (1, 0, 'are missing')]
)
def test_parts_of_a_training_may_differ_and_are_named(
    saved, built, what, configs, models, own_points, told
):
    points = (own_points - (500, -20, 3, 0, 0, 0)).astype('float32')
    model, config = load_model(configs[built], checkpoint_of(models[saved]))
    (line,) = told
    assert line.startswith(f'x.pth: weights of {", ".join(PARTS)} {what}; they have no effect')
    names = set(model.state_dict())
    assert (names > set(models[saved].state_dict())) == (built == 0)
    found, expected = (
        predict_points(one, config, points).pred_instances_3d for one in (model, models[saved])
    )
    assert torch.equal(found.masks, expected.masks)
    assert torch.equal(found.scores_3d, expected.scores_3d)


def test_nothing_is_told_of_equal_parts(configs, models, told):
    for config, model in zip(configs, models):
        load_model(config, checkpoint_of(model))
    assert told == []


def test_other_weights_have_to_be_there(configs, models):
    bad = checkpoint_of(models[0])
    del bad.state_dict['decode_head.quality.mlp.0.weight']
    with pytest.raises(ValueError, match=r'1 missing \(decode_head\.quality\.mlp\.0\.weight\)'):
        load_model(configs[0], bad)


def test_what_is_published_has_no_parts_of_a_training(configs, models):
    content = published(checkpoint_of(models[0]), configs[0], models[0].dataset_meta)
    config = config_of_text(content['meta']['cfg'], 'y.pth')
    assert config.model.get('auxiliary') is None and config.model.decode_head.get('pilots') is None
    assert set(content['state_dict']) == set(models[1].state_dict())
    model, _ = load_model(config, Checkpoint('y.pth', content['state_dict'], content['meta']))
    assert set(model.state_dict()) == set(models[1].state_dict())
    assert 'auxiliary' in configs[0].model and configs[0].model.decode_head.pilots is not None
