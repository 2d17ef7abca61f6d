# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The benchmark runs and writes what it prints; its figures are not tested."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from insseg3d.apis import load_model
from insseg_lab.browser import can_browse

ROOT = Path(__file__).parents[2]


def test_data_of_a_small_scan(run_tool, tiny_config, tmp_path):
    out = run_tool(
        'benchmark.py',
        'data',
        tiny_config,
        '--points',
        3000,
        '--repeat',
        2,
        '--workers',
        0,
        1,
        '--batches',
        2,
        '--json',
        'data.json',
    ).stdout
    report = json.loads((tmp_path / 'data.json').read_text())
    train, test = (report['seconds'][name] for name in ('train', 'test'))
    assert {'LoadAnnotations3D', 'ElasticDistortion', 'AddVoxelTables', 'in all'} <= train.keys()
    # Annotations of the test pipeline stand inside IfAnnotated.
    assert 'LoadAnnotations3D' in test and 'ElasticDistortion' not in test
    for seconds in (train, test):
        parts = [value for name, value in seconds.items() if name != 'in all']
        assert min(parts) > 0 and seconds['in all'] >= max(parts)
    assert report['points'] == 3000 and report['threads'] == 1
    assert report['scenes_per_second'].keys() == {'0', '1'}
    assert 'train pipeline, 3000 points' in out and 'training loader, 1 processes' in out


def test_scores_of_both_metrics_are_the_same(here, tmp_path):
    here(
        'benchmark',
        'eval',
        '--scenes',
        3,
        '--stock-scenes',
        2,
        '--masks',
        9,
        '--points',
        20_000,
        '--json',
        'eval.json',
    )
    report = json.loads((tmp_path / 'eval.json').read_text())
    ours, stock = report['InsSegMetric'], report['scannet_eval']
    assert ours['seconds_a_scene'] > 0 and stock['seconds_a_scene'] > 0
    assert 0 < ours['AP25_of_the_same'] == stock['AP25']


@pytest.mark.skipif(not can_browse(), reason='no Chromium, driver or selenium is installed')
def test_view_of_a_small_scene(here, tmp_path):
    out = here(
        'benchmark', 'view', '--points', 5000, '--seconds', 0.5, '--json', 'view.json'
    ).stdout
    report = json.loads((tmp_path / 'view.json').read_text())
    assert report['size'] == [1280, 720] and report['points'] == 5000
    for key in ('orbit', 'orbit_all_points'):
        assert report[key]['fps'] > 0 and 0 < report[key]['points'] <= 5000
    assert 0.3 < report['page_mb'] < 2 and report['load_seconds'] > 0
    assert '5000 points, 1280 × 720 pixels' in out and 'turning, all points' in out


KEYS = {
    'config',
    'device',
    'scans',
    'points',
    'voxels',
    'stages_ms',
    'peak_memory_mb',
    'parameters',
    'exponent',
    'commit',
    'versions',
}
STAGES_MS = {
    'read',
    'voxelize',
    'transfer',
    'backbone',
    'query_generation',
    'masks',
    'postprocess',
    'total',
    'end_to_end',
}


def test_speed_of_two_configs(here, tiny_config, tmp_path):
    other = tmp_path / 'wider.py'
    other.write_text(f"_base_ = '{tiny_config}'\nmodel = dict(neck=dict(num_points=64))\n")
    out = here(
        'benchmark',
        'speed',
        tiny_config,
        other,
        '--points',
        3000,
        '--rooms',
        2,
        '--repeat',
        1,
        '--warm-up',
        0,
        '--threads',
        1,
        '--scaling',
        1500,
        3000,
        '--json',
        'new/speed.json',
        '--plot',
        'pictures/speed.png',
    ).stdout
    small, wide = json.loads((tmp_path / 'new' / 'speed.json').read_text())
    for entry in (small, wide):
        assert entry.keys() == KEYS and entry['stages_ms'].keys() == STAGES_MS
        assert (entry['device'], entry['scans'], entry['points']) == ('cpu', 2, 3000)
        assert 0 < entry['voxels'] < 3000 and entry['peak_memory_mb'] > 50
        assert isinstance(entry['exponent'], float) and 'torch' in entry['versions']
    # 32 representative points more: a row of weights and a bias each.
    assert wide['parameters'] - small['parameters'] == 32 * (16 + 1)
    first, second = json.loads((tmp_path / 'new' / 'speed.json.details.json').read_text())
    assert first['spread_ms'].keys() == STAGES_MS and not first['amp'] and first['threads'] == 1
    assert [size for size, _ in first['scaling']] == [1500, 3000]
    assert second['operations']['matrix product'] > first['operations']['matrix product'] > 0
    assert first['operations']['sparse convolution'] == second['operations']['sparse convolution']
    assert first['backbone_ms'].keys() == {'backbone alone', 'backbone, forward + backward'}
    assert first['command'].startswith('python tools/benchmark.py speed tiny.py wider.py --points')
    assert (tmp_path / 'pictures' / 'speed.png').stat().st_size > 10_000
    assert '3D-QueryIS (paper)' in out and 'interquartile range' in out


def test_speed_of_scans_under_autocast(here, tiny_config, tiny_data, tmp_path):
    out = here(
        'benchmark',
        'speed',
        tiny_config,
        '--scans',
        tiny_data / 'scannet',
        '--repeat',
        1,
        '--forward-only',
        '--amp',
        '--warm-up',
        0,
        '--threads',
        1,
        '--scaling',
        '--json',
        'speed.json',
    ).stdout
    (entry,) = json.loads((tmp_path / 'speed.json').read_text())
    (details,) = json.loads((tmp_path / 'speed.json.details.json').read_text())
    assert entry['scans'] == 5 and entry['exponent'] is None
    assert details['amp'] and not details['scaling'] and 'backward' not in out


def test_speed_of_several_rooms_without_the_backward_pass(here, tiny_config):
    out = here(
        'benchmark',
        'speed',
        tiny_config,
        '--points',
        160_000,
        '--repeat',
        1,
        '--rooms',
        1,
        '--forward-only',
        '--warm-up',
        0,
        '--threads',
        1,
        '--scaling',
    ).stdout
    assert '160000 points' in out and 'backward' not in out


@pytest.mark.parametrize('where', ['scans', 'curve'])
def test_made_rooms_hold_the_kinds_of_objects_asked_for(here, tiny_config, tiny_data, where):
    options = {
        'scans': ['--points', 3000, '--scaling'],
        'curve': ['--scans', tiny_data / 'scannet', '--scaling', 1500, 3000],
    }[where]
    with pytest.raises(ValueError, match='chiar'):
        here(
            'benchmark',
            'speed',
            tiny_config,
            *options,
            '--repeat',
            1,
            '--warm-up',
            0,
            '--threads',
            1,
            '--forward-only',
            '--kinds',
            'bed,chiar',
        )


def test_weights_of_each_config_or_none(here, tiny_config):
    with pytest.raises(SystemExit, match='--weights: found 1 for 2 configs; expected one for each'):
        here('benchmark', 'speed', tiny_config, tiny_config, '--weights', 'model.pth')


def test_speed_of_a_method_that_groups_points_with_weights(here, tmp_path):
    leaf = ROOT / 'configs' / 'hais' / 'hais-s_demo.py'
    model, _ = load_model(leaf)
    model.decode_head.pointwise.semantic[-1].bias.data[2] = 99.0  # all is a chair
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / 'chairs.pth')
    here(
        'benchmark',
        'speed',
        leaf,
        '--weights',
        tmp_path / 'chairs.pth',
        '--points',
        3000,
        '--rooms',
        1,
        '--repeat',
        1,
        '--warm-up',
        0,
        '--threads',
        1,
        '--scaling',
        '--json',
        'speed.json',
        '--forward-only',
    )
    (entry,) = json.loads((tmp_path / 'speed.json').read_text())
    assert entry.keys() == KEYS and entry['stages_ms'].keys() == STAGES_MS
    assert min(entry['stages_ms'].values()) > 0
    (details,) = json.loads((tmp_path / 'speed.json.details.json').read_text())
    assert details['weights'].endswith('chairs.pth')
    assert details['operations']['sparse convolution'] > 0


def test_a_folder_without_scans(here, tiny_config, tmp_path):
    with pytest.raises(FileNotFoundError, match='no scans; expected .bin files'):
        here('benchmark', 'speed', tiny_config, '--scans', tmp_path)


def test_from_a_scan_to_files_stage_by_stage(here, sure_weights, own_points, tmp_path):
    out = here(
        'benchmark',
        'infer',
        '--model',
        'queryis-s_demo',
        '--weights',
        sure_weights,
        '--points',
        4000,
        '--repeat',
        2,
        '--threads',
        1,
        '--json',
        'infer.json',
    ).stdout
    report = json.loads((tmp_path / 'infer.json').read_text())
    seconds = report['seconds']
    whole = seconds.pop('whole')
    assert list(seconds) == [
        'read',
        'look',
        'voxelise',
        'model',
        'objects',
        'labelled.ply',
        'masks.npz',
        'view.html',
        'thumbnail: draw',
        'thumbnail: save',
        'rest',
    ]
    assert all(0 < value < whole for value in seconds.values())
    assert report['points'] == 4000 and report['first_seconds'] > 0
    assert report['peak_memory_mb'] > 50 and report['device'] == 'cpu'
    assert '4000 points' in out and 'view.html' in out
    np.save('own.npy', own_points)
    out = here(
        'benchmark',
        'infer',
        '--model',
        'queryis-s_demo',
        '--weights',
        sure_weights,
        '--scan',
        'own.npy',
        '--repeat',
        1,
        '--threads',
        1,
    ).stdout
    assert '5000 points' in out
