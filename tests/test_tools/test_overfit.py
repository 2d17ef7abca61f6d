# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The model can learn: one room by heart."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_one_room_is_learned_by_heart(tmp_path):
    env = dict(os.environ, INSSEG3D_DATA=str(tmp_path))

    def run(tool, *args):
        subprocess.run(
            [sys.executable, str(ROOT / 'tools' / tool), *map(str, args)], check=True, env=env)

    run('synthesize.py', '--layout', 'scannet', '--out', tmp_path / 'raw', '--scenes', 1,
        '--splits', 'train=1', '--spacing', '0.03', '--area', 8, 12, '--objects', 9, 12)
    run('prepare_scannet.py', '--raw', tmp_path / 'raw', '--out', tmp_path / 'scannet',
        '--splits', 'train')
    run('train.py', ROOT / 'configs' / 'queryis' / 'queryis-s_overfit.py', '--work-dir',
        tmp_path / 'work')
    rows = [json.loads(line) for path in tmp_path.glob('work/*/vis_data/scalars.json')
            for line in path.read_text().splitlines()]
    scores = [row for row in rows if 'AP' in row]
    assert scores[-1]['num_objects_scored'] >= 5
    assert scores[-1]['AP'] >= 0.95
