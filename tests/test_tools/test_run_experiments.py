# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The lists name leaves that are here; a killed runner goes on where it was."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from insseg_lab.experiments.lists import read_list, read_seeds
from insseg_lab.provenance import command_line

ROOT = Path(__file__).parents[2]
LISTS = sorted((ROOT / 'configs' / 'experiments').glob('*.txt'))
LEAF = 'configs/queryis/queryis-s_1xb10-150k_scannet.py'


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'tools')
    import run_experiments

    return run_experiments


@pytest.mark.parametrize('path', LISTS, ids=lambda path: path.stem)
def test_lists_name_leaves(path):
    leaves = read_list(path)
    assert len(leaves) == len(set(leaves)) >= 3


def test_table_4_has_its_five_rows():
    table = json.loads((ROOT / 'docs' / 'paper_tables.json').read_text())['table4']['rows']
    leaves = read_list(ROOT / 'configs' / 'experiments' / 'table4.txt')
    assert [leaf.stem for leaf in leaves] == [row['leaf'] for row in table]


def test_a_line_that_is_no_leaf(tmp_path):
    path = tmp_path / 'list.txt'
    path.write_text(f'{LEAF}  # fine\n\nconfigs/nothing/*.py\n')
    with pytest.raises(ValueError, match=r"found 'configs/nothing/\*.py', which is no leaf"):
        read_list(path)
    path.write_text('# nothing\n')
    with pytest.raises(ValueError, match='names no leaf'):
        read_list(path)


def test_seeds():
    assert read_seeds('0,2, 5') == [0, 2, 5]
    with pytest.raises(ValueError, match="found 'a', expected numbers"):
        read_seeds('a')


def test_command_names_no_folder_outside(tool, tmp_path):
    args = tool.parse_args(
        [
            str(ROOT / 'configs/experiments/fig4.txt'),
            '--budget',
            'cpu',
            '--out',
            str(tmp_path / 'runs'),
            '--iterations',
            '9',
        ]
    )
    assert command_line(tool.words_of(args), ROOT) == (
        'python tools/run_experiments.py configs/experiments/fig4.txt --budget cpu --seeds 0 '
        '--out runs --iterations 9'
    )
    assert command_line(['a b', '../x/y', 'work_dirs/a', ROOT / 'docs'], ROOT / 'docs').endswith(
        'y work_dirs/a .'
    )
    assert command_line(['--json=/any/where/x.json', '--repeat=5', '--a=b/c'], ROOT) == (
        '--json=x.json --repeat=5 --a=b/c'
    )


@pytest.mark.slow
def test_goes_on_after_being_killed(tmp_path):
    """Killed in the midst of a training, with it; started again it trains the rest and tests."""
    (tmp_path / 'list.txt').write_text(f'{LEAF}\n')
    command = [
        sys.executable,
        str(ROOT / 'tools' / 'run_experiments.py'),
        'list.txt',
        '--budget',
        'cpu-small',
        '--out',
        'out',
        '--iterations',
        '40',
        '--train-rooms',
        '2',
        '--held-out-rooms',
        '1',
        '--workers',
        '0',
    ]
    env = dict(os.environ, CUDA_VISIBLE_DEVICES='')
    process = subprocess.Popen(command, cwd=tmp_path, env=env, start_new_session=True)
    run = tmp_path / 'out' / 'runs' / f'queryis_{Path(LEAF).stem}_seed0'
    pointer = run / 'train' / 'last_checkpoint'
    while not pointer.exists() and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = int(Path(pointer.read_text()).stem.removeprefix('iter_'))
    assert 0 < done < 40 and not (tmp_path / 'out' / 'results').exists()
    again = subprocess.run(command, cwd=tmp_path, env=env, text=True, capture_output=True)
    assert again.returncode == 0, again.stdout + again.stderr
    assert 'making' not in again.stdout and '1 runs are done, 0 failed' in again.stdout
    found = json.loads((tmp_path / 'out' / 'results' / f'{run.name}.json').read_text())
    assert found['budget']['iterations'] == 40 and found['seconds_train'] > 0
    assert f'Training continues at draw {2 * done};' in (run / 'train.log').read_text()
