# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""C functions compiled by numba, run on torch's own thread pool.

A kernel is a function of one int64 array of arguments (numbers and addresses). It takes its tasks
from the counter in the first argument; any number of threads may run it at once. numba's own
threading layers are not used, because they cannot be entered from two Python threads at once and
compete with torch's threads for the cores.
"""

import ctypes
import functools
import os
import warnings
from collections.abc import Callable

import numpy as np
import torch


def compiled(function: Callable) -> Callable:
    """Compile a function with numba at its first call; cached on disk if a folder is writable."""
    from numba import njit

    try:
        return njit(cache=True)(function)
    except (RuntimeError, OSError):  # numba has no writable folder
        return njit(function)


def compile_kernels(load: Callable[[], tuple]) -> tuple | None:
    """Compile the Python functions that ``load()`` returns as a tuple; None if that fails.

    ``load`` itself imports numba; if the import fails, only speed is lost.
    """
    try:
        return tuple(_compile(function) for function in load())
    except Exception as error:  # if numba or LLVM fails for any reason, torch does the work
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
    except (RuntimeError, OSError):  # numba has no writable folder
        return cfunc(signature)(function)


def run(kernel, arguments: list[int], tasks: int) -> None:
    """Run a kernel on up to torch's number of threads.

    With one thread, for example in a worker of the data loader, the pool is not used: a forked
    process must not enter the pool of its parent.

    Args:
        kernel: Kernel from :func:`compile_kernels`.
        arguments: Arguments after the counter.
        tasks: Number of tasks; at most this many threads are used.
    """
    array = np.array([0, *arguments], np.int64)
    threads, pool = min(torch.get_num_threads(), tasks), _thread_pool()
    if threads > 1 and pool is not None:
        pool(kernel.address, array.ctypes.data, threads, 0)
    elif tasks > 0:
        kernel.ctypes(array.ctypes.data_as(ctypes.POINTER(ctypes.c_int64)))


@functools.lru_cache(None)
def _thread_pool():
    """Return libgomp's entry to the thread pool that torch itself uses, or None.

    A second pool would compete with torch's for the cores, because the threads of a pool keep
    spinning for a while after their work. If the OpenMP library has no such entry (macOS), kernels
    run on one thread.
    """
    folder = os.path.join(os.path.dirname(torch.__file__), 'lib')
    try:
        entry = ctypes.CDLL(os.path.join(folder, 'libtorch_cpu.so')).GOMP_parallel
    except (OSError, AttributeError):
        return None
    entry.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    entry.restype = None
    return entry
