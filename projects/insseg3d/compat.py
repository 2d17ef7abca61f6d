# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Work-arounds for mmcv, mmengine and torch versions: one function each."""
import importlib.util
import sys
import types


class _MissingOps(types.ModuleType):
    """Stands in for ``mmcv._ext``: members fail only when called."""

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)

        def missing(*args, **kwargs):
            raise RuntimeError(f'mmcv operator {name!r} is not compiled')

        return missing


def install_mmcv_stand_in():
    if importlib.util.find_spec('mmcv') is None:
        return
    if importlib.util.find_spec('mmcv._ext') is None:
        sys.modules['mmcv._ext'] = _MissingOps('mmcv._ext')


install_mmcv_stand_in()
