# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Readers of formats that not everybody has; each is an extra of the package."""

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from .errors import RawDataError, words_of

EXTRAS = {
    'laspy': 'las',
    'lazrs': 'las',
    'pypcd4': 'pcd',
    'trimesh': 'mesh',
    'pandas': 'pandas',
    'selenium': 'test',
}
"""Module → the extra of setup.cfg that brings it."""


def optional_module(name: str, needed_by: Path | str) -> ModuleType:
    """Import a module of ``EXTRAS``.

    Args:
        name: of the module.
        needed_by: file or call that needs it, for the message.

    Raises:
        RawDataError: it is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise RawDataError(
            needed_by,
            f'needs {name}, which is not installed',
            'it',
            f'pip install "insseg3d[{EXTRAS[name]}]", or pip install {name}',
        ) from None


@contextlib.contextmanager
def reader_of_others(library: str, path: Path) -> Iterator[None]:
    """Around a call of somebody else's reader: whatever it raises is said of the file.

    Nothing of ours belongs inside, as its faults would be said of the file too.

    Args:
        library: whose reader it is.
        path: the file.

    Raises:
        RawDataError: the reader failed.
    """
    try:
        yield
    except (RawDataError, KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a panic of Rust's is no Exception
        raise RawDataError(
            path,
            f'cannot be read as {path.suffix.lower() or "a scan"}: {library} fails on it '
            f'({words_of(error)})',
            'a whole file',
            'Export it again',
        ) from None
