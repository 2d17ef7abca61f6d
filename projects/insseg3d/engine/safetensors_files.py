# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Checkpoints in files of safetensors, wherever mmengine loads a checkpoint."""

import importlib
import json
from types import ModuleType
from typing import Any

from mmengine.runner.checkpoint import CheckpointLoader

_META = 'meta'  # a single key: with several, their order, and so the bytes, would change


@CheckpointLoader.register_scheme(prefixes=r'.*\.safetensors$')
def load_from_safetensors(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read weights, and the ``meta`` of a file that :func:`safetensors_bytes` made.

    Nothing in such a file can be run.

    Args:
        filename: the file.
        map_location: device of the tensors; None: the host.

    Returns:
        ``state_dict`` and ``meta``, which is empty in files of other programs.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: safetensors is not installed, or this is no file of it.
    """
    module = _safetensors('safetensors', filename)
    try:
        with module.safe_open(filename, framework='pt') as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}
            meta = json.loads((file.metadata() or {}).get(_META, '{}'))
    except (module.SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(
            f'{filename}: not a whole file of safetensors ({str(error)[:100]}); '
            'download or write it again.'
        ) from None
    if map_location is not None:
        weights = {name: tensor.to(map_location) for name, tensor in weights.items()}
    return without_code(dict(state_dict=weights, meta=meta))


def without_code(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Take out of a checkpoint's meta what mmengine would execute when a training is resumed.

    That is ``config``, the text of a config as an old mmcv left it, read for a number of GPUs.
    """
    if isinstance(checkpoint.get('meta'), dict):
        checkpoint['meta'].pop('config', None)
    return checkpoint


def safetensors_bytes(checkpoint: dict[str, Any]) -> bytes:
    """The content of a file with a checkpoint's weights and its meta; the same every time.

    Args:
        checkpoint: ``state_dict``, and ``meta`` of what JSON can hold.

    Raises:
        ValueError: safetensors is not installed.
    """
    weights = {name: tensor.contiguous() for name, tensor in checkpoint['state_dict'].items()}
    return _safetensors('safetensors.torch', 'a .safetensors file').save(
        weights, metadata={_META: json.dumps(checkpoint['meta'])}
    )


def _safetensors(name: str, needed_by: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ValueError(
            f'{needed_by}: needs safetensors, which is not installed; '
            'pip install "insseg3d[safetensors]", or pip install safetensors.'
        ) from None
