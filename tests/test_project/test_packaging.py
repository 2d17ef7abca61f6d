# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The wheel contains the packages here, and the lock files pin what they promise."""

import ast
import configparser
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ('cpu.txt', 'cu118.txt')


def pins(name: str) -> list[Requirement]:
    lines = (ROOT / 'requirements' / name).read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith(('#', '-'))]


def locked(name: str, python: str = '3.11') -> dict[str, str]:
    """{package: version} for a Python version on Linux."""
    environment = dict(
        python_version=python,
        python_full_version=f'{python}.0',
        sys_platform='linux',
        platform_system='Linux',
    )
    found = {}
    for pin in pins(name):
        if pin.marker is None or pin.marker.evaluate(environment):
            key = canonicalize_name(pin.name)
            assert key not in found, f'{name}: {key} is pinned twice for Python {python}'
            found[key] = str(pin.specifier).removeprefix('==')
    return found


@pytest.mark.parametrize('name', LOCKS)
def test_every_line_of_a_lock_pins_one_version(name):
    for pin in pins(name):
        (specifier,) = pin.specifier
        assert specifier.operator == '==' and '*' not in specifier.version


@pytest.mark.parametrize('name', LOCKS)
def test_a_lock_holds_the_same_packages_for_every_python(name):
    backports = {'tomli', 'exceptiongroup'}  # part of Python since 3.11
    names = [locked(name, python).keys() - backports for python in ('3.10', '3.11', '3.12')]
    assert names[0] == names[1] == names[2]


def test_locks_agree_on_what_they_share():
    cpu, cu118 = map(locked, LOCKS)
    assert {name for name in cpu.keys() & cu118.keys() if cpu[name] != cu118[name]} == set()
    assert cpu.keys() - cu118.keys() == {'mmcv-lite', 'spconv', 'cumm'}
    assert cu118.keys() - cpu.keys() == {'mmcv', 'spconv-cu118', 'cumm-cu118'}


def wanted(section: str, key: str) -> list[Requirement]:
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    lines = (line.strip() for line in config[section][key].splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith('#')]


@pytest.mark.parametrize('python', ['3.10', '3.11', '3.12'])
def test_locked_versions_lie_within_the_loose_ranges(python):
    versions = locked('cpu.txt', python)
    ranges = [
        *wanted('options', 'install_requires'),
        *wanted('options.extras_require', 'mmdet3d'),
        *wanted('options.extras_require', 'test'),
    ]
    for requirement in ranges:
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)])


def test_every_dependency_has_its_reason():
    for section in (ROOT / 'setup.cfg').read_text().split('install_requires =')[1:]:
        lines = section.split('\n[')[0].strip().splitlines()
        for previous, line in zip(['', *lines], lines):
            assert line.strip().startswith('#') or previous.strip().startswith('#'), line


def test_everything_imported_is_asked_for():
    modules = set()
    for path in [*(ROOT / 'projects').rglob('*.py'), *(ROOT / 'tools').glob('*.py')]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules.add(node.module.split('.')[0])
    ours = {path.stem for folder in ('projects', 'tools') for path in (ROOT / folder).glob('*')}
    names = {requirement.name for requirement in wanted('options', 'install_requires')}
    # Chosen by whoever installs, see setup.cfg; llvmlite comes with numba, cumm with spconv.
    names |= {'torch', 'mmcv', 'mmdet', 'mmdet3d', 'spconv', 'cumm', 'llvmlite'}
    names = {{'pillow': 'PIL'}.get(name, name) for name in names}
    assert modules - set(sys.stdlib_module_names) - ours == names & modules
    assert not {'torch', 'numpy', 'matplotlib'} - modules


def test_a_wheel_holds_every_file_of_the_packages_that_users_import(tmp_path):
    source = tmp_path / 'source'
    source.mkdir()
    for name in ('setup.cfg', 'pyproject.toml', 'LICENSE'):
        shutil.copy(ROOT / name, source)
    (source / 'README.md').write_text('')
    shutil.copytree(
        ROOT / 'projects',
        source / 'projects',
        ignore=shutil.ignore_patterns('__pycache__', '*.egg-info'),
    )
    subprocess.run(
        [
            sys.executable,
            '-m',
            'pip',
            'wheel',
            '--quiet',
            '--no-deps',
            '--no-build-isolation',
            '-w',
            tmp_path,
            source,
        ],
        check=True,
    )
    (wheel,) = tmp_path.glob('*.whl')
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if '.dist-info/' not in name}
    here = {
        path.relative_to(source / 'projects').as_posix()
        for path in (source / 'projects').rglob('*')
        if path.is_file()
        and not any(part.endswith('.egg-info') for part in path.parts)
        and path.relative_to(source / 'projects').parts[0] not in ('made_rooms', 'insseg_lab')
    }
    assert inside == here


def test_installed_package_needs_no_module_path(tmp_path):
    env = dict(os.environ, PYTHONPATH='')
    code = 'import insseg3d, queryis; print(insseg3d.__file__)'
    result = subprocess.run(
        [sys.executable, '-c', code], env=env, cwd=tmp_path, text=True, capture_output=True
    )
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.strip()).parent.name == 'insseg3d'


STUB = """#!/bin/sh
echo "$0 $@" >> {log}
case "$*" in
    -V) echo "Python 3.11.1" ;;
    *"-m venv"*) for last; do :; done; mkdir -p "$last/bin"; cp "$0" "$last/bin/python" ;;
esac
"""


@pytest.fixture
def make(tmp_path):
    """Runs make in a copy of the project whose interpreter only writes down its calls."""
    log = tmp_path / 'calls'
    for name in ('Makefile', 'setup.cfg', 'pyproject.toml'):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / 'requirements', tmp_path / 'requirements')
    for name in ('python3.11', 'other'):
        (tmp_path / name).write_text(STUB.format(log=log))
        (tmp_path / name).chmod(stat.S_IRWXU)
    chosen = ('PYTHON', 'TORCH_INDEX', 'GPU', 'MAKEFLAGS')
    env = {k: v for k, v in os.environ.items() if k not in chosen}
    env['PATH'] = f'{tmp_path}:{env["PATH"]}'

    def run(*args):
        log.write_text('')
        result = subprocess.run(
            ['make', *args], cwd=tmp_path, env=env, text=True, capture_output=True
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return [
            line
            for line in log.read_text().splitlines()
            if 'pip' in line or 'venv' in line and '-m' in line
        ]

    return run


@pytest.mark.skipif(not shutil.which('make'), reason='needs make')
def test_setup_runs_once_until_something_changes(make, tmp_path):
    first = make('setup')
    assert len(first) == 4 and '-m venv' in first[0]
    lock, torch, project = first[1:]
    assert '--no-deps --only-binary :all: -r requirements/cpu.txt' in lock
    assert '--only-binary :all: -r requirements/torch-cpu.txt' in torch and 'index' not in torch
    assert '--no-deps --no-build-isolation -e .' in project
    assert make('setup') == []
    os.utime(tmp_path / 'requirements' / 'cpu.txt', (2**31, 2**31))
    again = make('setup')  # the same interpreter and torch: the environment stays
    assert len(again) == 3 and not any('uninstall' in line for line in again)


@pytest.mark.skipif(not shutil.which('make'), reason='needs make')
def test_setup_remembers_what_was_chosen(make, tmp_path):
    other = str(tmp_path / 'other')
    calls = make('setup', f'PYTHON={other}', 'TORCH_INDEX=https://example.org/whl')
    assert '--index-url https://example.org/whl' in calls[2] and 'index' not in calls[1]
    assert make('setup') == []
    assert make('setup', 'TORCH_INDEX=') != []


@pytest.mark.skipif(not shutil.which('make'), reason='needs make')
def test_setup_for_a_gpu(make):
    def installs_torch(calls):
        return next(line for line in calls if '--only-binary :all: -r requirements/' in line)

    cpu = 'https://example.org/cpu'
    first = make('setup', f'TORCH_INDEX={cpu}')
    assert f'torch-cpu.txt --index-url {cpu}' in installs_torch(first[2:])
    assert not any('uninstall' in line for line in first)
    # The index for CPUs is forgotten, and its torch removed, which pip would keep.
    calls = make('setup', 'GPU=1')
    (removed,) = (k for k, line in enumerate(calls) if 'uninstall --yes torch' in line)
    line = installs_torch(calls[removed:])
    assert line.endswith('-r requirements/gpu.txt') and cpu not in ' '.join(calls)
    assert make('setup') == []  # the choice is remembered
    index = 'https://example.org/cu126'
    calls = make('setup', 'GPU=1', f'TORCH_INDEX={index}')
    assert any(f'-r requirements/gpu.txt --extra-index-url {index}' in line for line in calls)
    assert any('uninstall' in line for line in calls)
    calls = make('setup', 'GPU=0')
    assert any(line.endswith('-r requirements/torch-cpu.txt') for line in calls)
    assert make('setup') == []


def test_the_lock_of_a_gpu_pins_the_same_torch():
    gpu = {pin.name: str(pin.specifier) for pin in pins('gpu.txt')}
    assert gpu.keys() == {'torch', 'spconv-triton'}
    assert [str(pin.specifier) for pin in pins('torch-cpu.txt')] == [gpu['torch']]
    (extra,) = wanted('options.extras_require', 'triton')
    assert extra.specifier.contains(gpu['spconv-triton'].removeprefix('=='))
