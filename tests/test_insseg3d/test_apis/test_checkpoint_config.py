# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Untrusted checkpoints: their configs build only known parts, and none of their code runs."""

import http.server
import os
import pickle
import sys
import threading

import numpy as np
import pytest
import torch
from mmdet3d.registry import TASK_UTILS
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader

import insseg_baselines  # noqa: F401
import queryis  # noqa: F401
from insseg3d.apis import InstanceSeg3DInferencer, load_model
from insseg3d.apis.checkpoint_config import part_to_run
from insseg3d.apis.checkpoints import Checkpoint, published, read_checkpoint
from insseg3d.apis.model_index import choose_model, config_inside, index_folder, own_packages
from insseg3d.engine import safetensors_bytes, weights_only_files

LEAVES = sorted((index_folder() / 'configs').rglob('*.py'))
LEAVES = [leaf for leaf in LEAVES if '_base_' not in leaf.parts]
PACKAGES = own_packages()
NAMES = [str(leaf.relative_to(index_folder() / 'configs')) for leaf in LEAVES]


@pytest.fixture
def demo():
    return choose_model('queryis-s_demo', Checkpoint('x.pth', {}, {}))[0].to_dict()


@pytest.fixture
def marker(tmp_path):
    return tmp_path / 'was_run'


class Bomb:
    """An object that creates a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f'touch {self.marker}',)


def refusal_of(values):
    """Return the message with which a config inside a checkpoint is rejected."""
    with pytest.raises(ValueError, match=r'^bad\.pth: the config inside') as error:
        part_to_run(Config(values), 'bad.pth', PACKAGES)
    message = str(error.value)
    assert '\n' not in message and '--config FILE' in message
    return message


def put(values, place, value):
    """Set a value in nested dicts and lists."""
    *path, last = place.split('.')
    for key in path:
        values = values[int(key) if key.isdigit() else key]
    if isinstance(values, list):
        values.append(value)
    else:
        values[last] = value


DATASET = 'test_dataloader.dataset'


@pytest.mark.parametrize(
    'place',
    [
        'model',
        'model.backbone',
        'model.neck',
        'model.decode_head.loss_cls',
        'model.decode_head.ranking',
        'model.data_preprocessor',
        'model.extra',
        f'{DATASET}.pipeline.new',
        'model.train_cfg',
    ],
)
@pytest.mark.parametrize(
    'kind',
    [
        'mmengine.load',
        'mmengine.mkdir_or_exist',
        'mmengine.dump',
        'mmengine.fileio.load',
        'mmengine.Config.fromfile',
        'os.system',
        'subprocess.Popen',
        'builtins.exec',
        'torch.hub.load',
        'torch.load',
        'numpy.load',
        'mmdet3d.apis.init_model',
        'queryis.queryis_head.torch.load',
        'mmengine::load',
        '..load',
        'load',
        'system',
    ],
)
def test_a_type_is_the_name_of_a_registered_part(demo, place, kind, marker):
    put(
        demo,
        place,
        dict(type=kind, file=str(marker), dir_name=str(marker), obj=1, command=f'touch {marker}'),
    )
    message = refusal_of(demo)
    assert f'.type = {kind!r}' in message
    assert not marker.exists()


def test_a_name_is_harmless_in_every_registry_or_refused(demo, monkeypatch):
    """The model determines the registry from which a part is built."""
    name = demo['model']['backbone']['type']
    monkeypatch.setitem(TASK_UTILS.module_dict, name, os.system)
    assert f'model.backbone.type = {name!r}' in refusal_of(demo)


@pytest.mark.parametrize('address', [False, True])
def test_a_pickle_that_a_config_names_is_not_loaded(demo, address, tmp_path, marker):
    path = tmp_path / 'evil.pkl'
    path.write_bytes(pickle.dumps(Bomb(marker)))
    with serving(tmp_path) as (root, asked):
        file = f'{root}/evil.pkl' if address else str(path)
        for kind in ('mmengine.load', 'MinkUNet'):
            refusal_of({**demo, 'model': dict(type=kind, file=file)})
        sample = dict(type='ObjectSample', db_sampler=dict(info_path=file, data_root='.'))
        put(demo, f'{DATASET}.pipeline.new', sample)
        assert 'ObjectSample' in refusal_of(demo)
    assert not marker.exists() and not asked


@pytest.mark.parametrize(
    'imports',
    [
        dict(imports=['a_module_of_theirs'], allow_failed_imports=True),
        dict(imports='a_module_of_theirs'),
        ['a_module_of_theirs'],
        dict(imports=['queryis', 'queryis.a_module_of_theirs']),
        dict(imports=['insseg3d', 'a_module_of_theirs']),
    ],
)
def test_only_this_projects_packages_are_imported(demo, imports, tmp_path, monkeypatch, marker):
    (tmp_path / 'a_module_of_theirs.py').write_text(f'open({str(marker)!r}, "w")\n')
    monkeypatch.syspath_prepend(tmp_path)
    message = refusal_of({**demo, 'custom_imports': imports})
    assert 'custom_imports' in message and 'a_module_of_theirs' in message
    assert not marker.exists() and 'a_module_of_theirs' not in sys.modules


@pytest.mark.parametrize(
    'place, value',
    [
        ('model.backbone.init_cfg', dict(type='Pretrained', checkpoint='http://127.0.0.1:9/x.pth')),
        ('model.init_cfg', [dict(type='Pretrained', checkpoint='x.pth')]),
        ('model.backbone.pretrained', 'x.pth'),
        ('model.load_from', 'http://127.0.0.1:9/x.pth'),
        ('model.backbone.weights_file', 'weights'),
        ('model.decode_head.checkpoint', 'weights'),
        ('model.decode_head.url', 'weights'),
        ('model.decode_head.class_names_path', 'weights'),
        ('model.decode_head.data_root', 'weights'),
        ('model.decode_head.anything', 'http://127.0.0.1:9/x.pkl'),
        ('model.decode_head.anything', '/etc/passwd'),
        ('model.decode_head.anything', '../x'),
        ('model.decode_head.anything', ['a', dict(b='~/x')]),
        ('model._scope_', 'a_module_of_theirs'),
        ('model.backbone._scope_', 'mmengine'),
        (f'{DATASET}.pipeline.0.backend_args', dict(backend='http')),
        (f'{DATASET}.pipeline.0.file_client_args', dict(backend='petrel')),
        ('default_scope', 'a_module_of_theirs'),
    ],
)
def test_no_key_reaches_a_file_an_address_or_a_module(demo, place, value):
    put(demo, place, value)
    message = refusal_of(demo)
    assert place.rpartition('.')[2] in message


@pytest.mark.parametrize(
    'key',
    [
        'load_from',
        'resume',
        'work_dir',
        'custom_hooks',
        'env_cfg',
        'visualizer',
        'train_dataloader',
        'default_hooks',
        'launcher',
    ],
)
def test_all_else_is_left_out(demo, key):
    demo[key] = dict(type='mmengine_load', file='http://127.0.0.1:9/x.pkl')
    config = part_to_run(Config(demo), 'x.pth', PACKAGES)
    assert set(config) == {'model', 'default_scope', 'test_dataloader'}
    assert set(config.test_dataloader) == {'dataset'}
    assert not set(config.test_dataloader.dataset) & {'data_root', 'ann_file', 'backend_args'}


@pytest.mark.parametrize(
    'place, found',
    [('model', 'no model'), ('test_dataloader', f'no {DATASET}'), (DATASET, f'no {DATASET}')],
)
def test_what_is_missing_is_named(demo, place, found):
    *path, last = place.split('.')
    values = demo
    for key in path:
        values = values[key]
    del values[last]
    assert found in refusal_of(demo)


def test_transforms_in_others_and_initial_weights_are_harmless(demo):
    demo['model']['backbone']['init_cfg'] = [
        dict(
            type='Kaiming',
            layer=['Conv1d', 'Linear'],
            override=dict(type='Normal', name='stem', std=0.01, bias_prob=0.01),
        )
    ]
    demo['model']['decode_head']['init_cfg'] = dict(type='Constant', layer='Linear', val=0.5)
    pipeline = demo['test_dataloader']['dataset']['pipeline']
    pipeline[2:] = [dict(type='Compose', transforms=pipeline[2:])]
    found = part_to_run(Config(demo), 'good.pth', PACKAGES)
    assert found.model == demo['model']
    assert found.test_dataloader.dataset.pipeline == pipeline
    pipeline[2]['transforms'].append(dict(type='LoadImageFromFile'))
    assert 'pipeline[2].transforms[4].type' in refusal_of(demo)
    pipeline[2]['transforms'].pop()
    demo['model']['backbone']['init_cfg'][0]['override']['type'] = 'Pretrained'
    assert 'init_cfg[0].override.type' in refusal_of(demo)


@pytest.mark.parametrize('leaf', LEAVES, ids=NAMES)
def test_the_config_of_every_leaf_is_taken_whole(leaf):
    config = Config.fromfile(leaf)
    inside = part_to_run(config, 'x.pth', PACKAGES)
    assert inside.model == config.model
    assert inside.test_dataloader.dataset.pipeline == config.test_dataloader.dataset.pipeline


def test_what_was_published_is_taken_whole(demo):
    config = Config(demo)
    content = published(Checkpoint('x.pth', {}, {}), config, dict(classes=[], palette=[]))
    inside = config_inside(Checkpoint('x.pth', {}, content['meta']))
    assert inside.model == config.model
    assert inside.test_dataloader.dataset.pipeline == config.test_dataloader.dataset.pipeline


@pytest.mark.parametrize('ending', ['.pth', '.safetensors'])
@pytest.mark.parametrize('through', ['inferencer', 'publish_model.py', 'infer.py'])
def test_every_door_refuses(demo, ending, through, tmp_path, marker, here):
    demo['model'] = dict(type='mmengine.mkdir_or_exist', dir_name=str(marker))
    content = dict(state_dict=dict(a=torch.zeros(1)), meta=dict(cfg=Config(demo).pretty_text))
    path = tmp_path / f'bad{ending}'
    if ending == '.pth':
        torch.save(content, path)
    else:
        pytest.importorskip('safetensors')
        path.write_bytes(safetensors_bytes(content))
    if through == 'inferencer':
        with pytest.raises(ValueError, match='mmengine.mkdir_or_exist'):
            InstanceSeg3DInferencer(weights=str(path), device='cpu')
    elif through == 'publish_model.py':
        result = here('publish_model', path, tmp_path / 'out.pth')
        assert result.returncode == 2 and 'mmengine.mkdir_or_exist' in result.stderr
        assert len(result.stderr.splitlines()) == 1
    else:
        np.savetxt(tmp_path / 'a.xyz', np.eye(3))
        result = here('infer', tmp_path / 'a.xyz', '--weights', path, '--out', tmp_path / 'out')
        assert result.returncode == 2 and 'mmengine.mkdir_or_exist' in result.stderr
    assert not marker.exists()


def test_a_model_that_cannot_be_built_is_one_line(demo):
    del demo['model']['backbone']
    config = part_to_run(Config(demo), 'x.pth', PACKAGES)
    expected = r'x\.pth: its model cannot be built \(.*--config'
    with pytest.raises(ValueError, match=expected) as error:
        load_model(config, Checkpoint('x.pth', {}, {}))
    assert '\n' not in str(error.value)


# --- files that run when they are read ------------------------------------------------------------


class serving:  # noqa: N801 (used as a word)
    """A server of a folder; returns its address and a list of the requests."""

    def __init__(self, folder):
        asked = self.asked = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, directory=str(folder), **kwargs)

            def do_GET(self):  # noqa: N802 (name in http.server)
                asked.append(self.path)
                super().do_GET()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f'http://127.0.0.1:{self.server.server_port}', self.asked

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))


def write_weights(path, ending):
    content = dict(state_dict=dict(a=torch.arange(3.0)), meta=dict(epoch=1))
    if ending == '.pth':
        torch.save(content, path)
    else:
        pytest.importorskip('safetensors')
        path.write_bytes(safetensors_bytes(content))


@pytest.mark.parametrize('variable', ['TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', None])
@pytest.mark.parametrize('where', ['file', 'address'])
def test_no_pickle_is_run_whatever_the_environment_is(
    where, variable, tmp_path, marker, monkeypatch, cache
):
    if variable:
        monkeypatch.setenv(variable, '1')
    torch.save(
        dict(state_dict=dict(a=torch.zeros(1)), meta=dict(x=Bomb(marker))), tmp_path / 'evil.pth'
    )
    with serving(tmp_path) as (root, _):
        path = tmp_path / 'evil.pth' if where == 'file' else f'{root}/evil.pth'
        with pytest.raises((ValueError, RuntimeError), match='evil.pth'):
            read_checkpoint(path)
        with pytest.raises((pickle.UnpicklingError, RuntimeError)):
            CheckpointLoader.load_checkpoint(str(path))
    assert not marker.exists()


@pytest.mark.parametrize('ending', ['.pth', '.safetensors'])
def test_weights_from_an_address(ending, tmp_path, cache):
    write_weights(tmp_path / f'good{ending}', ending)
    with serving(tmp_path) as (root, asked):
        for _ in range(2):
            found = read_checkpoint(f'{root}/good{ending}')
            torch.testing.assert_close(found.state_dict['a'], torch.arange(3.0))
    assert len(asked) == 1  # the second time, from the cache


def test_an_old_torch_reads_only_safetensors_from_an_address(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(weights_only_files.torch, '__version__', '2.5.1+cpu')
    for ending in ('.pth', '.safetensors'):
        write_weights(tmp_path / f'good{ending}', ending)
    with serving(tmp_path) as (root, asked):
        with pytest.raises(ValueError, match=r'torch 2\.5\.1.*expected torch 2\.6.*safetensors'):
            read_checkpoint(f'{root}/good.pth')
        assert not asked
        assert read_checkpoint(f'{root}/good.safetensors').state_dict.keys() == {'a'}


def test_what_mmengine_would_execute_on_resume_is_left_out(tmp_path):
    """mmengine's runner executes meta['config'] of an old mmcv to find the number of GPUs."""
    content = dict(state_dict=dict(a=torch.zeros(1)), meta=dict(config='import os', epoch=3))
    torch.save(content, tmp_path / 'old.pth')
    meta = CheckpointLoader.load_checkpoint(str(tmp_path / 'old.pth'))['meta']
    assert meta == dict(epoch=3)
