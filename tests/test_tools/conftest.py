# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Fixtures that the tests of several tools share."""

import runpy
import sys

import pytest

from .converting import TOOLS


@pytest.fixture
def run_here(monkeypatch, capsys):
    """Runs one of tools/ in this process; returns exit status, what it prints, errors."""

    def run(tool, *arguments):
        monkeypatch.setattr(sys, 'argv', [str(TOOLS / tool), *map(str, arguments)])
        monkeypatch.syspath_prepend(TOOLS)  # as it is when a file is run
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(TOOLS / tool), run_name='__main__')
        return stop.value.code, *capsys.readouterr()

    return run
