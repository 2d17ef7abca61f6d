# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Compilation works without a writable folder."""

import numba

from insseg3d.ops.native import compiled


def test_compiles_where_nothing_can_be_kept_on_disk(monkeypatch):
    def njit(function=None, *, cache=False):
        if cache:
            raise RuntimeError('cannot cache function: no locator available')
        return function

    monkeypatch.setattr(numba, 'njit', njit)
    assert compiled(len) is len
