# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Optional readers of formats; each is an extra of the package."""

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
"""Extra of setup.cfg that installs each module."""


def optional_module(name: str, needed_by: Path | str) -> ModuleType:
    """Import a module of ``EXTRAS``.

    Args:
        name: Name of the module.
        needed_by: File or call that needs the module, for the message.

    Raises:
        RawDataError: If the module is not installed; the message names the extra.
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
    """Wrap a call of a third-party reader, and attribute each of its errors to the file.

    The block must not contain code of this project, because its errors would be attributed to the
    file too.

    Args:
        library: Name of the reader's library.
        path: Path of the file.

    Raises:
        RawDataError: If the reader fails.
    """
    try:
        yield
    except (RawDataError, KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a panic in Rust is not an Exception
        raise RawDataError(
            path,
            f'cannot be read as {path.suffix.lower() or "a scan"}: {library} fails on it '
            f'({words_of(error)})',
            'a whole file',
            'Export it again',
        ) from None
