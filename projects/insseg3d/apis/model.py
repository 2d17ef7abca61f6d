# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Load a trained model and run it on points: no info file, no labels, no dataset."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet3d.registry import DATASETS, MODELS
from mmdet3d.structures import Det3DDataSample
from mmdet3d.structures.points import get_points_type
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope

from ..datasets.palette import make_palette
from ..engine.installed import import_methods
from .checkpoints import Checkpoint, load_weights, read_checkpoint

_REMEDY = 'use the device cpu (tools: --device cpu)'


def check_device(device: str | torch.device) -> torch.device:
    """Reject a device that torch cannot use here, before anything is loaded.

    Args:
        device: Device such as ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        ValueError: There is no such device, this torch does not support it, or there are fewer
            devices of this type.
    """
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(
            f'device {device!r}: not the name of a device; expected cpu, cuda, or cuda:1 for the '
            'second GPU'
        ) from None
    if chosen.type == 'cuda':
        _check_cuda(chosen, device)
        return chosen
    try:
        torch.zeros(1, device=chosen).cpu()
    except Exception as error:  # each backend has its own class of errors
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f'device {str(device)!r}: {reason[:160]}; {_REMEDY}') from None
    return chosen


def _check_cuda(chosen: torch.device, device: str | torch.device) -> None:
    if torch.version.cuda is None and torch.version.hip is None:
        raise ValueError(
            f'device {str(device)!r}: this torch was built without CUDA; {_REMEDY}, or install a '
            'torch with CUDA'
        )
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise ValueError(
            f'device {str(device)!r}: torch finds no GPU here; {_REMEDY}, or see the output of '
            'tools/doctor.py'
        )
    if chosen.index is not None and chosen.index >= count:
        raise ValueError(
            f'device {str(device)!r}: {count} GPUs here; expected cuda:0'
            + (f' to cuda:{count - 1}' if count > 1 else '')
        )


def load_model(
    config: str | Path | Config, weights: str | Path | Checkpoint | None = None, device: str = 'cpu'
) -> tuple[torch.nn.Module, Config]:
    """Build a model from its config, ready to predict.

    Args:
        config: A config, or its path.
        weights: Checkpoint, or its path; None leaves the model untrained.
        device: Device of the model.

    Returns:
        The model, in eval mode, and its config. The model's ``dataset_meta`` holds the
        ``classes`` and the ``palette`` that the checkpoint was trained for; if the checkpoint has
        none, those of the config.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: The model cannot be built, the checkpoint does not fit it, or torch cannot use
            the device here.
    """
    device = check_device(device)
    import_methods()
    if not isinstance(config, Config):
        config = Config.fromfile(config)
    checkpoint = weights
    if weights is not None and not isinstance(weights, Checkpoint):
        checkpoint = read_checkpoint(weights)
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    try:
        model = MODELS.build(config.model)
        model.dataset_meta = dataset_meta(config)
    except Exception as error:
        where = config.filename or (checkpoint.path if checkpoint else 'the config')
        raise ValueError(
            f'{where}: its model cannot be built ({type(error).__name__}: {error}); expected a '
            'config that fits this version. Correct it, or pass another: --config FILE.'
        ) from error
    if checkpoint is None:
        model.init_weights()
    else:
        load_weights(model, checkpoint, len(model.dataset_meta['classes']))
        for key in model.dataset_meta.keys() & checkpoint.dataset_meta.keys():
            model.dataset_meta[key] = checkpoint.dataset_meta[key]
    return model.to(device).eval(), config


def class_names(config: Config) -> tuple[str, ...]:
    """Return the names of the classes of a config's model, by index."""
    dataset = config.test_dataloader.dataset
    chosen = dataset.get('metainfo', {}).get('classes') or dataset.get('classes')
    return tuple(chosen or DATASETS.get(dataset.type).METAINFO['classes'])


def dataset_meta(config: Config) -> dict[str, Any]:
    """Return ``classes`` (K names) and ``palette`` (K colours) of a config's model."""
    dataset, classes = config.test_dataloader.dataset, class_names(config)
    known = DATASETS.get(dataset.type).METAINFO
    color_of = dict(zip(known['classes'], known['palette']))
    palette = dataset.get('metainfo', {}).get('palette')
    if palette is None:  # custom classes get the colours that their dataset would make
        own = make_palette(len(classes))
        palette = [color_of.get(name, color) for name, color in zip(classes, own)]
    return dict(classes=classes, palette=palette)


def pack_points(points: np.ndarray, config: Config, name: str = '<points in memory>') -> dict:
    """Send points through a config's test pipeline, without its loading transform.

    Args:
        points: ``(P, 6)`` x, y, z in metres and r, g, b in 0..255.
        config: Config with the test pipeline.
        name: Name of the scene in error messages.

    Returns:
        ``inputs`` and ``data_samples`` of a batch of one.

    Raises:
        ValueError: The points do not have six columns.
    """
    if points.ndim != 2 or points.shape[1] != 6:
        raise ValueError(
            f'{name}: points of shape {points.shape}, expected (P, 6): x, y, z in metres and '
            'r, g, b in 0..255.'
        )
    load, *pipeline = config.test_dataloader.dataset.pipeline
    points_type = get_points_type(load['coord_type'])
    results = dict(
        lidar_path=name,
        points=points_type(
            torch.from_numpy(np.array(points, dtype=np.float32)),
            points_dim=6,
            attribute_dims=dict(color=[3, 4, 5]),
        ),
    )
    return pseudo_collate([Compose(pipeline)(results)])


@torch.no_grad()
def predict_points(
    model: torch.nn.Module, config: Config, points: np.ndarray, name: str = '<points in memory>'
) -> Det3DDataSample:
    """Segment the instances of one scene.

    Args:
        model: Model from :func:`load_model`.
        config: Config from :func:`load_model`.
        points: ``(P, 6)``; see :func:`pack_points`.
        name: Name of the scene in error messages.

    Returns:
        The data sample with ``pred_instances_3d`` and ``pred_pts_seg`` over the points, in
        their order.
    """
    return model.test_step(pack_points(points, config, name))[0]


def find_instances(model: torch.nn.Module, batch: dict) -> list[Det3DDataSample]:
    """Find the instances of a batch, without the map of the points that a test adds.

    Args:
        model: Model from :func:`load_model`.
        batch: ``inputs`` and ``data_samples``, as the test pipeline packs them.

    Returns:
        The data samples with ``pred_instances_3d``.
    """
    data = model.data_preprocessor(batch, False)
    samples = data['data_samples']
    for sample, found in zip(samples, model.predict_scenes(data['inputs'], samples)):
        sample.pred_instances_3d = found
    return samples
