# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Runs that are done, repeated or kept; the commands themselves are replaced by stand-ins."""

import dataclasses
import json
import threading
import time
from pathlib import Path

import pytest
from mmengine.config import Config

from insseg_lab.commands import Busy, Finished, RunFailed, only_one
from insseg_lab.experiments.budgets import BUDGETS
from insseg_lab.experiments.logs import logged_seconds
from insseg_lab.experiments.records import leaf_name
from insseg_lab.experiments.runs import Experiments

ROOT = Path(__file__).parents[2]
LEAF = ROOT / 'configs' / 'queryis' / 'queryis-s_1xb10-150k_scannet.py'
OTHER = ROOT / 'configs' / 'queryis' / 'queryis-l_1xb10-150k_scannet.py'
BUDGET = dataclasses.replace(BUDGETS['cpu-small'], iterations=40)
SCORES = {
    'AP': 0.25,
    'AP50': 0.5,
    'AP25': 0.75,
    'AP/bed': 0.25,
    'AP50/bed': 0.5,
    'AP25/bed': 0.75,
    'AP/sofa': float('nan'),
    'AP50/sofa': float('nan'),
    'AP25/sofa': float('nan'),
    'num_objects': 9.0,
    'num_objects_scored': 7.0,
}


class Tools:
    """Leaves behind what train.py and test.py leave; ``stops`` ends one of them, once."""

    def __init__(self):
        self.calls, self.commands, self.stops = [], [], {}

    def __call__(self, command, log, lock):
        tool = Path(command[1]).name
        self.calls.append(tool)
        self.commands.append(command)
        work = Path(command[command.index('--work-dir') + 1]) if '--work-dir' in command else None
        if tool == 'train.py':
            assert command[-1] == '--resume'
            steps = [20] if 'train.py' in self.stops else [20, 40]
            rows = work / f'run{len(self.calls)}' / 'vis_data' / 'scalars.json'
            rows.parent.mkdir(parents=True)
            rows.write_text(
                ''.join(json.dumps(dict(step=step, time=0.5, loss=1.0)) + '\n' for step in steps)
                + '{"st'
            )
            (work / 'last_checkpoint').write_text(str(work / f'iter_{steps[-1]}.pth'))
        if tool == 'check_dataset.py':
            names = 'abcdefghijklmnopqr'
            (Path(command[command.index('--out') + 1]) / 'class_statistics.json').write_text(
                json.dumps(
                    dict(
                        classes={
                            name: dict(num_objects=1, mean_points=50.2, mean_radius=1.0)
                            for name in names
                        }
                    )
                )
            )
        if tool in self.stops:
            raise self.stops.pop(tool)
        if tool == 'test.py':
            (work / 'now').mkdir(parents=True)
            (work / 'now' / 'now.json').write_text(json.dumps(SCORES))
        return Finished(3.0, 700.0)


@pytest.fixture
def tools():
    return Tools()


@pytest.fixture
def experiments(tmp_path, tools):
    return Experiments(
        out=tmp_path / 'out',
        results=tmp_path / 'results',
        tools=ROOT / 'tools',
        root=ROOT,
        budget_name='small',
        budget=BUDGET,
        facts=dict(commit='abc'),
        launch=tools,
    )


def result(experiments, name='queryis_queryis-s_1xb10-150k_scannet_seed0'):
    return json.loads((experiments.results / f'{name}.json').read_text())


def test_a_result_holds_scores_and_where_they_come_from(experiments, tools):
    assert experiments.run_all([LEAF], [0]) == []
    found = result(experiments)
    assert (found['AP'], found['AP50'], found['AP25']) == (0.25, 0.5, 0.75)
    assert found['classes'] == {'bed': dict(AP=0.25, AP50=0.5, AP25=0.75)}  # no sofa to find
    assert found['leaf'] == 'configs/queryis/queryis-s_1xb10-150k_scannet.py'
    assert (found['seed'], found['commit'], found['objects_scored']) == (0, 'abc', 7)
    assert found['budget'] == dict(name='small', **BUDGET.facts())
    assert (found['seconds_train'], found['seconds_test']) == (20.0, 3.0)
    assert found['peak_memory_mb'] == 700 and found['parameters'] > 1_000_000
    assert tools.calls == ['synthesize.py', 'prepare_scannet.py', 'train.py', 'test.py']


NMS = ROOT / 'configs' / 'queryis' / 'ablations' / 'choices' / 'matrix-nms.py'


@pytest.mark.parametrize('leaves', [[NMS], [LEAF, NMS], [NMS, LEAF]])
def test_a_leaf_with_the_weights_of_another_is_only_tested(experiments, tools, leaves):
    assert experiments.run_all(leaves, [0]) == []
    assert tools.calls.count('train.py') == 1 and tools.calls.count('test.py') == 2
    found = result(experiments, 'choices_matrix-nms_seed0')
    assert found['seconds_train'] is found['peak_memory_mb'] is None
    assert found['AP'] == 0.25 and found['leaf'].endswith('matrix-nms.py')
    trained = experiments.out / 'runs' / 'queryis_queryis-s_1xb10-150k_scannet_seed0' / 'train'
    assert str(trained / 'iter_40.pth') in tools.commands[-1] + tools.commands[-2]
    assert not (experiments.out / 'runs' / 'choices_matrix-nms_seed0' / 'train').exists()
    assert result(experiments)['seconds_train'] == 20


def test_a_result_without_its_training_has_no_weights_to_test(experiments, tools):
    assert experiments.run_all([LEAF], [0]) == []
    elsewhere = dataclasses.replace(experiments, out=experiments.out.with_name('other'))
    (failure,) = elsewhere.run_all([NMS], [0])
    assert 'no checkpoint here' in failure and 'choices_matrix-nms_seed0' in failure


def test_rooms_are_looked_at_once_for_methods_that_ask_what_objects_are_like(experiments, tools):
    leaves = [
        ROOT / 'configs' / name / f'{name}-s_1xb10-150k_scannet.py'
        for name in ('queryis', 'hais', 'softgroup')
    ]
    assert experiments.run_all(leaves, [0, 1]) == []
    assert tools.calls.count('check_dataset.py') == 1
    assert tools.calls.index('check_dataset.py') == 4  # not for the first leaf
    for seed in (0, 1):
        folder = experiments.out / 'runs' / f'hais_hais-s_1xb10-150k_scannet_seed{seed}'
        grouping = Config.fromfile(folder / 'config.py').model.decode_head.grouping
        assert grouping.class_points == [50] * 18 and grouping.class_radii == [1.65] * 18


def test_what_is_finished_is_not_done_again(experiments, tools):
    experiments.run_all([LEAF], [0])
    tools.calls.clear()
    assert experiments.run_all([LEAF, OTHER], [0]) == []
    assert tools.calls == ['train.py', 'test.py']


def test_every_leaf_has_one_seed_before_the_next(experiments):
    experiments.run_all([LEAF, OTHER], [0, 1])
    written = sorted(experiments.results.glob('*.json'), key=lambda path: path.stat().st_mtime_ns)
    assert [path.stem[-5:] for path in written] == ['seed0', 'seed0', 'seed1', 'seed1']


def test_a_failure_does_not_stop_the_rest_and_is_tried_again(experiments, tools):
    tools.stops = {'train.py': RunFailed('train.py ended with status 1')}
    (failure,) = experiments.run_all([LEAF, OTHER], [0])
    assert failure.startswith('queryis_queryis-s') and 'ended with status 1' in failure
    assert len(list(experiments.results.glob('*.json'))) == 1
    assert experiments.run_all([LEAF, OTHER], [0]) == []


@pytest.mark.parametrize(
    'tool, again',
    [
        ('synthesize.py', ['synthesize.py', 'prepare_scannet.py', 'train.py', 'test.py']),
        ('train.py', ['train.py', 'test.py']),
        ('test.py', ['test.py']),  # trained it is
    ],
)
def test_goes_on_where_it_was_stopped(experiments, tools, tool, again):
    tools.stops = {tool: KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        experiments.run_all([LEAF], [0])
    assert not experiments.results.exists() or not list(experiments.results.glob('*.json'))
    tools.calls.clear()
    assert experiments.run_all([LEAF], [0]) == []
    assert tools.calls == again
    assert result(experiments)['seconds_train'] == 20.0  # iterations done twice count once


def test_a_run_of_another_process_is_put_off_and_its_result_taken(experiments, tools, capsys):
    busy = experiments.out / 'runs' / 'queryis_queryis-s_1xb10-150k_scannet_seed0'
    with only_one(busy):
        with pytest.raises(Busy):
            experiments.run_one(LEAF, 0, wait=False)
        thread = threading.Thread(target=experiments.run_all, args=([LEAF, OTHER], [0]))
        thread.start()
        while 'waiting for it' not in capsys.readouterr().out:
            assert thread.is_alive()
            time.sleep(0.05)
        assert tools.calls.count('train.py') == 1  # the other leaf, which stands behind it
        assert result(experiments, 'queryis_queryis-l_1xb10-150k_scannet_seed0')['AP'] == 0.25
        budget = dict(name='small', **BUDGET.facts())
        (experiments.results / f'{busy.name}.json').write_text(
            json.dumps(dict(AP=0.5, AP50=0.75, seconds_train=1.0, budget=budget))
        )
    thread.join(timeout=60)
    assert not thread.is_alive() and tools.calls.count('train.py') == 1
    assert f'{busy.name}: AP 0.5000' in capsys.readouterr().out


def test_results_of_another_budget_are_not_mixed(experiments):
    experiments.run_all([LEAF], [0])
    other = dataclasses.replace(experiments, budget=dataclasses.replace(BUDGET, lr_factor=2.0))
    (failure,) = other.run_all([LEAF], [0])
    assert 'is of another budget' in failure
    assert result(experiments)['budget']['lr_factor'] == BUDGET.lr_factor


@pytest.mark.parametrize('iterations', [20, 80])
def test_trainings_of_another_budget_are_not_mixed(experiments, tools, iterations):
    """The rooms are the same, the results go elsewhere: only the run's own folder can tell."""
    experiments.run_all([LEAF], [0])
    other = dataclasses.replace(
        experiments,
        results=experiments.results.with_name('others'),
        budget=dataclasses.replace(BUDGET, iterations=iterations),
    )
    tools.calls.clear()
    (failure,) = other.run_all([LEAF], [0])
    assert 'holds a training of another budget' in failure and 'another --out' in failure
    assert not tools.calls and not other.results.exists()


def test_other_rooms_are_not_mixed(experiments):
    experiments.make_rooms()
    other = dataclasses.replace(experiments, budget=dataclasses.replace(BUDGET, train_rooms=9))
    with pytest.raises(ValueError, match='other rooms are here'):
        other.make_rooms()


def test_a_leaf_from_elsewhere_is_named_without_its_folder(tmp_path):
    assert leaf_name(tmp_path / 'mine.py', ROOT) == 'mine.py'


def test_the_later_of_two_logs_of_an_iteration_counts(tmp_path):
    for name, rows in (('a', [(20, 1.0), (40, 9.0)]), ('b', [(40, 2.0), (50, 4.0)])):
        path = tmp_path / name / 'vis_data' / 'scalars.json'
        path.parent.mkdir(parents=True)
        path.write_text(
            '\n'.join(json.dumps(dict(step=step, time=time, loss=0.0)) for step, time in rows)
        )
    assert logged_seconds(tmp_path) == 20 * 1.0 + 20 * 2.0 + 10 * 4.0
