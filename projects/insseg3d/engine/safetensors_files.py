# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Checkpoints in safetensors files, for every place where mmengine loads a checkpoint."""

import importlib
import json
from types import ModuleType
from typing import Any

from mmengine.runner.checkpoint import CheckpointLoader

_META = 'meta'  # a single key, because several would be written in varying order


@CheckpointLoader.register_scheme(prefixes=r'.*\.safetensors$')
def load_from_safetensors(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read weights, and the ``meta`` of a file that :func:`safetensors_bytes` made.

    Such a file cannot run code.

    Args:
        filename: Path of the file.
        map_location: Device of the tensors; None selects the host.

    Returns:
        ``state_dict`` and ``meta``, which is empty for files of other programs.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The package safetensors is not installed, or the file has another format.
    """
    module = _safetensors('safetensors', filename)
    try:
        with module.safe_open(filename, framework='pt') as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}
            meta = json.loads((file.metadata() or {}).get(_META, '{}'))
    except (module.SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(
            f'{filename}: not a complete safetensors file ({str(error)[:100]}); '
            'download or write it again.'
        ) from None
    if map_location is not None:
        weights = {name: tensor.to(map_location) for name, tensor in weights.items()}
    return without_code(dict(state_dict=weights, meta=meta))


def without_code(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Remove the entry from a checkpoint's meta that mmengine executes on resume.

    That entry is ``config``, the text of a config from an old mmcv. mmengine runs it to find the
    number of GPUs.
    """
    if isinstance(checkpoint.get('meta'), dict):
        checkpoint['meta'].pop('config', None)
    return checkpoint


def safetensors_bytes(checkpoint: dict[str, Any]) -> bytes:
    """Encode a checkpoint's weights and meta as a safetensors file, always with the same bytes.

    Args:
        checkpoint: ``state_dict``, and ``meta`` with values that JSON can hold.

    Raises:
        ValueError: The package safetensors is not installed.
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
