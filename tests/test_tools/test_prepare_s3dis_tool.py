# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import pytest

from .converting import TOOLS, contents, kill_midway, load_typed

TOOL = TOOLS / 'prepare_s3dis.py'
typed = load_typed('raw_s3dis')


@pytest.fixture
def run(tmp_path, run_here):
    """Run the tool on a release of three rooms."""
    raw = tmp_path / 'raw'
    raw.mkdir()
    typed.write_release(raw)

    def run(*more):
        return run_here(TOOL.name, '--raw', raw, '--out', tmp_path / 'out', '--workers', '1', *more)

    run.raw = raw
    return run


def test_converts_and_says_what_was_unusual(run, tmp_path):
    status, out, _ = run()
    assert status == 0 and '3 converted, 0 kept, 0 failed' in out
    assert 'release aligned, as it has no files *_alignmentAngle.txt' in out
    assert '3 of the 272 rooms of a whole release' in out
    assert 'Area_1_office_2: stairs_1.txt counts as clutter' in out
    assert (tmp_path / 'out' / 's3dis_infos_Area_5.pkl').is_file()


def test_second_run_says_that_there_is_nothing_to_do(run):
    run()
    status, out, _ = run()
    assert status == 0 and '0 converted, 3 kept' in out and 'Nothing to do' in out


def test_some_areas_and_the_release_can_be_given(run, tmp_path):
    status, out, _ = run('--areas', '5', '--release', 'v1.2')
    assert status == 0 and '1 converted' in out and 'release aligned' not in out
    assert not (tmp_path / 'out' / 's3dis_infos_Area_1.pkl').exists()


def test_failures_are_listed_at_the_end_and_the_status_is_1(run):
    typed.write_room(run.raw, chair_2='1 2 3 4 5\n')
    status, out, errors = run()
    assert status == 1 and '2 converted, 0 kept, 1 failed' in out
    assert 'FAILED Area_1_office_1' in errors and 'chair_2.txt: line 1 has 5 columns' in errors
    assert "No info file was written for ['Area_1']" in errors


def test_what_cannot_be_done_is_one_line_not_a_traceback(run, tmp_path):
    (tmp_path / 'file').write_text('')
    for arguments, message in (
        (['--raw', str(tmp_path / 'none')], 'no folder Area_1'),
        (['--areas', '3'], 'those there are [1, 5]'),
        (['--out', str(tmp_path / 'file' / 'out')], 'Not a directory'),
    ):
        status, _, errors = run(*arguments)
        assert status == 1 and message in errors and 'Traceback' not in errors


def test_killed_process_and_rerun_give_the_bytes_of_an_undisturbed_run(run, tmp_path):
    out = tmp_path / 'out'
    kill_midway(TOOL, '--raw', run.raw, '--out', out)
    assert [part.stat().st_size for part in out.rglob('*.part')] == [10]
    status, printed, _ = run()
    assert status == 0 and '2 converted, 1 kept' in printed
    run('--out', str(tmp_path / 'undisturbed'))
    # Four files a room, two areas with an info file and two of seg_info each, the repairs.
    assert contents(out) == contents(tmp_path / 'undisturbed')
    assert len(contents(out)) == 3 * 4 + 2 * 3 + 1
