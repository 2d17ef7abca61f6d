# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""docs/adding-a-method.md, followed to the letter outside the repository."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / 'docs' / 'adding-a-method.md').read_text()
SHORT = ('train_cfg.max_iters=2', 'train_cfg.val_interval=2')


def files_of(page):
    """{path: content} of the files that the page shows: each block follows a line with its path."""
    blocks = re.findall(r'`(blobs/[\w/.-]+)`[^`]*?\n\n```\w+\n(.*?)```', page, re.DOTALL)
    return dict(blocks)


@pytest.fixture
def installed(tmp_path):
    """The package of the page, built and installed into a folder of its own."""
    (tmp_path / '3d-queryis').symlink_to(ROOT, target_is_directory=True)
    for name, content in files_of(PAGE).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    site = tmp_path / 'site'
    subprocess.run(
        [
            *(sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps'),
            *('--no-build-isolation', '--target', site, tmp_path / 'blobs'),
        ],
        check=True,
    )
    return tmp_path


def run(folder, data, tool, *args):
    env = dict(
        os.environ,
        PYTHONPATH=os.pathsep.join([str(folder / 'site'), str(ROOT / 'projects')]),
        INSSEG3D_DATA=str(data),
    )
    result = subprocess.run(
        [sys.executable, ROOT / 'tools' / tool, *args],
        env=env,
        cwd=folder,
        text=True,
        capture_output=True,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-3000:]
    return result.stdout


def test_the_page_shows_every_file_of_its_tree():
    tree = PAGE.split('## The folder')[1].split('```')[1]
    names = [line.strip() for line in tree.split('blobs/\n')[1].splitlines() if line.strip()]
    assert {f'blobs/{name}' for name in names} == files_of(PAGE).keys()


def test_a_package_made_by_the_page_alone_trains_and_tests(installed, tiny_data):
    leaf = installed / 'blobs' / 'configs' / 'blobs-s_demo.py'
    out = run(
        *(installed, tiny_data, 'train.py', leaf, '--work-dir', 'work', '--cfg-options', *SHORT),
        'default_hooks.checkpoint.interval=2',
        'default_hooks.logger.interval=1',
    )
    assert 'Iter(train) [2/2]' in out and 'loss_cls' in out
    out = run(
        *(installed, tiny_data, 'test.py', leaf, 'work/iter_2.pth', '--work-dir', 'work'),
    )
    assert 'AP50' in out
