# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Helpers that the tests of the converters' command lines share."""

import importlib.util
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / 'tools'


def load_typed(name):
    """The module with raw files typed by hand."""
    path = ROOT / 'tests/test_insseg_preparation' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


# Stands still in the middle of the second scene, with half a file written, until it is killed.
STANDS_STILL = """
import os, runpy, sys, time
import insseg_preparation.storage as storage
calls = []
def still(descriptor):
    calls.append(descriptor)
    if len(calls) == 6:
        os.ftruncate(descriptor, 10)
        print('ready', flush=True)
        time.sleep(600)
storage.os.fsync = still
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def kill_midway(tool, *arguments):
    """Run a converter in a process of its own, and kill it as it writes its sixth file."""
    command = [sys.executable, '-c', STANDS_STILL, tool, *arguments, '--workers', '1']
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while 'ready' not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
