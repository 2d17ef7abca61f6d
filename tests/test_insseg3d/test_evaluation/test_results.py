# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Files of results, merged runs, and the metric with coverage."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from mmdet3d.registry import METRICS

from insseg3d.evaluation.functional import (
    RunResults,
    SceneResult,
    coverage,
    instance_ap,
    load_results,
    merge_results,
    painted_table,
    save_results,
    scene_table,
)
from insseg3d.evaluation.metrics import group_means

from .rooms import CLASSES, made_room, sample_of

ROOT = Path(__file__).parents[3]


def made_run(seeds, with_parts=True):
    scenes = []
    for seed in seeds:
        room = made_room(seed)
        parts = painted_table(**room, num_classes=3) if with_parts else None
        scenes.append(SceneResult(f'room{seed}', scene_table(**room, num_classes=3), parts))
    return RunResults(CLASSES, 100, scenes)


def assert_same(one, two):
    assert (one.classes, one.min_points) == (two.classes, two.min_points)
    for a, b in zip(one.scenes, two.scenes, strict=True):
        assert a.scene == b.scene and (a.partition is None) == (b.partition is None)
        for x, y in ((a.overlap, b.overlap), (a.partition, b.partition)):
            for field in fields(x or ()) if x else ():
                one_array, two_array = getattr(x, field.name), getattr(y, field.name)
                np.testing.assert_array_equal(one_array, two_array)
                assert one_array.shape == two_array.shape


@pytest.mark.parametrize(
    'run',
    [made_run(range(5)), made_run(range(3), False), made_run([])],
    ids=['with parts', 'without', 'no scenes'],
)
def test_a_run_comes_back_from_its_file(tmp_path, run):
    save_results(tmp_path / 'new' / 'run.npz', run)
    assert_same(load_results(tmp_path / 'new' / 'run.npz'), run)


def test_files_keep_the_keys_of_stored_runs(tmp_path):
    save_results(tmp_path / 'run.npz', made_run(range(2)))
    stored = ROOT / 'results' / 'cpu' / 'table4_fps_seed0.npz'
    with np.load(tmp_path / 'run.npz') as new, np.load(stored) as old:
        assert set(new) == set(old)
        assert {'has_parts', 'masks.pred_labels', 'parts.pred_labels'} <= set(old)
    scenes = load_results(stored).scenes
    assert scenes and all(len(scene.overlap.pred_labels) for scene in scenes)


def test_two_halves_merged_score_as_the_whole():
    whole = made_run(range(6))
    merged = merge_results([made_run(range(3)), made_run(range(3, 6))])
    assert_same(merged, whole)
    one, two = (instance_ap(run.tables(), num_classes=3).ap for run in (whole, merged))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    'runs, message',
    [
        ([made_run([0, 1]), made_run([1, 2])], 'room1'),
        ([made_run([0]), RunResults(('a',), 100, [])], 'different classes'),
        ([made_run([0]), RunResults(CLASSES, 50, [])], '50'),
        ([made_run([4, 4])], 'room4'),
        ([], 'no runs'),
    ],
)
def test_what_cannot_be_merged_is_refused(runs, message):
    with pytest.raises(ValueError, match=message):
        merge_results(runs)


def test_another_file_is_refused_by_name(tmp_path):
    np.savez(tmp_path / 'other.npz', a=np.zeros(3))
    (tmp_path / 'text.npz').write_text('hello')
    for name in ('other.npz', 'text.npz'):
        with pytest.raises(ValueError, match=f'{name}: not the results'):
            load_results(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        load_results(tmp_path / 'none.npz')
    with pytest.raises(ValueError, match='CoverageInsSegMetric'):
        made_run([0], with_parts=False).parts()


def evaluated(tmp_path, monkeypatch, **config):
    metric = METRICS.build(dict(results_file=tmp_path / 'run.npz', **config))
    metric.dataset_meta = {
        'classes': CLASSES,
        'frequency': {'chair': 'head', 'table': 'tail', 'sofa': 'head'},
    }
    lines = []
    for module in ('insseg_metric', 'coverage_metric'):
        monkeypatch.setattr(
            f'insseg3d.evaluation.metrics.{module}.print_log',
            lambda message, logger: lines.append(message),
        )
    metric.process({}, [sample_of(seed) for seed in range(4)])
    return metric.evaluate(4), lines


def test_coverage_metric_gives_both_modes_under_their_names(tmp_path, monkeypatch):
    metrics, lines = evaluated(
        tmp_path, monkeypatch, type='CoverageInsSegMetric', score_threshold=0.25
    )
    run = made_run(range(4))
    for mode, tables in (('partition', run.parts()), ('overlap', run.tables())):
        means = coverage(tables, num_classes=3, score_threshold=0.25).means()
        assert {f'{mode}/{k}': v for k, v in means.items()}.items() <= metrics.items()
    assert metrics['partition/mPrec50'] != metrics['overlap/mPrec50']
    assert metrics['score_threshold'] == 0.25
    marked = [row for row in lines[-1].splitlines() if '→ 0.25' in row]
    assert len(marked) == 1 and f'{metrics["overlap/mRec50"]:.4f}' in marked[0]
    assert_same(load_results(tmp_path / 'run.npz'), run)


def test_groups_of_classes_have_their_means(tmp_path, monkeypatch):
    metrics, _ = evaluated(tmp_path, monkeypatch, type='InsSegMetric')
    for name in ('AP', 'AP50', 'AP25'):
        assert metrics[f'{name}_tail'] == metrics[f'{name}/table']
        pair = [metrics[f'{name}/chair'], metrics[f'{name}/sofa']]
        assert metrics[f'{name}_head'] == pytest.approx(np.nanmean(pair))
    assert not any(key.startswith(('partition', 'overlap')) for key in metrics)
    assert all(scene.partition is None for scene in load_results(tmp_path / 'run.npz').scenes)


def test_classes_without_objects_leave_their_group_mean_alone():
    groups = {'a': 'head', 'b': 'head', 'c': 'tail'}
    means = group_means('AP', ('a', 'b', 'c'), np.array([0.5, np.nan, np.nan]), groups)
    assert means['AP_head'] == 0.5 and np.isnan(means['AP_tail'])
