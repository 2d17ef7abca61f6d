# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""What went wrong, two runs side by side, and six folds put together."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from insseg3d.evaluation.functional import (
    RunResults,
    SceneResult,
    coverage,
    instance_ap,
    painted_table,
    save_results,
    scene_table,
)
from insseg_analysis.run import compare_runs

CLASSES = ('chair', 'table', 'sofa & bed')


def made_run(seeds, noise=0.1, seed=0):
    scenes = []
    for number in seeds:
        rng = np.random.default_rng(number)
        instance = np.repeat(np.arange(-1, 6), 150)
        semantic = rng.integers(0, 2, 8)[instance]
        rng = np.random.default_rng((number, seed))
        masks = (instance == np.arange(6)[:, None]) ^ (rng.random((6, len(instance))) < noise)
        room = dict(
            pred_masks=masks,
            pred_labels=semantic[150:][::150][:6],
            pred_scores=rng.random(6),
            gt_instance=instance,
            gt_semantic=semantic,
            num_classes=3,
        )
        scenes.append(
            SceneResult(
                f'Area_{number % 3 + 1}_room{number}', scene_table(**room), painted_table(**room)
            )
        )
    return RunResults(CLASSES, 100, scenes)


def test_report_holds_the_scores_and_needs_no_network(here, tmp_path):
    run = made_run(range(4), noise=0.3)
    save_results(tmp_path / 'run.npz', run)
    result = here('report', 'run.npz', '--out', 'out', '--title', 'a <b>')
    scored = instance_ap(run.tables(), num_classes=3)
    assert f'AP50 {scored.overall(0.5):.4f}' in result.stdout and result.returncode == 0
    with (tmp_path / 'out' / 'classes.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [row['class'] for row in rows] == [*CLASSES, 'all']
    assert rows[0]['AP25'] == f'{scored.per_class(0.25)[0]:.4f}' and rows[2]['AP25'] == ''
    with (tmp_path / 'out' / 'errors.csv').open() as file:
        errors = {row['class']: row for row in csv.DictReader(file)}
    assert int(errors['all']['found']) == sum(int(errors[name]['found']) for name in CLASSES)
    page = (tmp_path / 'out' / 'report.html').read_text()
    assert '<title>a &lt;b&gt;</title>' in page and 'sofa &amp; bed' in page
    assert page.count('<svg') == 4 and 'src=' not in page and '<script' not in page
    assert not re.search(
        r'(?<!xmlns[:=])https?://(?!www\.w3\.org|purl\.org|creativecommons'
        r'|matplotlib\.org)',
        page,
    )
    for name in ('errors', 'curves_AP50', 'curves_AP25', 'coverage'):
        assert all((tmp_path / 'out' / f'{name}.{kind}').stat().st_size for kind in ('png', 'svg'))


def test_two_runs_side_by_side(here, tmp_path):
    good, bad = made_run(range(8), noise=0.05), made_run(range(8), noise=0.3)
    save_results(tmp_path / 'good.npz', good)
    save_results(tmp_path / 'bad.npz', bad)
    result = here('compare', 'bad.npz', 'good.npz', '--resamples', 100)
    rows = [
        [cell.strip() for cell in line.split('|')[1:-1]]
        for line in result.stdout.splitlines()
        if line.startswith('| all')
    ]
    for row, threshold in zip(rows, (None, 0.5, 0.25), strict=True):
        a, b = (instance_ap(run.tables(), num_classes=3).overall(threshold) for run in (bad, good))
        assert row[1:4] == [f'{a:.4f}', f'{b:.4f}', f'{b - a:+.4f}']
    assert rows[0][5] == '*' and rows[0][4].startswith('+')
    same = here('compare', 'bad.npz', 'bad.npz', '--resamples', 20).stdout
    assert '*' not in same.split('seeds')[0] and '+0.0000 to +0.0000' in same


def test_seeds_give_mean_and_standard_deviation(here, tmp_path):
    runs = [made_run(range(4), noise=0.2, seed=seed) for seed in range(3)]
    (tmp_path / 'seeds').mkdir()
    for seed, run in enumerate(runs):
        save_results(tmp_path / 'seeds' / f'{seed}.npz', run)
    save_results(tmp_path / 'one.npz', runs[0])
    result = here('compare', 'seeds', 'one.npz', '--resamples', 10)
    ap = [instance_ap(run.tables(), num_classes=3).overall() for run in runs]
    assert f'{np.mean(ap):.4f} ± {np.std(ap, ddof=1):.4f}' in result.stdout
    assert '3 and 1 seeds' in result.stdout


def test_order_of_scenes_does_not_matter_and_other_scenes_are_refused(here, tmp_path):
    run = made_run(range(5))
    mixed = RunResults(run.classes, run.min_points, run.scenes[::-1])
    comparison = compare_runs([run], [mixed], num_resamples=20)
    assert all((comparison.high[name][:2] == 0).all() for name in ('AP', 'AP50', 'AP25'))
    save_results(tmp_path / 'a.npz', run)
    save_results(tmp_path / 'b.npz', made_run(range(4)))
    save_results(tmp_path / 'c.npz', replace(run, min_points=5))
    (tmp_path / 'empty').mkdir()
    for other, words in (
        ('b.npz', 'Area_2_room4'),
        ('c.npz', 'min_points'),
        ('none', 'none'),
        ('empty', 'no .npz'),
    ):
        result = here('compare', 'a.npz', other)
        assert result.returncode == 1 and words in result.stderr


def test_folds_pooled_and_averaged(here, tmp_path):
    run = made_run(range(7), noise=0.1)
    folds = [
        RunResults(CLASSES, 100, [scene for scene in run.scenes if f'Area_{k}' in scene.scene])
        for k in (1, 2, 3)
    ]
    for k, fold in enumerate(folds):
        save_results(tmp_path / f'{k}.npz', fold)
    result = here(
        'merge_folds', '0.npz', '1.npz', '2.npz', '--json', 'f.json', '--score-threshold', 0.4
    )
    figures = json.loads((tmp_path / 'f.json').read_text())
    whole = instance_ap(run.tables(), num_classes=3)
    assert figures['pooled']['AP50'] == pytest.approx(whole.overall(0.5), abs=1e-12)
    means = coverage(run.parts(), num_classes=3, score_threshold=0.4).means()
    assert figures['pooled']['partition/mCov'] == pytest.approx(means['mCov'], abs=1e-12)
    each = [instance_ap(fold.tables(), num_classes=3).overall(0.5) for fold in folds]
    assert figures['mean_of_areas']['AP50'] == pytest.approx(np.mean(each), abs=1e-12)
    assert figures['pooled']['AP50'] != figures['mean_of_areas']['AP50']
    assert '7 rooms' in result.stdout and f'{np.mean(each):.4f}' in result.stdout
    twice = here('merge_folds', '0.npz', '0.npz')
    assert twice.returncode == 1 and 'occur twice' in twice.stderr
