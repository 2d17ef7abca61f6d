# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The examples run unchanged, and their results are those of the inferencer."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import queryis  # noqa: F401
from insseg3d.apis import InstanceSeg3DInferencer
from insseg3d.apis.checkpoints import published, read_checkpoint, write_published
from insseg3d.apis.model import dataset_meta
from insseg3d.apis.model_index import choose_model

EXAMPLES = Path(__file__).parents[2] / 'examples'


@pytest.fixture(scope='module')
def weights(sure_weights, tmp_path_factory):
    """Write a checkpoint like tools/publish_model.py, with its config inside."""
    config, checkpoint = choose_model('queryis-s_demo', read_checkpoint(sure_weights))
    return write_published(
        published(checkpoint, config, dataset_meta(config)),
        tmp_path_factory.mktemp('weights') / 'small.pth',
    )


@pytest.fixture(autouse=True)
def lenient(monkeypatch):
    """Lower the score threshold, because an untrained model has low scores."""
    defaults = InstanceSeg3DInferencer.__init__.__kwdefaults__
    monkeypatch.setitem(defaults, 'score_thr', 0.05)
    monkeypatch.setitem(defaults, 'min_voxels', 10)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(name, *args):
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f'{name}.py')
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.main([str(arg) for arg in args])

    return call


@pytest.fixture
def scans(own_points, tmp_path):
    folder = tmp_path / 'scans'
    folder.mkdir()
    for name, points in (('a.npy', own_points), ('b.npy', own_points[::-1])):
        np.save(folder / name, points)
    return [folder / 'a.npy', folder / 'b.npy']


@pytest.fixture
def expected(weights, own_points):
    result = InstanceSeg3DInferencer(weights=weights, device='cpu')(own_points)
    assert len(result) > 1 and (result.instance[::-1] != result.instance).any()
    return result


def test_arrays_in_objects_out_and_nothing_written(run, weights, tmp_path, capsys):
    run('robot_loop', '--weights', weights, '--frames', 2)
    assert capsys.readouterr().out.count(' objects in ') == 2
    assert not list(tmp_path.iterdir())


def test_a_folder_into_one_table(run, weights, scans, expected, tmp_path):
    pandas = pytest.importorskip('pandas')
    run('folder_to_table', scans[0].parent, 'objects.csv', '--weights', weights)
    table = pandas.read_csv(tmp_path / 'objects.csv')
    for scan in scans:
        rows = table[table['scan'] == str(scan)]
        assert rows['class'].tolist() == expected.names
        assert rows['points'].tolist() == expected.sizes.tolist()


def test_two_threads_give_what_one_gives(run, weights, scans, expected):
    arguments = [*scans, *scans, '--weights', weights, '--threads']
    for samples in (run('threads_and_mmdet3d', *arguments, count) for count in (1, 2)):
        assert len(samples) == 4
        for number, sample in enumerate(samples):
            instance = sample.pred_pts_seg.pts_instance_mask
            np.testing.assert_array_equal(
                instance[::-1] if number % 2 else instance, expected.instance
            )
            np.testing.assert_array_equal(
                sample.pred_instances_3d.labels_3d.numpy(), expected.labels
            )


def test_all_examples_are_here_and_short():
    names = sorted(path.name for path in EXAMPLES.glob('*.py'))
    assert names == ['folder_to_table.py', 'robot_loop.py', 'threads_and_mmdet3d.py']
    for name in names:
        assert len((EXAMPLES / name).read_text().splitlines()) <= 60
        assert f'examples/{name}' in (EXAMPLES.parent / 'docs' / 'inference.md').read_text()
