# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The probe end to end, on a tiny model and a few rooms."""

import importlib
import json
from pathlib import Path

import pytest
import torch

from insseg3d.apis import load_model

ROOT = Path(__file__).parents[2]
ROOMS = ('--cfg-options', 'test_dataloader.dataset.ann_file=scannet_infos_train.pkl')


def save_weights(config, path):
    """Write an untrained checkpoint."""
    model, _ = load_model(config)
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    return path


def test_prints_what_it_writes(here, tiny_config, tmp_path):
    weights = save_weights(tiny_config, tmp_path / 'model.pth')
    result = here('probe', tiny_config, weights, '--out', 'new/probe.json', *ROOMS)
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / 'new' / 'probe.json').read_text())
    assert report['scenes'] == 4 and report['objects'] >= 12
    assert report['command'].startswith('python tools/probe.py tiny.py model.pth')
    lines = result.stdout.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith('4 scenes'))
    rows = {line[:30].strip(): line[30:].split() for line in lines[first:]}
    for number, value in enumerate(report['scene_variance']):
        assert rows[f'output {number}'] == [f'{value:.3f}']
    for name, row in report['best_iou'].items():
        assert rows[name][0] == f'{row["mean"]:.3f}'
        assert rows[name][1::2] == [f'{100 * row[f"over_{x}"]:.1f}' for x in (0.5, 0.75)]
    assert rows['effective rank'] == [f'{report["memory"]["effective_rank"]:.3f}']
    assert report['best_iou']['linear']['mean'] > report['best_iou']['queries']['mean']


def test_table_of_a_model_without_neck(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'tools')
    row = {'mean': 0.25, 'over_0.5': 0.5, 'over_0.75': 0.0}
    report = dict(scenes=2, objects=3, scene_variance=[None, 0.5], best_iou=dict(queries=row))
    text = importlib.import_module('probe').table(dict(report, memory=None)).splitlines()
    assert text[0] == '2 scenes, 3 objects' and text[-1] == 'memory: the model has no neck'
    assert [line.split() for line in text if 'output' in line or 'queries  ' in line] == [
        ['output', '0', '–'],
        ['output', '1', '0.500'],
        ['queries', '0.250', '50.0', '%', '0.0', '%'],
    ]


@pytest.mark.parametrize(
    'leaf, options, message',
    [
        ('queryis/queryis-s_demo', (), 'found 1 scenes, expected at least 2'),
        ('pointgroup/pointgroup-s_demo', ROOMS, 'PointGroupHead returned tuple without'),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_line(here, tmp_path, leaf, options, message):
    config = ROOT / 'configs' / f'{leaf}.py'
    result = here('probe', config, save_weights(config, tmp_path / 'model.pth'), *options)
    assert result.returncode == 1 and message in result.stderr
