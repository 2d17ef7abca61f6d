# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Commands that are measured, and folders in which one of them works at a time."""

import contextlib
import fcntl
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple


class RunFailed(RuntimeError):
    """A command failed; the message names it and the file of its output."""


class Busy(RuntimeError):
    """Another process works in the folder."""


class Finished(NamedTuple):
    """Duration and memory of a command.

    Attributes:
        seconds: Duration.
        memory_mb: Most memory of one of its processes.
    """

    seconds: float
    memory_mb: float


def launch(command: Sequence[str], log: Path, lock: int) -> Finished:
    """Run a command, and append its output to a file.

    Args:
        command: Words of the command.
        log: File of the output.
        lock: Open file that the command inherits. If this process is killed, the command lives
            on, and with it the lock: no second training starts in the same folder.

    Raises:
        RunFailed: If its exit status is not 0.
    """
    start = time.time()
    with log.open('a') as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, pass_fds=[lock])
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RunFailed(
            f'{Path(command[1]).name} ended with status {process.returncode}; see {log}'
        )
    return Finished(time.time() - start, usage.ru_maxrss * 1024 / 1e6)


@contextlib.contextmanager
def only_one(folder: Path, *, wait: bool = True) -> Iterator[int]:
    """Lock a folder; wait while another process, or an orphan of one, works in it.

    Raises:
        Busy: If one does, and ``wait`` is false.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / 'lock').open('w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise Busy(f'{folder}: another process works here') from None
            print(f'{folder}: another process works here; waiting for it', flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()
