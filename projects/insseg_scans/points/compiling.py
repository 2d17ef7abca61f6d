# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Functions compiled by numba, for files of text and of lists."""

from collections.abc import Callable


def compiled(function: Callable) -> Callable:
    """Compile a function at its first call; cached on disk if a folder is writable."""
    from numba import njit

    try:
        return njit(cache=True)(function)
    except (RuntimeError, OSError):  # numba has no writable folder
        return njit(function)
