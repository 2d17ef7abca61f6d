# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import importlib.util
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools/prepare_scannet.py'


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


typed = load(ROOT / 'tests/test_insseg3d/test_datasets/raw_scannet.py')


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the tool on a release of two scenes; returns exit status, what it prints, errors."""
    raw = tmp_path / 'raw'
    raw.mkdir()
    typed.write_release(raw, val=('scene0001_00',))

    def run(*more):
        argv = [str(TOOL), '--raw', str(raw), '--out', str(tmp_path / 'out'), '--workers', '1']
        monkeypatch.setattr(sys, 'argv', [*argv, *more])
        monkeypatch.syspath_prepend(TOOL.parent)  # as it is when a file is run
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(TOOL), run_name='__main__')
        return stop.value.code, *capsys.readouterr()

    run.raw = raw
    return run


def test_converts_and_says_so(run, tmp_path):
    status, out, _ = run()
    assert status == 0 and '2 converted, 0 kept, 0 failed' in out
    assert (tmp_path / 'out' / 'scannet_infos_val.pkl').is_file()


def test_second_run_says_that_there_is_nothing_to_do(run):
    run()
    status, out, _ = run()
    assert status == 0 and '0 converted, 2 kept' in out and 'Nothing to do' in out


def test_one_split_only(run, tmp_path):
    run('--splits', 'val')
    assert not (tmp_path / 'out' / 'scannet_infos_train.pkl').exists()


def test_failures_are_listed_at_the_end_and_the_status_is_1(run):
    typed.write_scene(run.raw, **{'.txt': 'nothing\n'})
    status, out, errors = run()
    assert status == 1 and '1 converted, 0 kept, 1 failed' in out
    assert 'FAILED scene0000_00' in errors and 'axisAlignment' in errors
    assert "No info file was written for ['train']" in errors


def test_wrong_raw_folder_is_one_line_not_a_traceback(run, tmp_path):
    status, _, errors = run('--raw', str(tmp_path))
    assert status == 1 and 'scannetv2_test.txt: not found' in errors and 'Traceback' not in errors


def test_target_that_cannot_be_written_is_one_line(run, tmp_path):
    (tmp_path / 'file').write_text('')
    status, _, errors = run('--out', str(tmp_path / 'file' / 'out'))
    assert status == 1 and 'Not a directory' in errors
