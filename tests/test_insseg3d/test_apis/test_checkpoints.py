# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Checkpoints: strict loading, publishing without private parts, and safe reading."""

import hashlib
import json
import os
import pickle

import pytest
import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader

import queryis  # noqa: F401
from insseg3d.apis import load_model
from insseg3d.apis import model_index as inferencer_models
from insseg3d.apis.checkpoints import (
    Checkpoint,
    load_weights,
    published,
    read_checkpoint,
    write_published,
)
from insseg3d.apis.config_text import config_of_text
from insseg3d.apis.model_index import choose_model, find_weights

CLASSES, PALETTE = ('chair', 'table'), [[1, 2, 3], [4, 5, 6]]


@pytest.fixture
def model():
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))


def checkpoint_of(model, **meta):
    return Checkpoint('x.pth', dict(model.state_dict()), meta)


def test_weights_fit_as_a_whole_or_are_refused(model):
    other = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    load_weights(other, checkpoint_of(model), 2)
    assert all(
        torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values())
    )
    for change, message in (
        (lambda s: s.pop('1.running_mean'), r'7 weights 1 missing \(1\.running_mean\)'),
        (lambda s: s.update(extra=s['0.bias']), r'1 unknown \(extra\)'),
        (
            lambda s: s.update({'0.bias': torch.zeros(5)}),
            r'1 of other shapes \(0\.bias \(5,\) instead of \(4,\)\)',
        ),
    ):
        before = {name: value.clone() for name, value in other.state_dict().items()}
        bad = checkpoint_of(model, cfg='')
        change(bad.state_dict)
        with pytest.raises(ValueError, match=rf'x\.pth: does not fit.*{message}.*leave out the'):
            load_weights(other, bad, 2)
        assert all(torch.equal(before[k], v) for k, v in other.state_dict().items())


def test_another_number_of_classes_is_told_by_name(model):
    bad = checkpoint_of(model, dataset_meta=dict(classes=('a', 'b', 'c')))
    with pytest.raises(ValueError, match=r'trained for 3 classes \(a, b, c, …\), the config has 2'):
        load_weights(model, bad, 2)


def trained(model):
    """Save a checkpoint in the format of mmengine."""
    return dict(
        state_dict={f'module.{k}': v for k, v in model.state_dict().items()},
        optimizer=dict(state={0: torch.zeros(1000)}),
        message_hub=dict(log_scalars={}),
        meta=dict(
            iter=7,
            epoch=0,
            seed=3,
            time='then',
            cfg='a = 1',
            dataset_meta=dict(classes=CLASSES, palette=PALETTE, label_mapping={0: 1}),
        ),
    )


CONFIG = Config(
    dict(
        work_dir='/a/b',
        data_root='/data/of/mine/scannet',
        model=dict(type='X', sizes=(1, -2.5)),
        loader=dict(
            data_root='/data/of/mine/scannet', files=['/data/of/mine/list.txt', 'points/1']
        ),
    )
)


@pytest.mark.parametrize('ending', ['pth', 'safetensors'])
def test_published_files_hold_what_others_need_and_no_more(model, ending, tmp_path):
    torch.save(trained(model), tmp_path / 'iter_7.pth')
    source = read_checkpoint(tmp_path / 'iter_7.pth')
    content = published(source, CONFIG, dict(classes=CLASSES, palette=PALETTE))
    path = write_published(content, tmp_path / 'new' / f'name.{ending}')
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.name == f'name-{digest[:8]}.{ending}'
    assert path == write_published(content, tmp_path / 'new' / f'name.{ending}')
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    found = read_checkpoint(path)
    assert found.state_dict.keys() == model.state_dict().keys()
    assert all(torch.equal(found.state_dict[k], v) for k, v in model.state_dict().items())
    assert found.meta.keys() == {'iter', 'epoch', 'cfg', 'mmengine_version', 'dataset_meta'}
    assert found.meta['iter'] == 7
    assert found.dataset_meta == dict(classes=list(CLASSES), palette=PALETTE)
    config = config_of_text(found.meta['cfg'], 'x')
    assert config.to_dict() == dict(
        data_root='data/scannet',
        model=dict(type='X', sizes=(1, -2.5)),
        loader=dict(data_root='data/scannet', files=['list.txt', 'points/1']),
    )
    if ending == 'pth':
        content = torch.load(path, weights_only=True)
        assert content.keys() == {'state_dict', 'meta'}
    else:  # another program reads the same weights
        safetensors = pytest.importorskip('safetensors.torch')
        assert safetensors.load_file(path).keys() == model.state_dict().keys()
    # mmengine does the same in tools/test.py
    loaded = CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    assert loaded['state_dict'].keys() == model.state_dict().keys()


def test_weights_too_large_for_half_precision_are_refused():
    weights = dict(a=torch.tensor([1.0, -7e4]), b=torch.arange(3), c=torch.zeros(0))
    source = Checkpoint('x.pth', weights, {})
    with pytest.raises(ValueError, match='a: found 70000, too large for float16'):
        published(source, CONFIG, dict(classes=[], palette=[]), half=True)
    weights['a'] = torch.tensor([1 / 3])
    found = published(source, CONFIG, dict(classes=[], palette=[]), half=True)['state_dict']
    assert found['a'].dtype == torch.float16 and found['b'].dtype == torch.int64


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r'name\.onnx: expected.*\.safetensors'):
        write_published({}, tmp_path / 'name.onnx')


def test_files_that_are_no_checkpoints(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.system, (f'touch {tmp_path / "was_executed"}',)

    (tmp_path / 'bomb.pth').write_bytes(pickle.dumps(Bomb(), protocol=2))
    (tmp_path / 'words.pth').write_text('words')
    (tmp_path / 'words.safetensors').write_text('words')
    torch.save(dict(state_dict={}), tmp_path / 'empty.pth')
    torch.save(dict(a=1), tmp_path / 'numbers.pth')
    for name in ('bomb.pth', 'words.pth', 'words.safetensors', 'empty.pth', 'numbers.pth'):
        with pytest.raises((ValueError, RuntimeError), match=name) as error:
            read_checkpoint(tmp_path / name)
        assert '\n' not in str(error.value)
    with pytest.raises(FileNotFoundError, match=r'none\.pth: no such.*make demo'):
        read_checkpoint(tmp_path / 'none.pth')
    assert not (tmp_path / 'was_executed').exists()


def test_without_safetensors_the_extra_is_named(monkeypatch, tmp_path):
    from insseg3d.engine import safetensors_files

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(safetensors_files.importlib, 'import_module', missing)
    (tmp_path / 'x.safetensors').write_bytes(b'')
    with pytest.raises(ValueError, match=r'insseg3d\[safetensors\]'):
        read_checkpoint(tmp_path / 'x.safetensors')


def test_a_config_is_read_as_mmengine_writes_it():
    for leaf in ('queryis-s_demo', 'queryis-s_1xb10-150k_scannet200'):
        config = choose_model(leaf, Checkpoint('x.pth', {}, {}))[0]
        assert config_of_text(config.pretty_text, 'x').to_dict() == config.to_dict()
    config = Config(dict(keys={'a.b': dict(x=None), 'c': True}, words="it's", few={1, 2}))
    assert config_of_text(config.pretty_text, 'x').to_dict() == config.to_dict()


@pytest.mark.parametrize(
    'text',
    [
        '__import__("os").system("touch was_executed")',
        'a = __import__("os").system("touch was_executed")',
        'import os',
        'a = [x for x in (1,)]',
        'a = dict(**b)',
        'a.b = 1',
        'a = (',
        'text = 1',
        'a = f"{1}"',
        "model = dict(type='os.system', command='touch was_executed')",
        "model = dict(part=[dict(type='mmengine.Config.fromfile')])",
    ],
)
def test_a_config_that_would_run_something_is_refused(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match='x.pth: the config inside'):
        config_of_text(text, 'x.pth')
    assert not (tmp_path / 'was_executed').exists()


def test_the_last_checkpoint_of_a_name_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(inferencer_models, '_CHECKOUT', tmp_path)
    with pytest.raises(
        FileNotFoundError,
        match=(
            r'demo: no checkpoint of it in work_dirs/demo or work_dirs/queryis-plus-s_demo.*'
            r'make demo.*train\.py .*queryis-plus-s_demo\.py'
        ),
    ):
        find_weights('demo')
    for folder in ('queryis-plus-s_demo', 'demo'):
        place = tmp_path / 'work_dirs' / folder
        place.mkdir(parents=True)
        (place / 'iter_2.pth').touch()
        (place / 'last_checkpoint').write_text(str(tmp_path / 'gone' / 'iter_2.pth'))
        assert find_weights('demo') == place / 'iter_2.pth'  # the second folder takes precedence
        (place / 'iter_1.pth').touch()
        (place / 'last_checkpoint').write_text(str(place / 'iter_1.pth'))
        assert find_weights('demo') == place / 'iter_1.pth'
    assert find_weights('queryis-plus-s_demo').parent.name == 'queryis-plus-s_demo'
    with pytest.raises(ValueError, match='nonsense: neither'):
        find_weights('nonsense')


def test_one_of_model_and_weights_is_enough(tmp_path):
    with pytest.raises(ValueError, match='no weights'):
        choose_model(None, None)
    with pytest.raises(ValueError, match='no weights'):
        choose_model(CONFIG, None)
    with pytest.raises(ValueError, match='x.pth: no config inside'):
        choose_model(None, Checkpoint('x.pth', {}, {}))
    text = choose_model('queryis-s_demo', Checkpoint('x.pth', {}, {}))[0].pretty_text
    config, _ = choose_model(None, Checkpoint('x.pth', {}, dict(cfg=text)))
    assert config.model.type == 'InstanceSegmentor3D'


def test_the_checkpoint_knows_what_it_was_trained_for(sure_weights):
    source = read_checkpoint(sure_weights)
    own = tuple(f'kind {k}' for k in range(18))
    renamed = source._replace(meta=dict(dataset_meta=dict(classes=own)))
    model, config = load_model(choose_model('queryis-s_demo', source)[0], renamed)
    assert model.dataset_meta['classes'] == own and len(model.dataset_meta['palette']) == 18
    few = source._replace(meta=dict(dataset_meta=dict(classes=own[:5])))
    with pytest.raises(ValueError, match='trained for 5 classes .*the config has 18'):
        load_model(config, few)
    assert json.dumps(load_model(config)[0].dataset_meta['palette'])
