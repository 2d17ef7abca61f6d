# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The account of errors, kind by kind, on scenes made by hand."""

import numpy as np
import pytest

from insseg3d.evaluation.functional import scene_table
from insseg_analysis.run.errors import KINDS, error_account, scene_errors

# Two tables of 400 points, a chair of 200, void of 400; class 0 is table, 1 chair, 2 nothing.
INSTANCE = np.repeat([0, 1, 2, -1], [400, 400, 200, 400])
SEMANTIC = np.repeat([0, 0, 1, 3], [400, 400, 200, 400])
TABLE_A, TABLE_B, CHAIR, VOID = (INSTANCE == number for number in (0, 1, 2, -1))


def part(mask, share, start=0.0):
    """A share of a mask's points, from a place on."""
    points = np.flatnonzero(mask)
    chosen = np.zeros_like(mask)
    chosen[points[int(start * len(points)) :][: int(share * len(points))]] = True
    return chosen


def made(*preds):
    masks, labels, scores = zip(*preds)
    return scene_table(
        pred_masks=np.array(masks),
        pred_labels=np.array(labels),
        pred_scores=np.array(scores, dtype=float),
        gt_instance=INSTANCE,
        gt_semantic=SEMANTIC,
        num_classes=3,
    )


GOOD = [(TABLE_A, 0, 0.9), (TABLE_B, 0, 0.8), (CHAIR, 1, 0.7)]


@pytest.mark.parametrize(
    'kind, preds, reasons, objects',
    [
        ('found', GOOD, ['found'] * 3, ['found'] * 3),
        ('missed', GOOD[:2], ['found'] * 2, ['found', 'found', 'missed']),
        (
            'duplicate',
            [*GOOD, (part(TABLE_A, 0.8), 0, 0.95)],
            ['duplicate', 'found', 'found', 'found'],
            ['found'] * 3,
        ),
        (
            'duplicate',
            [*GOOD, (TABLE_A, 0, 0.2)],
            ['found', 'found', 'found', 'duplicate'],
            ['found'] * 3,
        ),
        (
            'wrong class',
            [*GOOD[:2], (CHAIR, 0, 0.5)],
            ['found', 'found', 'wrong class'],
            ['found', 'found', 'wrong class'],
        ),
        (
            'merged',
            [(TABLE_A | TABLE_B, 0, 0.9), GOOD[2]],
            ['merged', 'found'],
            ['merged', 'merged', 'found'],
        ),
        (
            'split',
            [(part(TABLE_A, 0.4), 0, 0.9), (part(TABLE_A, 0.45, 0.5), 0, 0.6), *GOOD[1:]],
            ['split', 'split', 'found', 'found'],
            ['split', 'found', 'found'],
        ),
        (
            'poorly located',
            [(part(TABLE_A, 0.45), 0, 0.9), *GOOD[1:]],
            ['poorly located', 'found', 'found'],
            ['poorly located', 'found', 'found'],
        ),
        (
            'background',
            [(part(TABLE_A, 0.5) | part(CHAIR, 0.2), 1, 0.9), *GOOD],
            ['background', 'found', 'found', 'found'],
            ['found'] * 3,
        ),
        (
            '',
            [(VOID, 0, 0.9), (part(CHAIR, 0.45), 1, 0.9), *GOOD],
            ['', '', 'found', 'found', 'found'],
            ['found'] * 3,
        ),
    ],
)
def test_reason_of_each_prediction_and_each_object(kind, preds, reasons, objects):
    errors = scene_errors(made(*preds))
    assert errors.gt_kind == objects
    assert errors.pred_kind == reasons


@pytest.mark.parametrize(
    'kind, preds, label, before',
    [
        ('missed', GOOD[:1], 0, None),
        ('duplicate', [(TABLE_A, 0, 0.9), (TABLE_A, 0, 0.85), (TABLE_B, 0, 0.8)], 0, None),
        ('wrong class', [*GOOD[:2], (CHAIR, 2, 0.5)], 1, 0.0),
        # Twice on the same object: one of them is corrected, the other dropped.
        ('wrong class', [(TABLE_A, 2, 0.9), (TABLE_A, 2, 0.85), GOOD[1]], 0, None),
        ('merged', [(TABLE_A | TABLE_B, 0, 0.9)], 0, 0.0),
        (
            'split',
            [(part(TABLE_A, 0.4), 0, 0.9), (part(TABLE_A, 0.45, 0.5), 0, 0.6), GOOD[1]],
            0,
            None,
        ),
        ('poorly located', [(part(TABLE_A, 0.6), 0, 0.3), (part(TABLE_B, 0.45), 0, 0.9)], 0, None),
        ('background', [(part(TABLE_A, 0.5) | part(CHAIR, 0.2), 1, 0.9), GOOD[2]], 1, None),
    ],
)
def test_curing_the_only_kind_of_error_gives_all(kind, preds, label, before):
    account = error_account([made(*preds)], num_classes=3)
    if before is not None:
        assert account.ap50[label] == pytest.approx(before)
    assert account.ap50[label] < 1
    assert account.ap50[label] + account.gains[kind][label] == pytest.approx(1)
    assert account.counts[kind].sum() >= 1
    assert np.isnan(account.gains[kind][2]) and np.isnan(account.ap50[2])


def test_nothing_is_gained_where_nothing_is_wrong():
    account = error_account([made(*GOOD), made(*GOOD)], num_classes=3)
    assert account.found.tolist() == [4, 2, 0]
    assert all(account.counts[kind].sum() == 0 for kind in KINDS)
    assert all(np.nanmax(np.abs(account.gains[kind])) == 0 for kind in KINDS)


def test_every_false_prediction_has_one_reason_on_random_scenes():
    rng = np.random.default_rng(0)
    for _ in range(200):
        num = int(rng.integers(0, 9))
        masks = rng.random((num, len(INSTANCE))) < rng.random((num, 1))
        for row in range(0, num, 2):
            masks[row] = (INSTANCE == rng.integers(-1, 3)) ^ (rng.random(len(INSTANCE)) < 0.2)
        table = scene_table(
            pred_masks=masks,
            pred_labels=rng.integers(0, 3, num),
            pred_scores=rng.random(num),
            gt_instance=INSTANCE,
            gt_semantic=SEMANTIC,
            num_classes=3,
        )
        errors = scene_errors(table)
        assert set(errors.pred_kind) <= {*KINDS, 'found', ''} - {'missed'}
        assert errors.pred_kind.count('found') == errors.gt_kind.count('found')
        account = error_account([table], num_classes=3)
        assert all(
            np.nanmin(gain) > -1e-12
            for kind, gain in account.gains.items()
            if kind in ('missed', 'duplicate', 'background')
        )
