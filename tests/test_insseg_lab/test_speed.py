# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Stages, medians, the scaling curve: what is computed of the seconds, never the seconds."""

from pathlib import Path

import numpy as np
import pytest
import torch

from insseg3d.apis import load_model
from insseg_lab.memory import peak_memory_mb
from insseg_lab.provenance import machine
from insseg_lab.speed.measure import fitted_exponent, summarize
from insseg_lab.speed.report import component_table, components
from insseg_lab.speed.scenes import find_scans, scene_of_rooms
from insseg_lab.speed.stages import STAGES, SUMS, StageTimer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def loaded(tiny_config):
    return load_model(tiny_config)


def test_stages_add_up_and_leave_the_model_as_it_was(loaded, tiny_data):
    model, config = loaded
    scan = find_scans(tiny_data / 'scannet')[0]
    timer = StageTimer(model, config)
    seconds = timer(scan)
    assert tuple(seconds) == (*STAGES, *SUMS) and min(seconds.values()) > 0
    assert seconds['total'] == pytest.approx(sum(seconds[stage] for stage in STAGES[3:]))
    assert seconds['end_to_end'] == pytest.approx(sum(seconds[stage] for stage in STAGES))
    assert 'masks' not in vars(model.decode_head) and not model.neck._forward_pre_hooks


def test_a_failing_prediction_leaves_the_model_as_it_was(loaded, tiny_data, monkeypatch):
    model, config = loaded
    timer = StageTimer(model, config)
    monkeypatch.setattr(model.decode_head, 'ranking', None)
    with pytest.raises(TypeError):
        timer(find_scans(tiny_data / 'scannet')[0])
    assert 'masks' not in vars(model.decode_head) and not model.neck._forward_pre_hooks


def test_stages_of_a_model_without_a_neck(tiny_data):
    model, config = load_model(ROOT / 'configs' / 'pointgroup' / 'pointgroup-s_demo.py')
    seconds = StageTimer(model, config)(find_scans(tiny_data / 'scannet')[0])
    assert tuple(seconds) == (*STAGES, *SUMS) and min(seconds.values()) > 0
    assert not {'masks', 'predict'} & vars(model.decode_head).keys()


def test_models_that_make_no_masks_are_refused(loaded):
    _, config = loaded
    with pytest.raises(ValueError, match='expected a model with a decode_head that makes masks'):
        StageTimer(torch.nn.Linear(1, 1), config)


def test_medians_and_interquartile_ranges():
    rows = [dict(a=second / 1000) for second in (1, 2, 3, 4, 100)]
    assert summarize(rows) == (dict(a=pytest.approx(3)), dict(a=pytest.approx(2)))


@pytest.mark.parametrize('exponent', [0.5, 1, 1.7])
def test_exponent_of_a_power_is_found(exponent):
    curve = [(size, 3 * size**exponent) for size in (1000, 3000, 20_000)]
    assert fitted_exponent(curve) == pytest.approx(exponent)


def test_one_size_has_no_exponent():
    assert fitted_exponent([]) is None and fitted_exponent([(10, 1.0), (10, 2.0)]) is None


def test_scenes_of_a_curve_differ_in_size_alone():
    small, large = scene_of_rooms(50_000), scene_of_rooms(310_000)
    assert small.shape == (50_000, 6) and large.shape == (310_000, 6)
    assert np.array_equal(small, large[:50_000])

    def voxels(points):
        return len(np.unique(np.floor(points[:, :3] / 0.05).astype(int), axis=0))

    # As dense as one room: not twice the points in the same voxels.
    assert voxels(large) / len(large) == pytest.approx(voxels(large[:150_000]) / 150_000, rel=0.05)


def test_scenes_of_a_curve_hold_the_kinds_of_objects_asked_for():
    beds = scene_of_rooms(50_000, kinds=frozenset(['bed']))
    assert beds.shape == (50_000, 6) and not np.array_equal(beds, scene_of_rooms(50_000))


def test_components_are_the_columns_of_table_5():
    stages = dict(zip(STAGES, (1, 2, 3, 58, 25, 1.5, 0.5)), total=85, end_to_end=91)
    entry = dict(config='configs/x/small.py', device='cpu', stages_ms=stages)
    assert components(entry) == (58, 25, 2, 85)
    text = component_table([entry], [dict(method='other', device='A100', ms=[1, 2, 3, 6])])
    assert text.splitlines()[1].split() == ['small', 'cpu', '58.0', '25.0', '2.0', '85.0']
    assert text.splitlines()[2].split() == ['other', 'A100', '1.0', '2.0', '3.0', '6.0']


def test_peak_memory_holds_what_was_allocated():
    held = np.ones(40_000_000)  # 320 MB
    assert peak_memory_mb(torch.device('cpu')) > held.nbytes / 1e6


def test_machine_names_no_computer():
    import platform

    text = machine('cpu')
    assert ' cores of ' in text and ' GB, ' in text
    assert platform.node() not in text and '/' not in text
