# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Variants of a scan keep what they should keep, and found objects are counted by class and IoU."""

import types

import numpy as np
import pytest

from insseg_lab.scan_variants import (
    _TURNS,
    VARIANTS,
    TrueObjects,
    count_found,
    piece_of,
    read_truth,
    variant_of,
)

POINTS = np.random.default_rng(0).integers(0, 256, (50, 6)).astype(np.float32)


@pytest.mark.parametrize('name', VARIANTS)
def test_a_variant_keeps_rows_and_distances(name):
    scan = variant_of(name, POINTS)
    assert scan.coords.shape == (50, 3) and VARIANTS[name].reference in VARIANTS
    apart = np.linalg.norm(np.diff(scan.coords.astype(float), axis=0), axis=1)
    plain = np.linalg.norm(np.diff(POINTS[:, :3].astype(float), axis=0), axis=1)
    np.testing.assert_allclose(apart, plain, atol=1.0 if name == 'map, float32' else 1e-6)


@pytest.mark.parametrize('name', _TURNS)
def test_a_turn_is_no_mirror_and_has_up_where_it_says(name):
    turn = np.array(_TURNS[name])
    assert np.linalg.det(turn) == pytest.approx(1)
    assert (turn @ [0, 0, 1])['xyz'.index(name[0])] == (1 if name.endswith('up') else -1)


def test_found_needs_class_and_overlap():
    truth = TrueObjects(np.array([0] * 6 + [1] * 6 + [-1] * 2), np.array([4, 7]))

    class Result(types.SimpleNamespace):
        def __len__(self):
            return len(self.labels)

    instance = np.array([0] * 6 + [1] * 4 + [-1] * 4)
    assert count_found(Result(instance=instance, labels=np.array([4, 7])), truth) == 2
    assert count_found(Result(instance=instance, labels=np.array([4, 6])), truth) == 1
    instance = np.array([0] * 6 + [1] * 3 + [-1] * 5)  # half of the second is not above one half
    assert count_found(Result(instance=instance, labels=np.array([4, 7])), truth) == 1
    assert count_found(Result(instance=-np.ones(14, int), labels=np.array([], int)), truth) == 0


def test_truth_has_the_classes_of_the_benchmark_and_objects_of_100_points(tmp_path):
    semantic = np.array([3] * 120 + [5] * 99 + [1] * 200 + [39] * 100)  # the 3rd: a wall
    instance = np.array([1] * 120 + [2] * 99 + [3] * 200 + [4] * 100)
    for folder, values in (
        ('points', np.zeros((519, 6), np.float32)),
        ('semantic_mask', semantic),
        ('instance_mask', instance),
    ):
        (tmp_path / folder).mkdir()
        values.tofile(tmp_path / folder / 's.bin')
    points, truth = read_truth(tmp_path, 's')
    assert points.shape == (519, 6) and truth.labels.tolist() == [0, 17]
    assert (truth.instance == np.repeat([0, -1, -1, 1], [120, 99, 200, 100])).all()


def test_a_piece_has_the_objects_of_which_enough_is_left():
    points = np.zeros((1000, 6), np.float32)
    points[:, 0] = np.arange(1000) / 999
    instance = np.repeat([0, 1, -1, 2], 250)
    piece, truth = piece_of(points, TrueObjects(instance, np.array([5, 6, 7])), 0.4)
    assert len(piece) == len(truth.instance) == 400
    assert truth.labels.tolist() == [5, 6] and np.bincount(truth.instance).tolist() == [250, 150]
    piece, truth = piece_of(points, TrueObjects(instance, np.array([5, 6, 7])), 0.3)
    assert truth.labels.tolist() == [5] and (truth.instance[250:] == -1).all()
    whole, same = piece_of(points, TrueObjects(instance, np.array([5, 6, 7])), 1.0)
    assert len(whole) == 1000 and (same.instance == instance).all() and len(same.labels) == 3
