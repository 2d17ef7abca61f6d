# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""mmdetection3d's own train.py and test.py run this project, from any folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from insseg3d.engine import stock_tools
from insseg3d.engine.installed import import_methods

TOOLS = Path(__file__).parents[2] / 'tools'


def test_the_stock_files_are_those_that_mmdet3d_carries():
    for name in ('train.py', 'test.py'):
        main = stock_tools.stock_main(name)
        path = Path(main.__code__.co_filename)
        assert path.name == name and path.parent.name == 'tools'
        assert 'insseg3d' not in path.read_text()


def test_a_missing_stock_file_is_named():
    with pytest.raises(FileNotFoundError, match='no tools/fly.py'):
        stock_tools.stock_main('fly.py')


ONE_OF_SEVERAL = """
import atexit, sys
import torch.distributed as dist
from insseg3d.engine import stock_tools

def main():
    dist.init_process_group('gloo', init_method='file://' + sys.argv[1], rank=0, world_size=1)
    atexit.register(lambda: print('left', not dist.is_initialized()))
    print('ran')
    assert sys.argv[2] == 'well'

stock_tools.stock_main = lambda name: main
stock_tools.run_stock('test.py')
"""


@pytest.mark.parametrize('how', ['well', 'badly'])
def test_one_of_several_processes_tidies_up_after_a_good_run_only(tmp_path, how):
    result = subprocess.run(
        [sys.executable, '-c', ONE_OF_SEVERAL, tmp_path / 'store', how],
        text=True,
        capture_output=True,
    )
    assert result.returncode == (how == 'badly')
    assert result.stdout.split('\n')[:2] == ['ran', f'left {how == "well"}']
    assert ('AssertionError' in result.stderr) == (how == 'badly')


def test_trains_and_tests_from_another_folder(run_tool, tiny_config, tmp_path):
    result = run_tool(
        'train.py',
        tiny_config,
        '--work-dir',
        'work',
        '--cfg-options',
        'default_hooks.logger.interval=2',
    )
    assert 'Iter(train) [2/2]' in result.stdout
    checkpoint = tmp_path / 'work' / 'iter_2.pth'
    assert (tmp_path / 'work' / 'last_checkpoint').read_text() == str(checkpoint)
    # The checkpoint needs no protection switched off.
    assert torch.load(checkpoint, weights_only=False)['meta']['iter'] == 2
    result = run_tool(
        'test.py', tiny_config, checkpoint, '--work-dir', 'work', '--show-dir', 'shown'
    )
    assert 'Iter(test) [1/1]' in result.stdout
    index, page = sorted(tmp_path.glob('work/*/shown/*.html'))
    assert index.name == 'index.html' and page.name.startswith('scene')
    assert 'AP50' in result.stdout or 'ap_50' in result.stdout.lower()


def test_a_misspelt_key_fails_and_is_named(run_tool, tiny_config):
    result = run_tool(
        'train.py', tiny_config, '--cfg-options', 'model.neck.num_poins=3', check=False
    )
    assert result.returncode != 0 and 'num_poins' in result.stderr


def test_amp_says_that_it_needs_a_gpu(run_tool, tiny_config):
    result = run_tool('train.py', tiny_config, '--amp', check=False)
    assert result.returncode != 0 and 'AmpOptimizerWrapper' in result.stderr


@pytest.mark.parametrize('tool', ['train.py', 'test.py'])
@pytest.mark.parametrize('method', ['queryis', 'hais'])
def test_a_leafs_own_custom_imports_leave_the_methods_registered(tmp_path, tool, method):
    """mmengine replaces the list of the base by that of the leaf; hooks are built after models."""
    (tmp_path / 'my_hook.py').write_text(
        'from mmengine.hooks import Hook\nfrom mmengine.registry import HOOKS\n\n\n'
        '@HOOKS.register_module()\nclass MyHook(Hook):\n'
        '    def __init__(self):\n'
        '        raise SystemExit("the model was built")\n'
    )
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(
        f"_base_ = '{TOOLS.parent}/configs/{method}/{method}-s_demo.py'\n"
        "custom_imports = dict(imports=['my_hook'])\n"
        "custom_hooks = [dict(type='MyHook')]\n"
    )
    result = subprocess.run(
        [sys.executable, TOOLS / tool, leaf, *(['none.pth'] if tool == 'test.py' else [])],
        text=True,
        capture_output=True,
        cwd=tmp_path,
        env=dict(os.environ, PYTHONPATH=tmp_path),
    )
    assert 'the model was built' in result.stderr, result.stderr[-2000:]


def test_no_tool_names_a_package_of_methods():
    """Methods come from the configs: a new one is in no list here."""
    methods = set(import_methods()) - {'insseg3d'}
    assert {'queryis', 'insseg_baselines'} <= methods
    named = re.compile(rf'^\s*(?:import|from) (?:{"|".join(methods)})\b', re.M)
    assert named.search('import queryis  # noqa: F401')
    assert not [path.name for path in TOOLS.glob('*.py') if named.search(path.read_text())]


BUILDERS = {
    'load_config': 'from insseg3d.engine.command import load_config\nload_config({leaf!r})',
    'load_model': 'from insseg3d.apis import load_model\nload_model({leaf!r})',
    'choose_model': (
        'from insseg3d.apis.model_index import choose_model\n'
        'try:\n    choose_model({leaf!r}, "none.pth")\nexcept FileNotFoundError:\n    pass'
    ),
}


@pytest.mark.parametrize('code', BUILDERS.values(), ids=BUILDERS)
def test_what_reads_a_model_imports_all_methods(tmp_path, code):
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(
        f"_base_ = '{TOOLS.parent}/configs/queryis/queryis-s_demo.py'\n"
        "custom_imports = dict(imports=['json'])\n"
    )
    code = code.format(leaf=str(leaf)) + (
        '\nfrom mmdet3d.registry import MODELS\n'
        'assert MODELS.get("QueryISHead") and MODELS.get("HAISHead")\n'
    )
    result = subprocess.run([sys.executable, '-c', code], text=True, capture_output=True)
    assert result.returncode == 0, result.stderr[-2000:]
