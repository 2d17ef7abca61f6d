# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Operations that a prediction requests of a GPU, and waits for it, counted on a CPU.

On a GPU, each operation takes Python some microseconds, and each wait some more, whatever the size
of the scene. The ceilings are a little above what was counted when they were written.
"""

from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from insseg3d.apis import load_model
from insseg3d.apis.model import pack_points
from insseg3d.layers import sparse_tensor
from insseg3d.ops import painting
from insseg3d.ops.sparse import cpu

from .test_configs import CONFIGS

VIEWS = {
    *('_reshape_alias', '_unsafe_view', 'alias', 'as_strided', 'detach', 'expand', 'narrow'),
    *('permute', 'select', 'slice', 'split', 'split_with_sizes', 'squeeze', 't', 'transpose'),
    *('unbind', 'unsqueeze', 'view', 'empty', 'empty_like', 'new_empty'),
}
WAITS = {
    *('_local_scalar_dense', '_unique2', 'bincount', 'masked_select', 'nonzero'),
    *('repeat_interleave', 'unique_consecutive', 'unique_dim'),
}


class Launches(TorchDispatchMode):
    """Counter of operations that are no views, and of those whose result the host waits for."""

    def __init__(self):
        super().__init__()
        self.operations, self.waits = Counter(), Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._schema.name.split('::')[1]
        if name not in VIEWS:
            self.operations[name] += 1
        by_mask = name.startswith('index') and any(
            isinstance(index, torch.Tensor) and index.dtype == torch.bool
            for index in (args[1] if isinstance(args[1], (list, tuple)) else ())
        )
        if name in WAITS or by_mask:
            self.waits[name] += 1
        return function(*args, **(kwargs or {}))


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Take the paths of a GPU."""
    monkeypatch.setattr(cpu, 'usable', lambda features: False)
    monkeypatch.setattr(sparse_tensor, 'gathers', lambda tensor: True)
    monkeypatch.setattr(painting, '_mask_by_mask', painting._drop_by_drop)


@pytest.mark.usefixtures('as_on_a_gpu')
@pytest.mark.parametrize('name, most', [('queryis-s', 1100), ('queryis-plus-s', 1300)])
def test_a_prediction_requests_few_operations_and_hardly_waits(name, most):
    model, config = load_model(CONFIGS / 'queryis' / f'{name}_1xb10-150k_scannet.py', None, 'cpu')
    rng = np.random.default_rng(0)
    places, colors = rng.uniform(0, 2, (4000, 3)), rng.uniform(0, 255, (4000, 3))
    batch = pack_points(np.concatenate([places, colors], 1).astype(np.float32), config, 'scene')
    with Launches() as count:
        model.test_step(batch)
    assert 500 < sum(count.operations.values()) <= most, count.operations.most_common(20)
    assert 5 < sum(count.waits.values()) <= 15, count.waits
