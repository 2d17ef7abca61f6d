# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""C functions compiled by numba, run on torch's own thread pool.

A kernel is a function of one int64 array of arguments (numbers and addresses). It draws its tasks
from the counter in the first argument, so that any number of threads may run it at once. numba's
own threading layers, which cannot be entered from two Python threads at once and compete with
torch's threads for the cores, are never used.
"""

import ctypes
import functools
import os
import warnings
from collections.abc import Callable

import numpy as np
import torch


def compiled(function: Callable) -> Callable:
    """Compile a function with numba at its first call; kept on disk where a folder allows it."""
    from numba import njit

    try:
        return njit(cache=True)(function)
    except (RuntimeError, OSError):  # no folder that numba could write to
        return njit(function)


def compile_kernels(load: Callable[[], tuple]) -> tuple | None:
    """Compile what ``load()`` returns, a tuple of Python functions; None if that fails.

    ``load`` imports numba itself, so that a failing import only costs speed.
    """
    try:
        return tuple(_compile(function) for function in load())
    except Exception as error:  # whatever numba or LLVM stumbles over, torch can do the work
        warnings.warn(
            'compiling fast CPU kernels failed, slower torch operators are used: '
            f'{type(error).__name__}: {error}',
            stacklevel=2,
        )
        return None


def _compile(function: Callable):
    from numba import cfunc, types

    signature = types.void(types.CPointer(types.int64))
    try:
        return cfunc(signature, cache=True)(function)
    except (RuntimeError, OSError):  # no folder that numba could write to
        return cfunc(signature)(function)


def run(kernel, arguments: list[int], tasks: int) -> None:
    """Call a kernel on up to torch's number of threads.

    With one thread, as in a worker of the data loader, the pool is not touched: a forked process
    must not enter the pool of its parent.

    Args:
        kernel: from :func:`compile_kernels`.
        arguments: what follows the counter.
        tasks: number of tasks, no more threads than that are of use.
    """
    array = np.array([0, *arguments], np.int64)
    threads, pool = min(torch.get_num_threads(), tasks), _thread_pool()
    if threads > 1 and pool is not None:
        pool(kernel.address, array.ctypes.data, threads, 0)
    elif tasks > 0:
        kernel.ctypes(array.ctypes.data_as(ctypes.POINTER(ctypes.c_int64)))


@functools.lru_cache(None)
def _thread_pool():
    """libgomp's entry to the thread pool that torch itself uses, or None.

    A second pool would fight with torch's for the cores, as each keeps spinning for a while after
    its work. An OpenMP library without this entry (macOS) leaves the kernels on one thread.
    """
    folder = os.path.join(os.path.dirname(torch.__file__), 'lib')
    try:
        entry = ctypes.CDLL(os.path.join(folder, 'libtorch_cpu.so')).GOMP_parallel
    except (OSError, AttributeError):
        return None
    entry.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    entry.restype = None
    return entry
