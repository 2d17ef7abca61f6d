# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The backends of the sparse convolutions, and the choice between them."""

import functools
import importlib
import importlib.util
from typing import NamedTuple

import torch
from torch import Tensor

BACKENDS = ('auto', 'torch', 'spconv', 'triton')
MODULES = {'spconv': 'spconv.pytorch', 'triton': 'spconv_triton.pytorch'}
"""Modules of the backends that are other packages; both have the interface of spconv 2."""
PACKAGES = {'spconv': 'spconv', 'triton': 'spconv-triton'}
"""Names of these packages in messages."""


class Choice(NamedTuple):
    """A backend, and why it was chosen.

    Attributes:
        name: One of ``BACKENDS``, but not 'auto'.
        reason: The reason, for people.
    """

    name: str
    reason: str


@functools.lru_cache(None)
def available(name: str) -> bool:
    """Tell whether the package of a backend, 'spconv' or 'triton', can be imported."""
    module = MODULES[name]
    try:
        if importlib.util.find_spec(module.split('.')[0]) is None:
            return False
        importlib.import_module(module)
    except Exception:  # a broken build may raise errors of any class
        return False
    return True


def spconv_available() -> bool:
    """Tell whether spconv 2 is installed and can be imported."""
    return available('spconv')


def choose_backend(backend: str, features: Tensor) -> str:
    """Choose the backend for some features; 'auto' takes that of :func:`best_backend` on a GPU."""
    if backend != 'auto':
        return backend
    return best_backend(features.device).name if features.is_cuda else 'torch'


@functools.lru_cache(None)
def best_backend(device: torch.device) -> Choice:
    """Choose the backend for a device of CUDA or ROCm.

    spconv is chosen where its wheel has code for the device, otherwise spconv-triton, otherwise
    torch, which needs no package.
    """
    spconv = _reason_against_spconv(device)
    if spconv is None:
        return Choice('spconv', 'its wheel has code for this GPU')
    if available('triton'):
        return Choice('triton', f'{spconv}, and spconv-triton is installed')
    return Choice('torch', f'{spconv}, and spconv-triton cannot be imported')


def usable_backends(device: torch.device) -> list[str]:
    """Return the backends that can compute on a device."""
    if device.type == 'cpu':
        return ['torch']
    spconv = ['spconv'] if _reason_against_spconv(device) is None else []
    return ['torch', *spconv, *(['triton'] if available('triton') else [])]


def _reason_against_spconv(device: torch.device) -> str | None:
    """Return why spconv cannot compute on a GPU, or None if it can."""
    if torch.version.hip is not None:
        return 'spconv does not support AMD'
    if not available('spconv'):
        return 'spconv cannot be imported'
    capability = torch.cuda.get_device_capability(device)
    if not spconv_has_code(capability):
        return f'the installed spconv has no code for capability {".".join(map(str, capability))}'
    return None


def spconv_has_code(capability: tuple[int, int]) -> bool:
    """Tell whether the installed wheel of spconv has kernels for a compute capability."""
    try:
        info = importlib.import_module('spconv.core_cc.cumm.common').CompileInfo
        return bool(info.arch_is_compatible(capability))
    except (ImportError, AttributeError):  # another release; its own error will tell
        return True
