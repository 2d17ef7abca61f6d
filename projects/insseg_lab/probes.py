# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Measurements of a query model that tell queries from a bank of static filters: ``probe.py``.

Shapes: N scenes, Q queries, C channels; in one scene V voxels, G objects, J points of memory.
"""

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import Tensor
from tqdm import tqdm

from insseg3d.ops.masks import object_ious, object_points
from insseg3d.structures import SceneBatch, SceneTargets

OUTPUTS = ('class_logits', 'mask_embeddings', 'mask_features')
"""Attributes of a head's outputs that the probes need."""
RIDGE = 1e-6
"""Weight of the squared coefficients in the fit of a linear mask."""
MOST_STEPS = 40
"""Largest number of Newton steps in the fit of a linear mask."""
NO_NECK = 'the model has no neck'


def scene_variance(embeddings: Tensor) -> float | None:
    """Divide the variance of a query's embedding over scenes by the variance between queries.

    Variances are sums over the channels. The first one is averaged over the queries; the second
    one is that of the queries' means over the scenes.

    Args:
        embeddings: ``(N, Q, C)`` mask embeddings.

    Returns:
        0 if each query has the same embedding in all scenes; None if the means of all queries are
        equal.
    """
    embeddings = embeddings.double()
    over_scenes = embeddings.var(0, unbiased=False).sum(-1).mean()
    between_queries = embeddings.mean(0).var(0, unbiased=False).sum()
    return float(over_scenes / between_queries) if between_queries > 0 else None


def linear_embeddings(features: Tensor, targets: SceneTargets) -> Tensor:
    """Fit a mask embedding to each object: the best that queries could make of these features.

    A voxel's logit is the dot product of its features with the embedding, as in the model, without
    a further bias. The embedding minimises the binary cross entropy averaged over points (logistic
    regression), plus ``RIDGE`` / 2 times its squared norm, where each channel of the features is
    scaled to a root mean square of 1. Because the cross entropy is not the IoU, another embedding
    may have a slightly higher IoU.

    Args:
        features: ``(V, C)`` mask features of the scene.
        targets: Ground truth of the scene.

    Returns:
        ``(G, C)`` float64.
    """
    weights = targets.counts.double() / targets.counts.sum()
    scale = (weights @ features.double().square()).sqrt()
    scale = torch.where(scale > 0, scale, 1)
    features = features.double() / scale
    shares = _points_of_objects(targets) / targets.counts.sum()
    fits = [_logistic_fit(features, weights, share) for share in shares.unbind(1)]
    return torch.stack(fits) / scale if fits else features.new_zeros(0, len(scale))


def _logistic_fit(features: Tensor, weights: Tensor, inside: Tensor) -> Tensor:
    """Minimise sum(w softplus(x) - c x) + ridge for x = features @ fit with Newton's method.

    Args:
        features: ``(V, C)`` float64.
        weights: ``(V,)`` w, the share of the scene's points in each voxel.
        inside: ``(V,)`` c, the share of the scene's points in each voxel that are the object's.

    Returns:
        ``(C,)``.
    """

    def loss_of(fit: Tensor) -> Tensor:
        logits = features @ fit
        return weights @ F.softplus(logits) - inside @ logits + RIDGE / 2 * fit @ fit

    fit = features.new_zeros(features.shape[1])
    ridge = RIDGE * torch.eye(len(fit), dtype=fit.dtype, device=fit.device)
    loss = loss_of(fit)
    for _ in range(MOST_STEPS):
        probs = (features @ fit).sigmoid()
        gradient = features.T @ (weights * probs - inside) + RIDGE * fit
        curvature = weights * probs * (1 - probs)
        # Voxels far from the border of the mask have no curvature; leaving them out saves time.
        bent = curvature > 1e-6 * curvature.max()
        some = features[bent]
        step = torch.linalg.solve(some.T @ (some * curvature[bent, None]) + ridge, gradient)
        decrease = step @ gradient
        if decrease < 1e-10:
            break
        length = 1.0
        while (trial := loss_of(fit - length * step)) > loss - 1e-4 * length * decrease:
            length /= 2
            if length < 1e-6:
                return fit
        fit, loss = fit - length * step, trial
    return fit


def effective_rank(matrix: Tensor, *, floor: float = 0.0) -> float:
    """Compute exp(-sum p log p), where p are the singular values divided by their sum.

    It is r for r equal singular values, and less than r for r unequal ones.

    Source: Roy and Vetterli, The effective rank: a measure of effective dimensionality, EUSIPCO
    2007.

    Args:
        matrix: ``(J, C)``.
        floor: Singular values up to this one are taken as rounding errors and left out.

    Returns:
        0 if no singular value is left.
    """
    values = torch.linalg.svdvals(matrix.double())
    values = values[values > floor]
    if not len(values):
        return 0.0
    shares = values / values.sum()
    return float(torch.exp(-(shares * shares.log()).sum()))


def memory_figures(points: Tensor) -> dict[str, float]:
    """Measure how much the points that a neck makes of a scene differ from each other.

    Args:
        points: ``(J, C)`` memory S of one scene, without padding, at least two rows.

    Returns:
        ``cosine``, the mean over all pairs of two points; ``effective_rank`` of the points minus
        their mean, without the singular values that rounding explains; ``share``, the norm
        ``|S - mean| / |S|`` (Frobenius).
    """
    rounding = torch.finfo(points.dtype).eps * max(points.shape)
    points = points.double()
    centred = points - points.mean(0)
    norm, number = points.norm(), len(points)
    total = F.normalize(points, dim=1).sum(0)
    return dict(
        cosine=float((total @ total - number) / (number * (number - 1))),
        effective_rank=effective_rank(centred, floor=float(rounding * norm)),
        share=float(centred.norm() / norm) if norm > 0 else 0.0,
    )


def summary(ious: Sequence[Tensor]) -> dict[str, float]:
    """Return the mean IoU of all objects, and the shares of those above 0.5 and 0.75.

    Args:
        ious: IoU of each object, per scene ``(G,)``.

    Raises:
        ValueError: There are no objects.
    """
    values = torch.cat(list(ious))
    if not len(values):
        raise ValueError(
            f'found no objects in {len(ious)} scenes, expected at least one. Choose other scenes: '
            '--cfg-options test_dataloader.dataset.ann_file=FILE'
        )
    share = {f'over_{least}': float((values > least).double().mean()) for least in (0.5, 0.75)}
    return dict(mean=float(values.mean()), **share)


def annotated(config: Config) -> dict:
    """Return the config of the test dataset whose samples also have their ground truth.

    Pipelines of tests load it for the metric only, and do not pack it.
    """
    dataset = copy.deepcopy(config.test_dataloader.dataset)
    for transform in dataset.pipeline:
        if transform['type'] == 'Pack3DDetInputs':
            masks = ('pts_semantic_mask', 'pts_instance_mask')
            transform['keys'] = list(dict.fromkeys([*transform['keys'], *masks]))
    return dataset


def probe_model(model: torch.nn.Module, dataset: Sequence[dict]) -> dict[str, Any]:
    """Measure a model on the scenes of a dataset, passing over them twice, one at a time.

    Args:
        model: Model from ``load_model`` whose head returns the attributes ``OUTPUTS``.
        dataset: Samples with ground truth; see :func:`annotated`.

    Returns:
        ``scenes`` and ``objects``, their numbers; ``scene_variance`` of each output of the decoder;
        ``best_iou``, the :func:`summary` of the best mask of each object, for ``queries``,
        ``averaged`` (each embedding replaced by its mean over all scenes) and ``linear`` (see
        :func:`linear_embeddings`); ``memory``, the means of :func:`memory_figures`, or None for a
        model without a neck.

    Raises:
        ValueError: There are fewer than two scenes, a scene has no ground truth, or the head
            returns something else.
    """
    if len(dataset) < 2:
        raise ValueError(
            f'found {len(dataset)} scenes, expected at least 2: the probes compare queries between '
            'scenes. Choose more: --cfg-options test_dataloader.dataset.ann_file=FILE'
        )
    embeddings, own, linear, memory = [], [], [], []
    for batch, targets, outputs in _decoded(model, dataset, 'the model'):
        features = outputs.mask_features[0].double()
        embeddings.append([layer[0].cpu() for layer in outputs.mask_embeddings])
        own.append(_best_ious(features, outputs.mask_embeddings[-1][0], targets))
        fits = linear_embeddings(outputs.mask_features[0], targets)
        linear.append(object_ious(_inside(features @ fits.T), targets).diagonal().cpu())
        if batch.memory is not None:
            kept = slice(None) if batch.padding is None else ~batch.padding[0]
            memory.append(memory_figures(batch.memory[0][kept]))
    layers = [torch.stack(layer) for layer in zip(*embeddings)]
    mean = layers[-1].double().mean(0)
    averaged = [
        _best_ious(outputs.mask_features[0].double(), mean, targets)
        for _, targets, outputs in _decoded(model, dataset, 'averaged queries')
    ]
    return dict(
        scenes=len(dataset),
        objects=sum(len(ious) for ious in own),
        scene_variance=[scene_variance(layer) for layer in layers],
        best_iou=dict(queries=summary(own), averaged=summary(averaged), linear=summary(linear)),
        memory=_means(memory) if memory else None,
    )


@torch.no_grad()
def _decoded(
    model: torch.nn.Module, dataset: Sequence[dict], title: str
) -> Iterator[tuple[SceneBatch, SceneTargets, Any]]:
    """Yield the batch of each scene, its ground truth, and the outputs of the head."""
    for number in tqdm(range(len(dataset)), desc=title, unit='scene'):
        data = model.data_preprocessor(pseudo_collate([dataset[number]]), False)
        batch = model.whole_scenes(data['inputs'], data['data_samples'])
        outputs = model.decode_head(batch)
        missing = [name for name in OUTPUTS if not hasattr(outputs, name)]
        if missing:
            raise ValueError(
                f'{type(model.decode_head).__name__} returned {type(outputs).__name__} without '
                f'{", ".join(missing)}; expected {", ".join(OUTPUTS)}, as QueryISHead returns. '
                'Choose the config of a model whose queries make masks.'
            )
        yield batch, batch.voxel_targets()[0], outputs


def _best_ious(features: Tensor, embeddings: Tensor, targets: SceneTargets) -> Tensor:
    """Return ``(G,)`` the IoU of each object with the most similar mask, on the host."""
    logits = features @ embeddings.to(features).T
    return object_ious(_inside(logits), targets).amax(1).cpu()


def _inside(logits: Tensor) -> Tensor:
    """Return 1 where a mask's probability is above 0.5, else 0."""
    return (logits > 0).double()


def _points_of_objects(targets: SceneTargets) -> Tensor:
    """Return ``(V, G)`` float64 points that each voxel shares with each object."""
    every = torch.arange(len(targets.labels), device=targets.counts.device)
    return object_points(targets, every, torch.float64)


def _means(rows: Iterable[dict[str, float]]) -> dict[str, float]:
    rows = list(rows)
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
