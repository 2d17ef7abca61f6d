# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Scenes of a dataset and the objects that methods found, from checkpoints or from files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmdet3d.datasets import Seg3DDataset
from mmengine.config import Config

from insseg3d.apis.model import load_model, predict_points
from insseg3d.apis.model_index import choose_model
from insseg3d.evaluation.exchange import LabelSet, Source, open_source, read_predictions
from insseg3d.evaluation.functional import paint_masks
from insseg3d.visualization import InstanceMap, Scene

from .figure import MethodResult


class StoredScene(NamedTuple):
    """A scene with its ground truth.

    Attributes:
        scene: Scene to show.
        points: ``(P, 6)`` float32 as stored, for a model.
    """

    scene: Scene
    points: np.ndarray


def read_scene(dataset: Seg3DDataset, name: str) -> StoredScene:
    """Read a scene of a dataset.

    Args:
        dataset: A test set.
        name: Name of the scene: that of its file without ending.

    Raises:
        ValueError: If there is no such scene; the message names some.
    """
    names = [
        Path(dataset.get_data_info(number)['lidar_points']['lidar_path']).stem
        for number in range(len(dataset))
    ]
    if name not in names:
        raise ValueError(
            f'{name}: no scene of {dataset.ann_file}; expected one of its {len(names)}: '
            f'{", ".join(names[:5])}, …'
        )
    sample = dataset[names.index(name)]['data_samples']
    points = np.fromfile(sample.lidar_path, np.float32).reshape(-1, sample.num_pts_feats)
    truth = sample.get('eval_ann_info')
    if truth:
        truth = InstanceMap.from_annotation(
            truth['pts_instance_mask'],
            truth['pts_semantic_mask'],
            num_classes=len(dataset.metainfo['classes']),
        )
    return StoredScene(Scene.of(name, points[:, :6], truth=truth or None), points[:, :6])


def result_of_model(
    name: str, model: torch.nn.Module, config: Config, points: np.ndarray
) -> MethodResult:
    """Let a model segment a scene.

    Args:
        name: Caption.
        model: Model from ``load_model``.
        config: Its config.
        points: ``(P, 6)``.
    """
    found = predict_points(model, config, points).pred_pts_seg
    semantic = found.get('pts_semantic_mask')
    return MethodResult(
        name,
        InstanceMap.of(found.pts_instance_mask, found.instance_labels, found.instance_scores),
        None if semantic is None else torch.as_tensor(semantic).cpu().numpy().astype(np.int64),
    )


def result_of_files(
    name: str, source: Source, scene: str, label_set: LabelSet, *, num_points: int, score_thr: float
) -> MethodResult:
    """Read a method's prediction of a scene; the best of overlapping masks has the points.

    Args:
        name: Caption.
        source: Folder or archive in a format of ``tools/evaluate.py``.
        scene: Name of the scene.
        label_set: Ids of the classes.
        num_points: Points of the scene.
        score_thr: Masks of a lower score are left out.

    Raises:
        ExchangeError: If a file cannot be used; the message names file and line.
    """
    masks, labels, scores = read_predictions(source, scene, label_set, num_points)
    sure = scores >= score_thr
    masks, labels, scores = masks[sure], labels[sure], scores[sure]
    return MethodResult(name, paint_masks(masks, labels, scores, min_points=1))


def results_of_checkpoint(
    name: str,
    weights: str,
    config: str | None,
    scenes: Sequence[StoredScene],
    device: str,
) -> list[MethodResult]:
    """Let the model of a checkpoint segment scenes; the model is freed afterwards.

    Args:
        name: Caption.
        weights: The checkpoint.
        config: Its config, by name or path; None: the config inside the checkpoint.
        scenes: The scenes.
        device: Device of the model.

    Raises:
        OSError: If there is no such file.
        ValueError: If the config is unknown or does not fit.
    """
    chosen, checkpoint = choose_model(config, weights)
    model, chosen = load_model(chosen, checkpoint, device)
    return [result_of_model(name, model, chosen, points) for _, points in scenes]


def results_of_folder(
    name: str,
    folder: Path,
    scenes: Sequence[StoredScene],
    label_set: LabelSet,
    *,
    score_thr: float,
) -> list[MethodResult]:
    """Read the predictions of scenes.

    Args:
        name: Caption.
        folder: Folder or archive.
        scenes: The scenes.
        label_set: Ids of the classes.
        score_thr: Masks of a lower score are left out.

    Raises:
        ExchangeError: If a file cannot be used.
    """
    source = open_source(folder)
    return [
        result_of_files(
            name, source, scene.name, label_set, num_points=len(points), score_thr=score_thr
        )
        for scene, points in scenes
    ]
