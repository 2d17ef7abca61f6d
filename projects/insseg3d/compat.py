# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Workarounds for versions of mmcv, mmengine, torch and setuptools, one function per symptom.

``import insseg3d`` imports this module first, and importing it applies the cures. Each cure checks
whether it is needed and otherwise changes nothing; calling it again has no effect. No package of
mm* is imported before the stand-in for ``mmcv._ext`` is in place.
"""

import atexit
import contextlib
import functools
import importlib.machinery
import importlib.metadata
import importlib.util
import logging
import os
import pickle
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

CURED = '_insseg3d_cure'


def apply() -> None:
    """Apply every cure that this environment needs."""
    stand_in_for_mmcv_operators()
    find_packages_without_pkg_resources()
    keep_functions_out_of_checkpoints()
    allow_plain_data_in_checkpoints()
    explain_refused_checkpoints()
    distribute_without_cuda()


# ---------------------------------------------------------------- mmcv without compiled operators


class MissingOperators(types.ModuleType):
    """Stand-in for ``mmcv._ext``: every operator exists, and raises when it is called."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith('__'):
            raise AttributeError(name)

        def missing(*args: Any, **kwargs: Any) -> NoReturn:
            raise RuntimeError(
                f"mmcv's compiled operator {name!r} was called, but the mmcv installed here has no "
                'compiled operators (mmcv-lite). Nothing in this project needs one; some parts of '
                'mmdet and mmdet3d do. To get it: `pip uninstall mmcv-lite`, then `MMCV_WITH_OPS=1 '
                'pip install --no-deps --no-build-isolation mmcv==2.1.0`, which takes a C++ '
                'compiler (and nvcc for a GPU) and a quarter of an hour.'
            )

        missing.__name__ = name
        return missing


def stand_in_for_mmcv_operators() -> None:
    """Make mmdet3d importable with mmcv-lite.

    Symptom: ``ModuleNotFoundError: No module named 'mmcv._ext'`` on ``import mmdet3d``. With full
    mmcv, whose compiled module is found next to its Python files, nothing is changed.
    """
    mmcv = importlib.util.find_spec('mmcv')
    if mmcv is None or 'mmcv._ext' in sys.modules:
        return
    # Not find_spec('mmcv._ext'): that would import mmcv.
    if importlib.machinery.PathFinder.find_spec('_ext', mmcv.submodule_search_locations):
        return
    module = MissingOperators('mmcv._ext')
    module.__spec__ = importlib.machinery.ModuleSpec('mmcv._ext', None)
    sys.modules['mmcv._ext'] = module


# --------------------------------------------------------------- setuptools without pkg_resources


def find_packages_without_pkg_resources() -> None:
    """Make mmengine find packages with setuptools >= 82, which no longer has ``pkg_resources``.

    Symptom: ``ModuleNotFoundError: No module named 'pkg_resources'`` from a config that inherits
    from ``mmdet3d::...``.
    """
    if importlib.util.find_spec('pkg_resources') is not None:
        return
    from mmengine.utils import package_utils

    for cure in (is_installed, get_installed_path):
        original = getattr(package_utils, cure.__name__)
        for name, module in list(sys.modules.items()):
            if name.startswith('mmengine') and getattr(module, cure.__name__, None) is original:
                setattr(module, cure.__name__, cure)


def is_installed(package: str) -> bool:
    """Tell whether there is a distribution or an importable module of this name."""
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        spec = importlib.util.find_spec(package)
        return spec is not None and spec.origin is not None
    return True


def get_installed_path(package: str) -> str:
    """Find the folder of an installed package by the name of its distribution or its module.

    Raises:
        importlib.metadata.PackageNotFoundError: There is neither.
    """
    spec = importlib.util.find_spec(package)
    if spec is None:
        modules = importlib.metadata.distribution(package).read_text('top_level.txt') or ''
        spec = importlib.util.find_spec(modules.split('\n')[0]) if modules.strip() else None
    if spec is None or spec.origin is None:
        raise importlib.metadata.PackageNotFoundError(package)
    return os.path.dirname(spec.origin)


# --------------------------------------------------------------- checkpoints under torch >= 2.6


def keep_functions_out_of_checkpoints() -> None:
    """Omit the table of statistics methods from a pickled ``HistoryBuffer``.

    Symptom: with torch >= 2.6, ``--resume`` fails with ``Unsupported global: GLOBAL
    builtins.getattr``. The table belongs to the class; mmengine's ``__setstate__`` rebuilds it.
    """
    from mmengine.logging import HistoryBuffer

    if 'statistics_methods' not in HistoryBuffer().__getstate__():
        return

    def __getstate__(self) -> dict:  # noqa: N807 (it becomes HistoryBuffer.__getstate__)
        return {key: value for key, value in self.__dict__.items() if key != 'statistics_methods'}

    HistoryBuffer.__getstate__ = __getstate__


def allow_plain_data_in_checkpoints() -> None:
    """Register the harmless classes of mmengine's checkpoints as safe to load.

    Symptom: with torch >= 2.6, ``--resume`` fails with ``Unsupported global: GLOBAL
    mmengine.logging.history_buffer.HistoryBuffer`` or a name of numpy's. All of them only hold
    numbers. ``builtins.getattr`` must never be added: with it, a file can reach any function.
    """
    import torch

    if _version(torch.__version__) < (2, 6):
        return  # weights_only is not the default there
    import numpy as np
    from mmengine.logging import HistoryBuffer

    multiarray = importlib.import_module(
        'numpy.core.multiarray' if _version(np.__version__) < (2, 0) else 'numpy._core.multiarray'
    )
    # numpy 1 and 2 write different names for the same function; a file may come from either.
    functions = [
        (getattr(multiarray, name), f'numpy.{core}.multiarray.{name}')
        for core in ('core', '_core')
        for name in ('_reconstruct', 'scalar')
    ]
    dtypes = {type(np.dtype(code)) for code in '?bBhHiIlLqQefd'}
    torch.serialization.add_safe_globals([HistoryBuffer, np.ndarray, np.dtype, *functions, *dtypes])


def explain_refused_checkpoints() -> None:
    """Add the remedy to the error for a checkpoint that torch >= 2.6 refuses.

    Symptom: a file written by mmengine without :func:`keep_functions_out_of_checkpoints` fails
    with a page of text that advises switching the protection off.
    """
    from mmengine.runner.checkpoint import CheckpointLoader

    original = CheckpointLoader.load_checkpoint.__func__
    if hasattr(original, CURED):
        return

    @functools.wraps(original)
    def load_checkpoint(cls, filename, map_location=None, logger='current'):
        try:
            return original(cls, filename, map_location, logger)
        except pickle.UnpicklingError as error:
            refused = str(error).split('Unsupported global: GLOBAL ')[1:]
            if not refused:
                raise
            raise RuntimeError(
                f'{filename}: torch refuses to read {refused[0].split(" ")[0]!r} from this file, '
                'because it can run code. A checkpoint that mmengine wrote without `import '
                'insseg3d` holds such a name in its log. If you trust whoever wrote the file, use '
                'a harmless copy: python -c "from insseg3d.compat import '
                f"rewrite_checkpoint; rewrite_checkpoint('{filename}', 'copy.pth')\""
            ) from error

    setattr(load_checkpoint, CURED, True)
    CheckpointLoader.load_checkpoint = classmethod(load_checkpoint)


def rewrite_checkpoint(source: str, target: str) -> None:
    """Copy a checkpoint of mmengine without the functions in its log.

    This reads ``source`` without torch's protection. Use it only if you trust whoever wrote it.
    """
    import torch

    checkpoint = torch.load(source, map_location='cpu', weights_only=False)
    torch.save(checkpoint, target)


# ------------------------------------------------------------- several processes without a GPU


def distribute_without_cuda() -> None:
    """Make mmengine train with several CPU processes.

    Symptoms, in the order in which they appear: ``AttributeError`` or ``RuntimeError`` from
    ``torch.cuda.set_device``, which mmengine calls whatever the backend; nccl, mmengine's default,
    which needs a GPU; ``DistributedDataParallel device_ids ... only work with ... GPU
    modules``; and, now and then at the very end, ``terminate called without an active exception``,
    because the group is not closed. Where CUDA is available, the originals run unchanged.
    """
    from mmengine.dist import utils
    from mmengine.model import MMDistributedDataParallel

    for name in ('_init_dist_pytorch', '_init_dist_mpi', '_init_dist_slurm'):
        original = getattr(utils, name)
        if not hasattr(original, CURED):
            setattr(utils, name, _start_on_cpu(original))
    if not hasattr(MMDistributedDataParallel.__init__, CURED):
        MMDistributedDataParallel.__init__ = _wrap_on_cpu(MMDistributedDataParallel.__init__)


def _start_on_cpu(original: Callable[..., None]) -> Callable[..., None]:

    @functools.wraps(original)
    def start(backend: str, *args: Any, **kwargs: Any) -> None:
        import torch

        if torch.cuda.is_available():
            original(backend, *args, **kwargs)
            return
        if backend == 'nccl':
            logging.getLogger(__name__).warning(
                'No CUDA device: the processes communicate through gloo instead of nccl.'
            )
            backend = 'gloo'
        with _no_set_device():
            original(backend, *args, **kwargs)
        atexit.register(_leave_group)

    setattr(start, CURED, True)
    return start


def _leave_group() -> None:
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()


@contextlib.contextmanager
def _no_set_device() -> Iterator[None]:
    import torch

    original = torch.cuda.set_device
    torch.cuda.set_device = lambda device: None
    try:
        yield
    finally:
        torch.cuda.set_device = original


def _wrap_on_cpu(original: Callable[..., None]) -> Callable[..., None]:

    @functools.wraps(original)
    def __init__(self, module, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        if all(parameter.device.type == 'cpu' for parameter in module.parameters()):
            kwargs['device_ids'] = None
        original(self, module, *args, **kwargs)

    setattr(__init__, CURED, True)
    return __init__


def _version(text: str) -> tuple[int, int]:
    """Parse the first two numbers of a version: '2.13.0+cpu' -> (2, 13)."""
    major, minor = text.split('.')[:2]
    return int(major), int(minor)


apply()
