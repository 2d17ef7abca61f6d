# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The benchmark of odd scans runs and writes what it prints; its figures are not tested."""

import json
from pathlib import Path

CONFIG = Path(__file__).resolve().parents[2] / 'configs' / 'queryis' / 'queryis-s_demo.py'


def test_a_row_for_each_variant(here, tiny_data, sure_weights, tmp_path):
    result = here(
        'benchmark_scans',
        tiny_data / 'scannet',
        '--model',
        CONFIG,
        '--weights',
        sure_weights,
        '--scenes',
        '1',
        '--variants',
        'white',
        '16 bits',
        '--json',
        'scans.json',
    )
    report = json.loads((tmp_path / 'scans.json').read_text())
    assert result.returncode == 0 and list(report['rows']) == ['white', '16 bits']
    assert report['scenes'] == 1 and report['objects'] > 0
    assert report['rows']['white']['refused_if_strict'] == 1
    assert report['rows']['16 bits'] == dict(
        report['rows']['16 bits'], as_reference=1, wrong_in_silence=0
    )


def test_no_data_is_said_in_a_line(here, sure_weights, tmp_path):
    result = here('benchmark_scans', tmp_path, '--model', CONFIG, '--weights', sure_weights)
    assert result.returncode == 1 and 'scannet_infos_val.pkl: no such file' in result.stderr
    assert 'Traceback' not in result.stderr
