# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The model index names every leaf that one would train, with the values of its config."""

from pathlib import Path

import pytest
from mmengine import Config, load

ROOT = Path(__file__).parents[2]


def is_trained(leaf: Path) -> bool:
    """Return whether somebody would train a leaf for its results."""
    return not leaf.stem.endswith('_overfit') and '# Test only' not in leaf.read_text()


def models():
    index = load(ROOT / 'model-index.yml')
    return [model for path in index['Import'] for model in load(ROOT / path)['Models']]


def test_every_metafile_is_imported():
    index = load(ROOT / 'model-index.yml')
    assert sorted(index['Import']) == sorted(
        path.relative_to(ROOT).as_posix() for path in ROOT.glob('configs/*/metafile.yml')
    )


def test_every_leaf_is_indexed_once():
    leaves = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.glob('configs/*/*.py')
        if path.parent.name != '_base_' and is_trained(path)
    }
    listed = [model['Config'] for model in models()]
    assert len(listed) == len(set(listed)) and set(listed) == leaves
    assert all(model['Name'] == Path(model['Config']).stem for model in models())


@pytest.mark.parametrize('model', models(), ids=lambda model: model['Name'])
def test_batch_and_iterations_are_those_of_the_config(model):
    config = Config.fromfile(ROOT / model['Config'])
    assert model['Metadata']['Batch Size'] == config.train_dataloader.batch_size
    assert model['Metadata']['Iterations'] == config.train_cfg.max_iters


@pytest.mark.parametrize(
    'method',
    sorted(path.parent for path in ROOT.glob('configs/*/README.md')),
    ids=lambda path: path.name,
)
def test_readme_names_every_leaf_and_links_to_it(method):
    text = (method / 'README.md').read_text()
    missing = [
        path.stem
        for path in sorted(method.rglob('*.py'))
        if f'({path.relative_to(method).as_posix()})' not in text
    ]
    assert not missing
