# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Time and memory of a command are measured; one process at a time holds a folder."""

import fcntl
import sys
import threading

import pytest

from insseg_lab.commands import RunFailed, launch, only_one


def test_launch_measures_and_reports(tmp_path):
    log = tmp_path / 'log'
    with only_one(tmp_path) as lock:
        done = launch([sys.executable, '-c', 'x = bytearray(80_000_000); print(len(x))'], log, lock)
        assert done.memory_mb > 80 and log.read_text() == '80000000\n'
        with pytest.raises(RunFailed, match=r'-c ended with status 3; see .*log'):
            launch([sys.executable, '-c', 'raise SystemExit(3)'], log, lock)


def test_a_folder_is_waited_for_while_an_orphan_works_in_it(tmp_path, capsys):
    """An open file, inherited, is all that an orphan has of the lock."""
    holder = (tmp_path / 'lock').open('w')
    fcntl.flock(holder, fcntl.LOCK_EX)
    threading.Timer(0.3, holder.close).start()
    with only_one(tmp_path):
        assert holder.closed
    assert 'waiting for it' in capsys.readouterr().out
