# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Updates are timed and losses compared; seconds are not tested."""

import json
from pathlib import Path

import numpy as np
import pytest

from insseg_lab.speed.training import compare_losses

ROOT = Path(__file__).parents[2]
HALF_ITERATIONS = 100  # later two trainings lie apart that differ by nothing but rounding


def test_updates_with_other_groups(here, tiny_config, tmp_path):
    out = here(
        'benchmark_training',
        'update',
        tiny_config,
        '--repeat',
        2,
        '--warm-up',
        1,
        '--json',
        'update.json',
    ).stdout
    kinds = json.loads((tmp_path / 'update.json').read_text())['kinds']
    groups = [row['groups'] for row in kinds.values()]
    assert len(groups) == 3 and groups[0] > 50 and groups[1] == groups[2] < 5
    assert all(row['seconds'] > 0 for row in kinds.values())
    assert f'as configured{groups[2]:22d} groups' in out and 'median of 2 updates' in out


def test_iterations_by_the_number_of_scenes(here, tiny_config, tmp_path):
    arguments = ['--points', 3000, '--repeat', 1, '--batches', 1, 2, '--json', 'step.json']
    out = here('benchmark_training', 'step', tiny_config, *arguments).stdout
    report = json.loads((tmp_path / 'step.json').read_text())
    assert [row['scenes'] for row in report['rows']] == [1, 2] and report['points'] == 3000
    assert all(row['seconds'] > 0 and row['peak_memory_mb'] > 0 for row in report['rows'])
    assert '   2 scenes' in out and 'step tiny' in report['command'].replace(str(tmp_path), '')


def test_losses_in_half_precision(here, tiny_config, tmp_path):
    out = here(
        'benchmark_training',
        'amp',
        tiny_config,
        '--iterations',
        4,
        '--window',
        2,
        '--json',
        'amp.json',
    ).stdout
    report = json.loads((tmp_path / 'amp.json').read_text())
    exact, half, moved = report['losses'].values()
    assert len(exact) == len(half) == len(moved) == 4 and exact not in (half, moved)
    assert exact == pytest.approx(half, rel=0.02)
    assert exact == pytest.approx(moved, rel=0.02)
    assert report['apart']['float32']['largest'] == 0 < report['apart']['float32, moved']['largest']
    assert 'mean loss of the last 2 of 4 iterations' in out and 'apart by' in out


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_training_in_half_precision_follows_that_in_float32(here, run_tool, tmp_path, monkeypatch):
    """The demo's leaf on a few rooms like its own."""
    run_tool(
        'synthesize.py',
        '--layout',
        'scannet',
        '--out',
        'raw',
        '--scenes',
        6,
        '--splits',
        'train=6',
        '--spacing',
        '0.03',
        '--area',
        8,
        12,
        '--objects',
        9,
        12,
        '--clutter',
        2,
        5,
    )
    run_tool('prepare_scannet.py', '--raw', 'raw', '--out', 'scannet', '--splits', 'train')
    monkeypatch.setenv('INSSEG3D_DATA', str(tmp_path))
    here(
        'benchmark_training',
        'amp',
        ROOT / 'configs' / 'queryis' / 'queryis-s_demo.py',
        '--iterations',
        HALF_ITERATIONS,
        '--json',
        'amp.json',
    )
    report = json.loads((tmp_path / 'amp.json').read_text())
    assert len(report['losses']['bfloat16']) == HALF_ITERATIONS
    found = report['apart']['bfloat16']
    assert found['last_means'][0] < 0.9 * report['losses']['float32'][0]  # it learns
    assert found['largest'] < 0.05


def test_curves_are_compared_by_their_running_means():
    exact = np.array([4.0, 2.0, 2.0, 2.0, 1.0])
    report = compare_losses(exact, exact + [0.0, 0.0, 0.4, 0.0, 0.0], window=2)
    assert report['largest'] == pytest.approx(0.1) and report['last'] == 0
    assert report['last_means'] == [1.5, 1.5] and report['window'] == 2
    assert compare_losses(exact, exact, window=9)['window'] == 5
