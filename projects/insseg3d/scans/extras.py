# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Readers of formats that not everybody has; each is an extra of the package."""
import importlib
from pathlib import Path
from types import ModuleType

from ..datasets.preparation.errors import RawDataError

EXTRAS = {'laspy': 'las', 'lazrs': 'las', 'pypcd4': 'pcd', 'trimesh': 'mesh', 'pandas': 'pandas',
          'selenium': 'test'}
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
            needed_by, f'needs {name}, which is not installed', 'it',
            f'pip install "insseg3d[{EXTRAS[name]}]", or pip install {name}',
        ) from None
