# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Operations that a prediction requests of a GPU, and waits for it, counted on a CPU.

On a GPU, each operation takes Python some microseconds, and each wait some more, whatever the size
of the scene. The ceilings are a little above what was counted when they were written.
"""

import numpy as np
import pytest
import torch

from insseg3d.apis import load_model
from insseg3d.apis.model import pack_points
from insseg3d.layers import sparse_tensor
from insseg3d.ops import painting
from insseg3d.ops.sparse import cpu
from insseg_lab.speed.launches import Launches
from queryis import activation_maps

from .test_configs import CONFIGS


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Take the paths of a GPU."""
    monkeypatch.setattr(cpu, 'usable', lambda features: False)
    monkeypatch.setattr(sparse_tensor, 'gathers', lambda tensor: True)
    monkeypatch.setattr(painting, 'prefers_few_operations', lambda masks: True)
    monkeypatch.setattr(activation_maps, 'MOST_VOXELS_IN_CACHE', 2**18)


@pytest.mark.usefixtures('as_on_a_gpu')
@pytest.mark.parametrize('name, most', [('queryis-s', 1100), ('queryis-plus-s', 1300)])
def test_a_prediction_requests_few_operations_and_hardly_waits(name, most):
    model, config = load_model(CONFIGS / 'queryis' / f'{name}_1xb10-150k_scannet.py', None, 'cpu')
    rng = np.random.default_rng(0)
    places, colors = rng.uniform(0, 2, (4000, 3)), rng.uniform(0, 255, (4000, 3))
    batch = pack_points(np.concatenate([places, colors], 1).astype(np.float32), config, 'scene')
    with torch.no_grad(), Launches() as count:
        model.test_step(batch)
    totals = count.totals()
    assert 500 < totals['operations'] <= most, count.operations.most_common(20)
    assert 5 < totals['waits'] <= 15, count.waits
