# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The models can learn: one room by heart."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEAVES = sorted((ROOT / 'configs').glob('*/*_overfit.py'))


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Runs a tool with the data root at a made room, which it also makes; ``run.folder``."""
    folder = tmp_path_factory.mktemp('room')
    env = dict(os.environ, INSSEG3D_DATA=str(folder))

    def run(tool, *args):
        subprocess.run(
            [sys.executable, str(ROOT / 'tools' / tool), *map(str, args)], check=True, env=env
        )

    run(
        'synthesize.py',
        '--layout',
        'scannet',
        '--out',
        folder / 'raw',
        '--scenes',
        1,
        '--splits',
        'train=1',
        '--spacing',
        '0.03',
        '--area',
        8,
        12,
        '--objects',
        9,
        12,
    )
    run(
        'prepare_scannet.py',
        '--raw',
        folder / 'raw',
        '--out',
        folder / 'scannet',
        '--splits',
        'train',
    )
    return run


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize('leaf', LEAVES, ids=lambda path: path.stem)
def test_one_room_is_learned_by_heart(run, tmp_path, leaf):
    least = 0.95 if leaf.parent.name == 'queryis' else 0.9
    run('train.py', leaf, '--work-dir', tmp_path)
    rows = [
        json.loads(line)
        for path in tmp_path.glob('*/vis_data/scalars.json')
        for line in path.read_text().splitlines()
    ]
    scores = [row for row in rows if 'AP' in row]
    assert scores[-1]['num_objects_scored'] >= 5
    assert scores[-1]['AP'] >= least
