# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Predictions, ground truth, submissions and results that were tampered with."""

import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insseg3d.evaluation.exchange import (
    ExchangeError,
    LabelSet,
    Predictions,
    check_predictions,
    open_source,
    read_predictions,
    read_truth,
    scene_names,
    write_predictions,
)
from insseg3d.evaluation.functional import (
    RunResults,
    SceneResult,
    coverage,
    instance_ap,
    load_results,
    painted_table,
    save_results,
    scene_table,
)

from ..mutations import FEW, MANY, changes, mutated, mutated_member, right_or_refused
from .rooms import CLASSES, made_room

LABELS = LabelSet(('chair', 'table', 'sofa'), (3, 5, 11))
POINTS = 20
SEED = st.integers(0, 2**32 - 1)


def predictions():
    rng = np.random.default_rng(0)
    return Predictions(rng.random((3, POINTS)) < 0.4, np.array([0, 2, 1]), rng.random(3))


def write_folder(root):
    found = predictions()

    def write(name, content):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)

    for scene in 'ab':
        write_predictions(write, scene, found, LABELS)
    arrays = dict(scores=found.scores, label_ids=np.array(LABELS.ids)[found.labels])
    np.savez(root / 'c.npz', masks=found.masks, **arrays)
    np.savez(
        root / 'd.npz', packed_masks=np.packbits(found.masks, axis=1), num_points=POINTS, **arrays
    )
    (root / 'truth.txt').write_bytes(b'3001\n' * 7 + b'0\n' * 6 + b'11002\n' * 7)
    return root


def check_source(path, *, most):
    """Read all scenes of a folder or an archive of a given number of bytes."""
    source = right_or_refused(lambda: open_source(path), ExchangeError, name=str(path))
    names = source and right_or_refused(lambda: scene_names(source), ExchangeError, name=str(path))
    for scene in names or ():
        for points in (POINTS, None):
            found = right_or_refused(
                lambda points=points, scene=scene: read_predictions(source, scene, LABELS, points),
                ExchangeError,
                name=f'{path}/',
            )
            if found is not None:
                assert found.masks.dtype == bool and found.masks.ndim == 2
                assert points is None or not len(found.masks) or found.masks.shape[1] == POINTS
                assert len(found.masks) == len(found.labels) == len(found.scores) <= most
                assert found.masks.size <= 8 * most
                assert np.isin(found.labels, range(3)).all() and np.isfinite(found.scores).all()
        truth = right_or_refused(
            lambda scene=scene: read_truth(source, scene, LABELS), ExchangeError, name=f'{path}/'
        )
        if truth is not None:
            assert len(truth.instance) == len(truth.semantic) <= most
            assert np.isin(truth.semantic, range(4)).all()
            assert ((truth.instance >= 0) == (truth.semantic < 3)).all()
    if source:
        counts = dict.fromkeys('abcd', POINTS)
        faults = right_or_refused(
            lambda: check_predictions(source, counts, LABELS), ExchangeError, name=''
        )
        assert all('\n' not in fault for fault in faults)


def change_folder(tmp_path, drawn, seed, *, inside):
    root = tmp_path / 'folder'
    shutil.rmtree(root, ignore_errors=True)
    write_folder(root)
    files = sorted(path for path in root.rglob('*') if path.is_file())
    path = files[seed % len(files)]
    content = path.read_bytes()
    if path.suffix == '.npz' and inside:
        path.write_bytes(mutated_member(content, drawn, seed))
    else:
        path.write_bytes(mutated(content, drawn))
    check_source(root, most=sum(file.stat().st_size for file in files))


def change_archive(tmp_path, drawn, seed, *, inside):
    root = write_folder(tmp_path / 'archive')
    size = sum(file.stat().st_size for file in root.rglob('*') if file.is_file())
    path = tmp_path / 'submission.zip'
    shutil.make_archive(str(path.with_suffix('')), 'zip', root)
    content = path.read_bytes()
    content = mutated_member(content, drawn, seed) if inside else mutated(content, drawn)
    path.write_bytes(content)
    check_source(path, most=size + len(content))


@pytest.mark.parametrize('change', [change_folder, change_archive])
@FEW
@given(changes(), SEED, st.booleans())
def test_right_predictions_or_a_clear_line(change, tmp_path, drawn, seed, inside):
    change(tmp_path, drawn, seed, inside=inside)


@pytest.mark.slow
@pytest.mark.parametrize('change', [change_folder, change_archive])
@MANY
@given(changes(), SEED, st.booleans())
def test_thousands_of_mutated_predictions(change, tmp_path, drawn, seed, inside):
    change(tmp_path, drawn, seed, inside=inside)


def results_file(path):
    rooms = [made_room(seed) for seed in range(2)]
    save_results(
        path,
        RunResults(
            CLASSES,
            100,
            [
                SceneResult(
                    f'room{k}',
                    scene_table(**room, num_classes=3),
                    painted_table(**room, num_classes=3),
                )
                for k, room in enumerate(rooms)
            ],
        ),
    )
    return path.read_bytes()


def change_results(tmp_path, drawn, seed, *, inside):
    path = tmp_path / 'run.npz'
    content = results_file(path)
    content = mutated_member(content, drawn, seed) if inside else mutated(content, drawn)
    path.write_bytes(content)
    run = right_or_refused(lambda: load_results(path), ValueError, name=str(path))
    if run is None:
        return
    assert len(run.scenes) <= 2 and all(isinstance(name, str) for name in run.classes)
    assert run.min_points >= 0
    for table in (*run.tables(), *(scene.partition for scene in run.scenes if scene.partition)):
        rows, columns = table.intersections.shape
        assert table.intersections.dtype == np.int32 and (table.intersections >= 0).all()
        for name, length in (
            ('pred_labels', rows),
            ('pred_sizes', rows),
            ('pred_void', rows),
            ('gt_labels', columns),
            ('gt_sizes', columns),
        ):
            values = getattr(table, name)
            assert values.dtype == np.int64 and values.shape == (length,), name
            assert name == 'pred_labels' or (values >= 0).all(), name
        assert table.pred_scores.shape == (rows,) and np.isfinite(table.pred_scores).all()
        assert (table.gt_labels < len(run.classes)).all()
        assert (table.intersections.sum(axis=1) + table.pred_void == table.pred_sizes).all()
    figures = right_or_refused(
        lambda: instance_ap(run.tables(), num_classes=len(run.classes), min_points=run.min_points),
        ValueError,
        name='',
    )
    assert figures is not None
    if all(scene.partition for scene in run.scenes):
        coverage(run.parts(), num_classes=len(run.classes), score_threshold=0.5)


@FEW
@given(changes(), SEED, st.booleans())
def test_right_results_or_a_clear_line(tmp_path, drawn, seed, inside):
    change_results(tmp_path, drawn, seed, inside=inside)


@pytest.mark.slow
@MANY
@given(changes(), SEED, st.booleans())
def test_thousands_of_mutated_results(tmp_path, drawn, seed, inside):
    change_results(tmp_path, drawn, seed, inside=inside)
