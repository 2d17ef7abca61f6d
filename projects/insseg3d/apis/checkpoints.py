# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Checkpoints: reading, strict loading, and publishing."""

import hashlib
import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import mmengine
import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader

from ..engine import safetensors_bytes

_KEPT_META = ('epoch', 'iter', 'experiment_name')
_PRIVATE = ('work_dir', 'load_from', 'resume', 'launcher')  # specific to a machine or a run
TRAINING_ONLY = ('auxiliary', 'decode_head.pilots')
"""Parts of a model that have no effect in a test, by their keys in its config and its weights."""


class Checkpoint(NamedTuple):
    """Weights and their metadata.

    Attributes:
        path: Path of the file, for messages.
        state_dict: Tensors by name, on the host.
        meta: ``cfg``, the text of a config, and ``dataset_meta`` with ``classes`` and ``palette``,
            if the file has them.
    """

    path: str
    state_dict: dict[str, torch.Tensor]
    meta: dict[str, Any]

    @property
    def dataset_meta(self) -> dict[str, Any]:
        """``classes`` and ``palette`` of the training; empty if unknown."""
        return dict(self.meta.get('dataset_meta') or {})


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint of a training or a published one, ``.pth`` or ``.safetensors``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a checkpoint, or could run code.
    """
    if not Path(path).is_file() and '://' not in str(path):
        raise FileNotFoundError(
            f'{path}: no such checkpoint. `make demo` trains a small model in minutes, found by '
            'the name demo; tools/train.py trains those of configs/.'
        )
    content = _content(path)
    try:
        weights = _checked_weights(content)
        meta = _checked_meta(content.get('meta'))
    except ValueError as error:
        raise _not_a_checkpoint(path, error) from None
    return Checkpoint(str(path), weights, meta)


def _not_a_checkpoint(path: str | Path, reason: object) -> ValueError:
    told = ' '.join(str(reason).split())[:200]
    return ValueError(
        f'{path}: not a checkpoint ({told}); expected what tools/train.py or '
        'tools/publish_model.py wrote.'
    )


def _content(path: str | Path) -> dict[str, Any]:
    try:
        content = CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    except (OSError, MemoryError):
        raise
    except ValueError as error:
        raise _not_a_checkpoint(path, error) from None
    except Exception as error:  # a damaged file makes torch raise errors of many classes
        if isinstance(error.__cause__, pickle.UnpicklingError):  # the message names the code
            raise ValueError(str(error)) from None
        raise _not_a_checkpoint(path, 'another format, damaged, or cut off') from None
    if not isinstance(content, dict):
        raise _not_a_checkpoint(path, f'it contains a {type(content).__name__}')
    return content


def _checked_weights(content: dict[str, Any]) -> dict[str, torch.Tensor]:
    given = content.get('state_dict', content)
    if (
        not isinstance(given, dict)
        or not given
        or not all(
            isinstance(name, str) and isinstance(value, torch.Tensor)
            for name, value in given.items()
        )
    ):
        raise ValueError('it contains no weights')
    weights = {name.removeprefix('module.'): value for name, value in given.items()}
    if len(weights) < len(given):
        raise ValueError('it contains several weights of the same name')
    return weights


def _checked_meta(meta: Any) -> dict[str, Any]:
    """Return the metadata of a checkpoint; reject values of unexpected types."""
    meta = {} if meta is None else meta
    if not isinstance(meta, dict):
        raise ValueError('its meta is not a dict')
    if not isinstance(meta.get('cfg', ''), str):
        raise ValueError('its meta.cfg is not text')
    told = meta.get('dataset_meta') or {}
    if not isinstance(told, dict):
        raise ValueError('its meta.dataset_meta is not a dict')
    names, palette = told.get('classes'), told.get('palette')
    if names is not None and not (
        isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names)
    ):
        raise ValueError('its meta.dataset_meta.classes are not names')
    if palette is not None and np.array(palette).shape[1:] != (3,):
        raise ValueError('its meta.dataset_meta.palette has no colours (r, g, b)')
    return dict(meta)


def load_weights(model: torch.nn.Module, checkpoint: Checkpoint, num_classes: int) -> None:
    """Load all weights of a model for a test; mmengine's loader only logs mismatches.

    Parts that only a training needs are not loaded. If one is in the model or in the checkpoint
    alone, the log names it.

    Args:
        model: Model; the checkpoint must hold all of its other parameters and buffers.
        checkpoint: Checkpoint with exactly these weights.
        num_classes: Number of classes that the model was built for.

    Raises:
        ValueError: Names or shapes differ. The message lists the differences.
    """
    remedy = 'Use the config that it was trained with'
    remedy += '; it is inside: leave out the model.' if 'cfg' in checkpoint.meta else '.'
    names = checkpoint.dataset_meta.get('classes')
    if names is not None and len(names) != num_classes:
        raise ValueError(
            f'{checkpoint.path}: trained for {len(names)} classes ({", ".join(names[:4])}, …), the '
            f'config has {num_classes}. {remedy}'
        )
    own, spare = _without_training_parts(model.state_dict())
    given, left = _without_training_parts(checkpoint.state_dict)
    missing = [name for name in own if name not in given]
    unknown = [name for name in given if name not in own]
    other = [
        f'{name} {tuple(given[name].shape)} instead of {tuple(own[name].shape)}'
        for name in own
        if name in given and given[name].shape != own[name].shape
    ]
    if missing or unknown or other:
        kinds = {'missing': missing, 'unknown': unknown, 'of other shapes': other}
        found = [
            f'{len(names)} {kind} ({names[0]}{", …" if len(names) > 1 else ""})'
            for kind, names in kinds.items()
            if names
        ]
        raise ValueError(
            f'{checkpoint.path}: does not fit the config; of {len(own)} weights '
            f'{", ".join(found)}. {remedy}'
        )
    model.load_state_dict(given, strict=False)
    _tell(checkpoint.path, [part for part in left if part not in spare], 'were left out')
    _tell(checkpoint.path, [part for part in spare if part not in left], 'are missing')


def _tell(path: str, parts: list[str], what: str) -> None:
    """Log which parts of a checkpoint and its model differ."""
    if parts:
        print_log(
            f'{path}: weights of {", ".join(parts)} {what}; they have no effect in a test',
            logger='current',
        )


def _without_training_parts(
    weights: dict[str, torch.Tensor],
) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Return the weights that a test needs, and the other parts that the given ones contain."""
    starts = {part: f'{part}.' for part in TRAINING_ONLY}
    kept = {k: v for k, v in weights.items() if not k.startswith(tuple(starts.values()))}
    parts = [part for part, start in starts.items() if any(k.startswith(start) for k in weights)]
    return kept, parts


def published(
    checkpoint: Checkpoint, config: Config, dataset_meta: dict[str, Any], *, half: bool = False
) -> dict:
    """Reduce a checkpoint to what others need: weights, class names, palette and config.

    The optimiser, the schedule, the log and the folders of the training are dropped, and so are the
    parts of the model that only a training needs.

    Args:
        checkpoint: Checkpoint of a training.
        config: Config of the training.
        dataset_meta: ``classes`` and ``palette``.
        half: Whether to round the weights to float16. A model computes in float32 with them.

    Returns:
        ``meta``, with values that JSON can hold, and ``state_dict``.

    Raises:
        ValueError: A weight is too large for float16.
    """
    told = {k: _without_folders(v, k) for k, v in config.to_dict().items() if k not in _PRIVATE}
    for part in TRAINING_ONLY:
        _drop(told['model'], part)
    meta = {key: checkpoint.meta[key] for key in _KEPT_META if key in checkpoint.meta}
    meta.update(
        cfg=Config(told).pretty_text,
        mmengine_version=mmengine.__version__,
        dataset_meta=dict(
            classes=[str(name) for name in dataset_meta['classes']],
            palette=[[int(value) for value in color] for color in dataset_meta['palette']],
        ),
    )
    kept, _ = _without_training_parts(checkpoint.state_dict)
    weights = OrderedDict((name, tensor.detach().clone()) for name, tensor in kept.items())
    if half:
        weights = OrderedDict((name, _halved(name, tensor)) for name, tensor in weights.items())
    return dict(meta=meta, state_dict=weights)


def _halved(name: str, weight: torch.Tensor) -> torch.Tensor:
    """Round a weight to float16 if it is a floating-point number."""
    if not weight.is_floating_point():
        return weight
    largest = weight.abs().max().item() if weight.numel() else 0.0
    if largest > torch.finfo(torch.float16).max:
        raise ValueError(f'{name}: found {largest:g}, too large for float16; leave out --half')
    return weight.half()


def _drop(config: dict, key: str) -> None:
    """Remove a dotted key, if it is there."""
    *path, name = key.split('.')
    for part in path:
        config = config.get(part) or {}
    config.pop(name, None)


def _without_folders(value: Any, key: Any = None) -> Any:
    """Replace absolute paths in a config: ``data/NAME`` for data roots, file names for others."""
    if isinstance(value, dict):
        return {k: _without_folders(v, k) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_without_folders(part) for part in value)
    if isinstance(value, str) and Path(value).is_absolute():
        return f'data/{Path(value).name}' if key == 'data_root' else Path(value).name
    return value


def write_published(content: dict, out: Path) -> Path:
    """Write a published checkpoint as ``NAME-<first 8 digits of its SHA-256>.pth``.

    Args:
        content: Result of :func:`published`.
        out: ``NAME.pth`` or ``NAME.safetensors``.

    Returns:
        The path of the file. The same content always results in the same file.

    Raises:
        ValueError: The name ends differently.
    """
    if out.suffix == '.safetensors':
        data = safetensors_bytes(content)
    elif out.suffix == '.pth':
        file = io.BytesIO()
        torch.save(content, file)
        data = file.getvalue()
    else:
        raise ValueError(f'{out}: expected a name that ends with .pth or .safetensors')
    path = out.with_name(f'{out.stem}-{hashlib.sha256(data).hexdigest()[:8]}{out.suffix}')
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix('.part')
    part.write_bytes(data)
    part.replace(path)
    return path
