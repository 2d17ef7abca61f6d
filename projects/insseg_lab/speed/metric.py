# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Time scoring here and in mmdetection3d, on the same made predictions: ``benchmark.py eval``."""

import argparse
import time
from collections.abc import Iterator

import numpy as np
import torch
from mmengine.logging import MMLogger

from insseg3d.evaluation import InsSegMetric

from ..memory import peak_memory_mb
from .scenes import add_json_argument

HELP = "the metric, beside mmdetection3d's"
NUM_CLASSES = 18
_NAMES = tuple(f'class {label}' for label in range(NUM_CLASSES))


def made_predictions(
    num_scenes: int, num_masks: int, num_points: int, *, seed: int = 0
) -> Iterator[dict]:
    """Yield data samples with overlapping masks, a few thousand points each, most on an object.

    Args:
        num_scenes: Number of samples.
        num_masks: Q.
        num_points: P.
        seed: Seed of the samples.
    """
    rng = np.random.default_rng(seed)
    for number in range(num_scenes):
        cuts = np.sort(rng.choice(num_points, 41, replace=False))
        instance = np.searchsorted(cuts, np.arange(num_points)) - 1
        classes = rng.integers(0, NUM_CLASSES + 1, 41)
        semantic = classes[instance]
        masks = np.zeros((num_masks, num_points), dtype=bool)
        targets = rng.integers(0, 40, num_masks)
        for mask, target in zip(masks, targets):
            mask[:] = np.roll(instance == target, int(rng.integers(-800, 800)))
        is_right = (rng.random(num_masks) < 0.7) & (classes[targets] < NUM_CLASSES)
        labels = np.where(is_right, classes[targets], rng.integers(0, NUM_CLASSES, num_masks))
        yield dict(
            lidar_path=f'scene{number}.bin',
            eval_ann_info=dict(pts_instance_mask=instance, pts_semantic_mask=semantic),
            pred_instances_3d=dict(masks=masks, labels_3d=labels, scores_3d=rng.random(num_masks)),
        )


def memory_gb() -> float:
    """Return the most memory that the process has had, in gigabytes."""
    return peak_memory_mb(torch.device('cpu')) / 1000


def time_here(num_scenes: int, num_masks: int, num_points: int) -> dict[str, float]:
    """Score with ``InsSegMetric``, scene by scene.

    Returns:
        ``seconds_a_scene``, of processing and computing, without making the predictions;
        ``memory_gb``, beyond that of one scene's predictions; ``AP25``.
    """
    metric = InsSegMetric()
    metric.dataset_meta = {'classes': _NAMES}
    next(made_predictions(1, num_masks, num_points))  # what making them needs is not the metric's
    before, seconds = memory_gb(), 0.0
    for sample in made_predictions(num_scenes, num_masks, num_points):
        start = time.perf_counter()
        metric.process({}, [sample])
        seconds += time.perf_counter() - start
    start = time.perf_counter()
    scores = metric.compute_metrics(metric.results)
    seconds += time.perf_counter() - start
    return dict(
        seconds_a_scene=seconds / num_scenes, memory_gb=memory_gb() - before, AP25=scores['AP25']
    )


def time_mmdet3d(num_scenes: int, num_masks: int, num_points: int) -> dict[str, float]:
    """Score with mmdetection3d's ``scannet_eval``, which takes all masks at once.

    Its metric, which gathers the masks, rejects overlapping ones; so only this function is timed.

    Returns:
        The same as :func:`time_here`.
    """
    # Seconds to import: not before the other commands.
    from mmdet3d.evaluation.functional.scannet_utils.evaluate_semantic_instance import scannet_eval

    next(made_predictions(1, num_masks, num_points))
    before = memory_gb()
    preds, truth = [], []
    for sample in made_predictions(num_scenes, num_masks, num_points):
        found, gt = sample['pred_instances_3d'], sample['eval_ann_info']
        # Its ids: 1000 times the class's id, from 1, plus the number of the object, from 1.
        is_void = gt['pts_semantic_mask'] == NUM_CLASSES
        ids = (gt['pts_semantic_mask'] + 1) * 1000 + gt['pts_instance_mask'] + 1
        truth.append(np.where(is_void | (gt['pts_instance_mask'] < 0), 0, ids))
        preds.append(
            {
                f'{sample["lidar_path"]}_{k}': dict(mask=mask, label_id=int(label) + 1, conf=score)
                for k, (mask, label, score) in enumerate(
                    zip(found['masks'], found['labels_3d'], found['scores_3d'])
                )
            }
        )
    ids = list(range(1, NUM_CLASSES + 1))
    start = time.perf_counter()
    scores = scannet_eval(
        preds,
        truth,
        options=None,
        valid_class_ids=ids,
        class_labels=_NAMES,
        id_to_label=dict(zip(ids, _NAMES)),
    )
    seconds = time.perf_counter() - start
    return dict(
        seconds_a_scene=seconds / num_scenes,
        memory_gb=memory_gb() - before,
        AP25=float(scores['all_ap_25%']),
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument('--scenes', type=int, default=312)
    parser.add_argument('--masks', type=int, default=100, help='predictions per scene')
    parser.add_argument('--points', type=int, default=150_000)
    parser.add_argument(
        '--stock-scenes',
        type=int,
        default=20,
        help='for mmdetection3d, which holds all masks of all scenes',
    )
    parser.add_argument('--threads', type=int, default=1)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> dict:
    """Time both metrics on the same scenes, print and return the figures."""
    MMLogger.get_instance('benchmark', log_level='ERROR')  # the table of made classes
    size = args.masks, args.points
    ours = time_here(args.scenes, *size)
    ours['memory_gb_of_process'] = memory_gb()
    same, stock = time_here(args.stock_scenes, *size), time_mmdet3d(args.stock_scenes, *size)
    ours['AP25_of_the_same'] = same['AP25']
    stock['memory_gb_of_all_masks'] = args.scenes * args.masks * args.points / 1e9
    print(f'{args.masks} masks of {args.points} points per scene, one process')
    print(
        f'InsSegMetric, {args.scenes} scenes: {1000 * ours["seconds_a_scene"]:.1f} ms a scene, '
        f'{1000 * ours["memory_gb"]:.0f} MB beside the masks of one scene, '
        f'{1000 * ours["memory_gb_of_process"]:.0f} MB in all, torch included'
    )
    print(
        f'scannet_eval, {args.stock_scenes} scenes: {1000 * stock["seconds_a_scene"]:.1f} ms a '
        f"scene; the masks of {args.scenes} scenes, which mmdetection3d's metric keeps, are "
        f'{stock["memory_gb_of_all_masks"]:.1f} GB'
    )
    print(
        f'AP25 on the same {args.stock_scenes} scenes: {same["AP25"]:.6f} and {stock["AP25"]:.6f}'
    )
    return {'InsSegMetric': ours, 'scannet_eval': stock}
