# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Two processes that share the scenes compute the same scores as one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name('two_processes.py')


def run(out, processes, num_scenes):
    result = subprocess.run(
        [
            sys.executable,
            '-m',
            'torch.distributed.run',
            '--standalone',
            f'--nproc_per_node={processes}',
            str(SCRIPT),
            str(out),
            str(num_scenes),
        ],
        env=dict(os.environ, CUDA_VISIBLE_DEVICES='', OMP_NUM_THREADS='1'),
        text=True,
        capture_output=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(Path(f'{out}.json').read_text())


def test_scores_and_tables_are_those_of_one_process(tmp_path):
    from insseg3d.evaluation.functional import load_results

    one, two = (run(tmp_path / str(processes), processes, 7) for processes in (1, 2))
    assert one.keys() == two.keys() and one['AP25'] > 0
    for name, value in one.items():
        assert two[name] == pytest.approx(value, abs=1e-12, nan_ok=True), name
    names = [
        sorted(scene.scene for scene in load_results(tmp_path / f'{k}.npz').scenes) for k in (1, 2)
    ]
    assert names[0] == names[1] == [f'room{k}' for k in range(7)]
