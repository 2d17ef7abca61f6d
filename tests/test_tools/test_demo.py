# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import json
import subprocess
import sys
from pathlib import Path

import pytest

from insseg_lab import demo

ROOT = Path(__file__).resolve().parents[2]


def test_metrics_hold_what_was_printed_and_leave_out_absent_classes(tmp_path):
    run = tmp_path / 'test' / '20200101_000000'
    run.mkdir(parents=True)
    (run / '20200101_000000.json').write_text(
        '{"AP": 0.5, "AP50": 0.6, "AP25": 0.7, "AP/bed": 0.5, "AP50/bed": 0.6, "AP25/bed": 0.7, '
        '"AP/door": NaN, "AP50/door": NaN, "AP25/door": NaN, "num_objects": 20, '
        '"num_objects_scored": 19, "share_objects_scored": 0.95, "time": 0.1, "data_time": 0.1}'
    )
    metrics = demo.write_metrics(tmp_path, 61.26)
    assert metrics == json.loads((tmp_path / 'metrics.json').read_text())
    assert {'AP', 'AP50', 'AP25', 'classes', 'seconds', 'commit', 'versions'} <= set(metrics)
    assert metrics['classes'] == {'bed': {'AP': 0.5, 'AP50': 0.6, 'AP25': 0.7}}
    assert (metrics['seconds'], metrics['objects_counted'], metrics['objects']) == (61.3, 19, 20)
    assert metrics['versions']['mmdet3d'].startswith('1.4')


def test_summary_prints_the_table_and_the_share_that_counts(tmp_path, capsys):
    scores = dict(AP=0.25, AP50=0.5, AP25=0.75)
    demo.print_summary(
        dict(scores, classes=dict(bed=scores), objects=40, objects_counted=38, seconds=83.0),
        16,
        tmp_path,
        tmp_path / 'index.html',
    )
    printed = capsys.readouterr().out
    assert '38 of 40 objects, 95%' in printed and '1 min 23 s' in printed
    rows = [line.split() for line in printed.splitlines() if line.startswith(('bed', 'all'))]
    assert rows == [[name, '0.250', '0.500', '0.750'] for name in ('bed', 'all')]


def test_progress_follows_the_log_of_the_tool(tmp_path, capfd):
    command = [sys.executable, '-c', "print('Iter(train) [ 20/60]'); print('Iter(train) [60/60]')"]
    demo.Steps(1, tmp_path).with_bar(command, 'train.py', 'iteration')
    assert '60/60' in capfd.readouterr().err
    assert 'Iter(train) [60/60]' in (tmp_path / 'train.log').read_text()


def test_failing_tool_ends_the_demo_with_its_last_words(tmp_path):
    command = [sys.executable, '-c', "print('disk full'); raise SystemExit(3)"]
    with pytest.raises(SystemExit, match='disk full\n\ntrain.py failed with exit status 3'):
        demo.Steps(1, tmp_path).with_bar(command, 'train.py', 'iteration')


def test_models_of_the_demo_are_found_by_name():
    assert demo.demo_config('queryis-plus-s').name == 'queryis-plus-s_demo.py'
    with pytest.raises(ValueError, match='found --model foo.*expected one of .*queryis-s, softg'):
        demo.demo_config('foo')


@pytest.mark.slow
@pytest.mark.parametrize(
    'options, title',
    [
        ([], '3D-QueryIS+ on rooms that it never saw'),
        (['--model', 'queryis-s'], '3D-QueryIS on rooms that it never saw'),
    ],
    ids=['default', 'paper'],
)
def test_whole_way_with_two_rooms(tmp_path, options, title):
    """The way only: two iterations teach nothing."""
    subprocess.run(
        [
            sys.executable,
            str(ROOT / 'tools' / 'demo.py'),
            '--work-dir',
            str(tmp_path),
            '--train-rooms',
            '2',
            '--held-out-rooms',
            '2',
            '--iterations',
            '2',
            *options,
        ],
        check=True,
        cwd=tmp_path,
    )
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    assert metrics['objects'] > 0 and 0 <= metrics['AP'] <= metrics['AP25'] <= 1
    page = (tmp_path / 'index.html').read_text()
    assert title in page
    assert 'http://' not in page.replace('http://www.w3.org', '') and 'scene' in page
    assert (tmp_path / 'rooms.png').stat().st_size > 10_000
