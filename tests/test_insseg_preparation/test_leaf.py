# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The config that prepare_custom.py writes, see insseg_preparation/custom/leaf.py."""

import runpy

from insseg_preparation.custom import leaf


def test_its_bases_are_those_of_the_installation(tmp_path, monkeypatch):
    """Beside an installed package lie no configs; they are inside it, in ``.mim``."""
    for name, model in leaf.MODELS.items():
        assert all((leaf.CONFIGS / '_base_' / base).is_file() for base in model.bases(name))
    monkeypatch.setattr('insseg3d.engine.installed.index_folder', lambda: tmp_path)
    assert runpy.run_path(leaf.__file__)['CONFIGS'] == tmp_path.resolve() / 'configs'
