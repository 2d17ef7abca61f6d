# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Names and shapes in a checkpoint do not change, so older weights still load."""

import hashlib
from pathlib import Path

import pytest
from mmdet3d.registry import MODELS
from mmengine import Config
from mmengine.registry import init_default_scope

import insseg_baselines  # noqa: F401
import queryis  # noqa: F401

CONFIGS = Path(__file__).parents[3] / 'configs'
# Number of weights, and the start of the SHA-256 of their names and shapes in their order.
WEIGHTS = {
    'queryis/queryis-s_demo': (351, '585c9ed11789d7d7'),
    'queryis/queryis-s_1xb10-150k_scannet': (473, '0670bd57af662bc2'),
    'queryis/ablations/table4/non-params': (474, 'bae3971bc29636a5'),
    'pointgroup/pointgroup-s_demo': (377, 'cc50212167b9182d'),
    'hais/hais-s_demo': (388, 'e898e37c1e604918'),
    'softgroup/softgroup-s_demo': (390, 'd85fd4b204b766b6'),
}
PARTS = {
    'queryis': ('backbone.', 'neck.', 'decode_head.classifier.', 'decode_head.decoder.'),
    'pointgroup': ('backbone.', 'decode_head.pointwise.', 'decode_head.score.'),
    'hais': ('backbone.', 'decode_head.pointwise.', 'decode_head.mask.'),
    'softgroup': ('backbone.', 'decode_head.pointwise.', 'decode_head.classify.'),
}


@pytest.mark.parametrize('leaf', WEIGHTS)
def test_weights_have_the_names_and_shapes_that_they_always_had(leaf):
    init_default_scope('mmdet3d')
    state = MODELS.build(Config.fromfile(CONFIGS / f'{leaf}.py').model).state_dict()
    for part in PARTS[leaf.split('/')[0]]:
        assert any(name.startswith(part) for name in state), part
    lines = '\n'.join(f'{name} {tuple(weight.shape)}' for name, weight in state.items())
    assert (len(state), hashlib.sha256(lines.encode()).hexdigest()[:16]) == WEIGHTS[leaf]
