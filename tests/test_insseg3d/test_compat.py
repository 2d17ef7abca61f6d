# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Each cure of compat.py works where it is needed, and is not applied elsewhere."""

import importlib.metadata
import importlib.util
import os
import pickle
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dist import utils as dist_utils
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.model import MMDistributedDataParallel
from mmengine.runner.checkpoint import CheckpointLoader
from mmengine.utils import package_utils

from insseg3d import compat


def run_python(code: str, path: Path | None = None) -> subprocess.CompletedProcess:
    """Run code in a fresh interpreter, with a folder first on the module path."""
    env = dict(os.environ, PYTHONPATH=str(path or ''))
    return subprocess.run([sys.executable, '-c', code], env=env, text=True, capture_output=True)


# ------------------------------------------------------------------------------------- mmcv._ext


def fake_mmcv(folder: Path, compiled: bool) -> Path:
    (folder / 'mmcv').mkdir()
    (folder / 'mmcv' / '__init__.py').write_text('raise ImportError("mmcv was imported")')
    if compiled:
        suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
        (folder / 'mmcv' / f'_ext{suffix}').write_bytes(b'')
    return folder


@pytest.fixture
def without_ext(monkeypatch, tmp_path):
    """Set up an interpreter state without the stand-in, and with a fake mmcv."""
    monkeypatch.delitem(sys.modules, 'mmcv._ext')
    monkeypatch.delitem(sys.modules, 'mmcv', raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize('compiled', [False, True])
def test_stand_in_only_for_an_mmcv_without_operators(without_ext, compiled):
    fake_mmcv(without_ext, compiled)
    compat.stand_in_for_mmcv_operators()
    assert ('mmcv._ext' in sys.modules) != compiled
    assert 'mmcv' not in sys.modules  # the check did not import it


def test_no_stand_in_without_mmcv(monkeypatch):
    monkeypatch.delitem(sys.modules, 'mmcv._ext')
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    compat.stand_in_for_mmcv_operators()
    assert 'mmcv._ext' not in sys.modules


def test_stand_in_leaves_a_loaded_module_alone(monkeypatch):
    loaded = types.ModuleType('mmcv._ext')
    monkeypatch.setitem(sys.modules, 'mmcv._ext', loaded)
    compat.stand_in_for_mmcv_operators()
    assert sys.modules['mmcv._ext'] is loaded


def test_missing_operator_says_which_why_and_how():
    operators = compat.MissingOperators('mmcv._ext')
    assert hasattr(operators, 'ball_query_forward')  # mmcv calls this on import
    with pytest.raises(RuntimeError) as error:
        operators.ball_query_forward(1, nsample=2)
    for word in ("'ball_query_forward'", 'mmcv-lite', 'pip install'):
        assert word in str(error.value)
    with pytest.raises(AttributeError):
        operators.__path__  # noqa: B018


@pytest.mark.skipif(
    'mmcv-lite' not in {d.metadata['Name'] for d in importlib.metadata.distributions()},
    reason='needs mmcv-lite',
)
def test_mmdet3d_imports_after_this_project_and_not_before():
    code = 'import mmdet3d.models, mmdet3d.datasets, mmdet3d.evaluation'
    assert 'mmcv._ext' in run_python(code).stderr  # otherwise the cure is obsolete
    result = run_python('import insseg3d; ' + code)
    assert result.returncode == 0, result.stderr


# ----------------------------------------------------------------------------------- pkg_resources


def test_packages_are_found_without_pkg_resources(tmp_path):
    # A package that fails to import shadows the real one; find_spec does not find it.
    code = """
import importlib.util, sys
sys.modules['pkg_resources'] = None
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name == 'pkg_resources' else find_spec(name, *a)
import insseg3d
from mmengine import Config
from mmengine.utils import get_installed_path, is_installed
print(get_installed_path('mmdet3d'), get_installed_path('mmcv-lite'))
print(is_installed('mmcv-lite'), is_installed('mmdet3d'), is_installed('not_there'))
open('leaf.py', 'w').write("_base_ = ['mmdet3d::_base_/default_runtime.py']")
print(Config.fromfile('leaf.py').default_scope)
"""
    env = {**os.environ, 'PYTHONPATH': ''}
    result = subprocess.run(
        [sys.executable, '-c', code], env=env, cwd=tmp_path, text=True, capture_output=True
    )
    assert result.returncode == 0, result.stderr
    paths, installed, scope = result.stdout.split('\n')[:3]
    assert [Path(path).name for path in paths.split()] == ['mmdet3d', 'mmcv']
    assert installed == 'True True False' and scope == 'mmdet3d'


@pytest.mark.skipif(not importlib.util.find_spec('pkg_resources'), reason='needs pkg_resources')
def test_package_search_is_left_alone_with_pkg_resources():
    compat.find_packages_without_pkg_resources()
    assert package_utils.is_installed is not compat.is_installed


def test_a_missing_package_is_reported_as_missing():
    with pytest.raises(importlib.metadata.PackageNotFoundError, match='not_there'):
        compat.get_installed_path('not_there')


# ------------------------------------------------------------------------------------ checkpoints


def message_hub() -> MessageHub:
    hub = MessageHub('test')
    for value in (1.0, 2.0, 6.0):
        hub.update_scalar('train/loss', value)
    hub.update_info('iter', 3)
    hub.update_info('array', np.arange(3.0))
    hub.update_info('scalar', np.float32(0.5))
    return hub


def test_a_log_comes_back_under_weights_only(tmp_path):
    path = tmp_path / 'checkpoint.pth'
    torch.save(dict(message_hub=message_hub().state_dict()), path)
    assert b'getattr' not in path.read_bytes()
    loaded = torch.load(path, weights_only=True)['message_hub']
    buffer = loaded['log_scalars']['train/loss']
    assert buffer.statistics('mean') == 3.0 and buffer.statistics('max') == 6.0
    assert buffer.data[0].tolist() == [1.0, 2.0, 6.0]
    assert loaded['runtime_info']['scalar'] == np.float32(0.5)


@pytest.mark.parametrize('code', '?bBhHiIlLqQefd')
def test_arrays_of_all_plain_numbers_come_back(tmp_path, code):
    path = tmp_path / 'checkpoint.pth'
    torch.save([np.ones(3, code), np.ones(1, code)[0]], path)
    array, scalar = torch.load(path, weights_only=True)
    assert array.dtype == np.dtype(code) and array.all() and scalar == 1


def test_statistics_registered_by_a_user_survive():
    @HistoryBuffer.register_statistics
    def last_but_one(self):
        return self._log_history[-2]

    try:
        buffer = pickle.loads(pickle.dumps(HistoryBuffer([1, 2, 3], [1, 1, 1])))
        assert buffer.statistics('last_but_one') == 2
        assert 'statistics_methods' not in vars(buffer)
    finally:
        del HistoryBuffer._statistics_methods['last_but_one']


def test_getattr_is_not_registered():
    names = {getattr(entry, '__name__', entry) for entry in torch.serialization.get_safe_globals()}
    assert 'HistoryBuffer' in names
    assert not names & {'getattr', 'eval', 'exec', 'open', '__import__', 'system', 'Popen'}


@pytest.fixture
def old_checkpoint(tmp_path):
    """Write a checkpoint like mmengine without the cure."""
    path = tmp_path / 'old.pth'
    code = f"""
import torch
from mmengine.logging import MessageHub
hub = MessageHub('test')
hub.update_scalar('train/loss', 1.0)
torch.save(dict(state_dict=dict(w=torch.ones(2)), message_hub=hub.state_dict()), {str(path)!r})
"""
    assert run_python(code).returncode == 0
    return path


def test_a_checkpoint_with_functions_is_refused_with_the_remedy(old_checkpoint, tmp_path):
    with pytest.raises(RuntimeError, match="'getattr'") as error:
        CheckpointLoader.load_checkpoint(str(old_checkpoint), map_location='cpu')
    assert str(old_checkpoint) in str(error.value) and 'If you trust' in str(error.value)
    command = str(error.value).split('python -c ')[1].strip('"')
    result = subprocess.run([sys.executable, '-c', command], cwd=tmp_path, capture_output=True)
    assert result.returncode == 0, result.stderr
    copy = CheckpointLoader.load_checkpoint(str(tmp_path / 'copy.pth'), map_location='cpu')
    assert copy['state_dict']['w'].tolist() == [1, 1]
    assert copy['message_hub']['log_scalars']['train/loss'].current() == 1.0


def test_a_damaged_checkpoint_is_not_called_refused(tmp_path):
    path = tmp_path / 'damaged.pth'
    path.write_bytes(b'not a checkpoint')
    with pytest.raises(Exception) as error:
        CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    assert 'If you trust' not in str(error.value)


# ----------------------------------------------------------------------------- several processes


def test_group_starts_without_cuda(monkeypatch, caplog):
    called = []

    def original(backend, **kwargs):
        torch.cuda.set_device(0)
        called.append((backend, kwargs))

    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    set_device = torch.cuda.set_device
    start = compat._start_on_cpu(original)
    start('gloo', init_backend='torch')
    assert called == [('gloo', dict(init_backend='torch'))] and not caplog.records
    start('nccl')
    assert called[1][0] == 'gloo' and 'instead of nccl' in caplog.text
    assert torch.cuda.set_device is set_device


def test_group_starts_as_always_with_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    set_device = torch.cuda.set_device
    called = []
    compat._start_on_cpu(lambda backend: called.append((backend, torch.cuda.set_device)))('nccl')
    assert called == [('nccl', set_device)]


def test_group_is_closed_at_the_end():
    code = """
import atexit, os
import torch.distributed as dist
atexit.register(lambda: print('open' if dist.is_initialized() else 'closed'))
import insseg3d
from mmengine.dist import init_dist
os.environ.update(RANK='0', LOCAL_RANK='0', WORLD_SIZE='1', CUDA_VISIBLE_DEVICES='')
init_dist('pytorch', backend='gloo', init_method='file://' + os.path.abspath('meeting-point'),
          rank=0, world_size=1)
assert dist.is_initialized()
"""
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [sys.executable, '-c', code], cwd=folder, text=True, capture_output=True
        )
    assert result.returncode == 0 and result.stdout.split()[-1] == 'closed', result.stderr


# ------------------------------------------------------------------------------------- all of it


def test_a_second_time_changes_nothing():
    watched = [
        lambda: dist_utils._init_dist_pytorch,
        lambda: MMDistributedDataParallel.__init__,
        lambda: CheckpointLoader.load_checkpoint.__func__,
        lambda: sys.modules['mmcv._ext'],
        lambda: HistoryBuffer.__getstate__,
        lambda: len(torch.serialization.get_safe_globals()),
    ]
    before = [look() for look in watched]
    compat.apply()
    assert [look() for look in watched] == before
