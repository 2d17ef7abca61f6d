# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The benchmark of tiles runs and writes what it prints; its figures are not tested."""

import json
from pathlib import Path

CONFIG = Path(__file__).resolve().parents[2] / 'configs' / 'queryis' / 'queryis-s_demo.py'


def test_floors_and_rooms(here, tiny_data, sure_weights, tmp_path):
    common = [
        tiny_data / 'scannet',
        '--model',
        CONFIG,
        '--weights',
        sure_weights,
        '--tile',
        '1.6',
        '--overlap',
        '0.4',
        '--scenes',
        '1',
        '--json',
        'tiles.json',
    ]
    result = here('benchmark_tiles', *common)
    (scene,) = json.loads((tmp_path / 'tiles.json').read_text())['scenes']
    assert result.returncode == 0 and 'peak memory' in result.stdout
    assert scene['tiles'] > 1 and scene['peak_memory_gb'] > 0 and scene['seconds'] > 0
    count, total, least = scene['rows']['true masks put together']
    assert least == 0.9 and 0 < count <= total == 2 * scene['true_objects']
    assert f'{count} of {total} at IoU 0.9' in result.stdout
    whole = here('benchmark_tiles', *common, '--whole')
    rows = json.loads((tmp_path / 'tiles.json').read_text())['rows']
    assert whole.returncode == 0 and '1 scenes in one piece and in tiles' in whole.stdout
    assert rows['whole objects the same in tiles'][1] == rows['whole objects put together'][1]
    only = here('benchmark_tiles', *common, '--only-memory')
    assert 'peak memory' in only.stdout and 'put together' not in only.stdout


def test_no_data_is_said_in_a_line(here, sure_weights, tmp_path):
    result = here('benchmark_tiles', tmp_path, '--model', CONFIG, '--weights', sure_weights)
    assert result.returncode == 1 and 'no .bin files' in result.stderr
