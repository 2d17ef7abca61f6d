# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""AP of resampled scenes equals AP of the scenes written out."""

import numpy as np
import pytest

from insseg3d.evaluation.functional import instance_ap, scene_table
from insseg_analysis.run.bootstrap import (
    class_scores,
    draw_scenes,
    resampled_ap,
)


def made_table(seed, num_classes=3):
    rng = np.random.default_rng(seed)
    instance = np.repeat(np.arange(-1, 5), 30)
    semantic = rng.integers(0, num_classes + 1, 7)[instance]
    num = int(rng.integers(0, 9))
    masks = rng.random((num, len(instance))) < 0.05
    for row in range(num):
        masks[row] |= (instance == rng.integers(-1, 5)) & (rng.random(len(instance)) < 0.9)
    return scene_table(
        pred_masks=masks,
        pred_labels=rng.integers(0, num_classes, num),
        pred_scores=rng.integers(0, 5, num) / 4,
        gt_instance=instance,
        gt_semantic=semantic,
        num_classes=num_classes,
    )


@pytest.mark.parametrize('seed', range(12))
def test_weights_equal_repeated_scenes(seed):
    tables = [made_table(10 * seed + k) for k in range(5)]
    weights = draw_scenes(5, 6, seed=seed)
    outcomes = class_scores(tables, num_classes=3, min_points=20)
    found = resampled_ap(outcomes, weights)
    assert (weights.sum(axis=1) == 5).all() and len(np.unique(weights, axis=0)) > 1
    for row, weight in enumerate(weights):
        drawn = [table for table, count in zip(tables, weight) for _ in range(count)]
        scored = instance_ap(drawn, num_classes=3, min_points=20)
        for name, threshold in (('AP', None), ('AP50', 0.5), ('AP25', 0.25)):
            np.testing.assert_allclose(
                found[name][row], scored.per_class(threshold), atol=1e-12, err_msg=name
            )


def test_drawing_is_the_same_for_the_same_seed():
    np.testing.assert_array_equal(draw_scenes(7, 3, seed=1), draw_scenes(7, 3, seed=1))
    assert (draw_scenes(7, 3, seed=1) != draw_scenes(7, 3, seed=2)).any()
