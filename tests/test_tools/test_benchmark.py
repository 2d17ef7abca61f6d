# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The benchmark runs and writes what it prints; its figures are not tested."""
import json


def test_data_of_a_small_scan(run_tool, tiny_config, tmp_path):
    out = run_tool('benchmark.py', 'data', tiny_config, '--points', 3000, '--repeat', 2,
                   '--workers', 0, 1, '--batches', 2, '--json', 'data.json').stdout
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
    here('benchmark', 'eval', '--scenes', 3, '--stock-scenes', 2, '--masks', 9, '--points', 20_000,
         '--json', 'eval.json')
    report = json.loads((tmp_path / 'eval.json').read_text())
    ours, stock = report['InsSegMetric'], report['scannet_eval']
    assert ours['seconds_a_scene'] > 0 and stock['seconds_a_scene'] > 0
    assert 0 < ours['AP25_of_the_same'] == stock['AP25']


def test_speed_of_a_small_scan(run_tool, tiny_config, tmp_path):
    run_tool('benchmark.py', 'speed', tiny_config, '--points', 3000, '--repeat', 1, '--warm-up', 0,
             '--threads', 1, '--json', 'speed.json')
    report = json.loads((tmp_path / 'speed.json').read_text())
    assert report['seconds']['forward pass'] > 0 and report['points'] == 3000
    assert 'backbone, forward + backward' in report['seconds']
    assert report['peak_memory_gb'].keys() == {'forward', 'training'}


def test_speed_of_several_rooms_without_the_backward_pass(run_tool, tiny_config, tmp_path):
    out = run_tool('benchmark.py', 'speed', tiny_config, '--points', 160_000, '--repeat', 1,
                   '--forward-only', '--warm-up', 0, '--threads', 1).stdout
    assert '160000 points' in out and 'backward' not in out and 'training' not in out
