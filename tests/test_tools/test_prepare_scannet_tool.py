# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import pytest

from .converting import TOOLS, contents, kill_midway, load_typed

TOOL = TOOLS / 'prepare_scannet.py'
typed = load_typed('raw_scannet')


@pytest.fixture
def run(tmp_path, run_here):
    """Run the tool on a release of two scenes; returns exit status, what it prints, errors."""
    raw = tmp_path / 'raw'
    raw.mkdir()
    typed.write_release(raw, val=('scene0001_00',))

    def run(*more):
        return run_here(TOOL.name, '--raw', raw, '--out', tmp_path / 'out', '--workers', '1', *more)

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


def test_other_label_set_and_superpoints(run, tmp_path):
    (run.raw / typed.LABEL_MAP_NAME).write_text(
        'id\traw_category\n1\twall\n23\tarmchair\n6\tcouch\n'
    )
    target = tmp_path / 'scannet200'
    status, out, _ = run('--label-set', 'scannet200', '--superpoints', '--out', str(target))
    assert status == 0 and '2 converted' in out
    assert (target / 'scannet200_infos_val.pkl').is_file()
    assert (target / 'super_points' / 'scene0001_00.bin').stat().st_size == 8 * 8


def test_killed_process_and_rerun_give_the_bytes_of_an_undisturbed_run(run, tmp_path):
    out = tmp_path / 'out'
    kill_midway(TOOL, '--raw', run.raw, '--out', out)
    assert [part.stat().st_size for part in out.rglob('*.part')] == [10]
    assert not list(out.glob('*.pkl'))
    status, printed, _ = run()
    assert status == 0 and '1 converted, 1 kept' in printed
    run('--out', str(tmp_path / 'undisturbed'))
    assert contents(out) == contents(tmp_path / 'undisturbed') and len(contents(out)) == 14


def test_raw_folder_is_not_written_to(run):
    def state():
        return {path: path.stat().st_mtime_ns for path in [run.raw, *run.raw.rglob('*')]}

    before = state()
    typed_scene = run.raw / 'scans' / 'scene0000_00' / 'scene0000_00.txt'
    assert typed_scene in before
    run('--superpoints')
    assert state() == before
