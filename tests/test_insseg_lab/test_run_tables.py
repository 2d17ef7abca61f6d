# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Means and deviations of made-up runs, by hand."""

import json

import pytest

from insseg_lab.experiments.tables import (
    by_leaf,
    difference,
    draw_leaves,
    markdown_table,
    percent,
    pooled_deviation,
    read_runs,
)


def run(leaf, seed, ap50, iterations=10, **more):
    return dict(
        dict(
            leaf=f'configs/x/{leaf}.py',
            seed=seed,
            budget=dict(iterations=iterations),
            AP=0.1,
            AP50=ap50,
            AP25=0.9,
            peak_memory_mb=100,
            classes={'bed': dict(AP50=ap50)},
        ),
        **more,
    )


def test_mean_and_deviation_over_seeds():
    (found,) = by_leaf([run('a', 1, 0.5), run('a', 0, 0.3)])
    assert found.name == 'a' and [r['seed'] for r in found.runs] == [0, 1]
    assert found.mean('AP50') == pytest.approx(0.4)
    assert found.deviation('AP50') == pytest.approx(0.02**0.5)
    assert percent(found.mean('AP50'), found.deviation('AP50')) == '40.0 ± 14.1'
    assert found.class_mean('bed', 'AP50') == pytest.approx(0.4)
    assert found.class_mean('sofa', 'AP50') is None and percent(None) == '–'


def test_one_seed_has_no_deviation():
    (found,) = by_leaf([run('a', 0, 0.5, peak_memory_mb=None)])
    assert found.deviation('AP50') is None and percent(0.5, None) == '50.0'
    assert found.mean('peak_memory_mb') is None


def test_budgets_are_not_mixed_and_rows_have_an_order():
    runs = [
        run('k-100', 0, 0.5),
        run('k-50', 0, 0.5),
        run('zero', 0, 0.5),
        run('a', 0, 0.5),
        run('k-50', 1, 0.5, iterations=20),
    ]
    assert [(r.name, len(r.runs)) for r in by_leaf(runs, ['zero'])] == [
        ('zero', 1),
        ('a', 1),
        ('k-50', 1),
        ('k-50', 1),
        ('k-100', 1),
    ]


def test_difference_and_pooled_deviation():
    # Squares about the means: 0.02 and 0.0, two degrees of freedom.
    assert pooled_deviation([0.3, 0.5], [0.6, 0.6]) == pytest.approx(0.1)
    assert pooled_deviation([0.3], [0.6, 0.6]) is None
    base, other = by_leaf([run('a', 0, 0.3), run('a', 1, 0.5), run('b', 0, 0.6), run('b', 1, 0.6)])
    assert difference(other, base, 'AP50') == '+20.0 (10.0)'
    assert difference(base, base, 'AP50') == ''
    (longer,) = by_leaf([run('b', 0, 0.6, iterations=20)])
    assert difference(longer, base, 'AP50') == 'another budget'


def test_other_files_are_passed_over(tmp_path):
    (tmp_path / 'a.json').write_text(json.dumps(run('a', 0, 0.5)))
    (tmp_path / 'speed.json').write_text('[]')
    (tmp_path / 'speed.json.details.json').write_text('[{"amp": false}]')
    assert len(read_runs(tmp_path)) == 1
    (tmp_path / 'b.json').write_text('{')
    with pytest.raises(ValueError, match='b.json: no JSON'):
        read_runs(tmp_path)


def test_table():
    assert markdown_table(['a', 'b'], [[1, None]]) == '| a | b |\n|---|---|\n| 1 | – |'


@pytest.mark.parametrize('names, axes', [(['a', 'b-2'], 1), (['k-1', 'k-2', 'j-5'], 2)])
def test_numbered_leaves_are_curves(names, axes):
    results = by_leaf([run(name, seed, 0.5) for name in names for seed in (0, 1)])
    figure = draw_leaves(results, lambda result: result.name)
    assert len(figure.axes) == axes
    assert bool(figure.axes[0].patches) == (axes == 1)  # bars
