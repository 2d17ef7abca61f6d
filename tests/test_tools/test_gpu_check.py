# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The check of a GPU: its parts, their limits, and what is kept of them. No GPU is needed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from insseg_lab.gpu_check import METHODS, Part, as_table, plan, report, run_part, run_parts

ROOT = Path(__file__).parents[2]


def code(text):
    return ('-c', text)


def test_parts_name_files_that_exist_and_share_the_time(tmp_path):
    parts = list(plan(tmp_path, device='cuda', backends=['torch'], seconds=480, points=150_000))
    names = [part.name for part in parts]
    assert names[:3] == ['environment', 'tests', 'speed-s'] and names[-1] == 'training'
    assert len(set(names)) == len(names) and 'speed-s-torch' in names
    words = [word for part in parts for word in part.command]
    files = {word for word in words if word.startswith(('tools/', 'configs/'))}
    assert len(files) > 2 * len(METHODS) and all((ROOT / file).is_file() for file in files)
    assert all(0 < part.seconds <= 480 for part in parts)


@pytest.mark.parametrize(
    'text, state, tail',
    [
        ('print("all", "well")', 'done', 'all well'),
        ('raise SystemExit("no")', 'failed', 'no'),
        ('import time; print("begun", flush=True); time.sleep(60)', 'out of time', 'begun'),
    ],
)
def test_what_becomes_of_a_part(text, state, tail):
    outcome = run_part(Part('x', code(text), 60), 3)
    assert outcome.state == state and outcome.tail.strip() == tail and outcome.figures is None
    assert outcome.seconds < 30


def test_figures_are_kept_and_no_path_of_the_machine(tmp_path):
    path = tmp_path / 'x.json'
    text = f'import os; print(os.getcwd()); open({str(path)!r}, "w").write("[1, 2]")'
    outcome = run_part(Part('x', code(text), 60, path), 30)
    assert outcome.figures == [1, 2] and outcome.tail.strip() == '.'


def test_a_file_that_is_not_complete_and_a_folder_of_files(tmp_path):
    path = tmp_path / 'x.json'
    text = f'open({str(path)!r}, "w").write("[1, 2"); raise SystemExit(3)'
    outcome = run_part(Part('x', code(text), 60, path), 30)
    assert outcome.state == 'failed' and outcome.figures is None
    (tmp_path / 'b.json').write_text('{"AP": 0.5}')
    outcome = run_part(Part('x', code(''), 60, tmp_path), 30)
    assert outcome.figures == {'b': {'AP': 0.5}, 'x': None}


def test_a_check_that_a_person_ends_leaves_no_process(monkeypatch):
    class Process(subprocess.Popen):
        def wait(self, timeout=None):
            if timeout is not None:
                begun.append(self)
                raise KeyboardInterrupt
            return super().wait()

    begun = []
    monkeypatch.setattr(subprocess, 'Popen', Process)
    with pytest.raises(KeyboardInterrupt):
        run_part(Part('x', code('import time; time.sleep(60)'), 60), 30)
    assert begun[0].poll() is not None


def test_no_part_begins_after_the_time(tmp_path):
    parts = [Part(name, code('import time; time.sleep(2)'), 60) for name in 'abc']
    states = [outcome.state for _, outcome in run_parts(parts, 6)]
    assert states == ['done', 'not begun', 'not begun']


def test_the_report_shows_totals_and_ratios(tmp_path):
    path = tmp_path / 'speed.json'
    rows = [
        dict(config=f'configs/a/{name}_1xb10.py', stages_ms=dict(total=total))
        for name, total in (('queryis-s', 40.0), ('hais-s', 60.0))
    ]
    path.write_text(json.dumps(rows))
    part = Part('speed-s', code('print("ready")'), 60, path)
    found = report('cpu', [(part, run_part(part, 30))])
    assert found['parts']['speed-s']['state'] == 'done' and found['versions']['torch']
    assert json.loads(json.dumps(found)) == found
    table = as_table(found)
    assert 'ready' in table and '60.0    1.50 x' in table and '40.0    1.00 x' in table


def test_without_a_gpu_it_ends_at_once_and_a_part_runs_on_a_cpu(here, tmp_path):
    if not torch.cuda.is_available():
        run = here('gpu_check')
        assert run.returncode == 2 and 'finds no GPU' in run.stderr
    run = here('gpu_check', '--device', 'cpu', '--only', 'nothing')
    assert run.returncode == 2 and '--only nothing: no part begins so' in run.stderr
    run = here('gpu_check', '--device', 'cpu', '--only', 'environment', '--out', 'out')
    assert run.returncode == 0 and 'environment: done' in run.stdout
    found = json.loads((tmp_path / 'out' / 'cpu.json').read_text())
    assert list(found['parts']) == ['environment']
    assert sys.version.split()[0] in found['parts']['environment']['tail']
    assert 'environment' in (tmp_path / 'out' / 'cpu.txt').read_text()
