# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The packages that the model fragments of an installation name."""

import pytest

from insseg3d.apis.model_index import own_packages
from insseg3d.engine.installed import import_methods


@pytest.fixture
def fragment(tmp_path, monkeypatch):
    """Write a model fragment, the only one of an installation."""
    folder = tmp_path / 'configs' / '_base_' / 'models'
    folder.mkdir(parents=True)
    monkeypatch.setattr('insseg3d.engine.installed.index_folder', lambda: tmp_path)
    return (folder / 'mine.py').write_text


def test_the_packages_of_fragments_are_imported(fragment):
    fragment("custom_imports = dict(imports=['insseg3d', 'queryis'])\n")
    assert import_methods() == own_packages() == ('insseg3d', 'queryis')


def test_a_framework_that_a_fragment_names_is_not_trusted_as_a_whole(fragment):
    fragment("custom_imports = dict(imports=['insseg3d', 'mmdet.models'])\n")
    assert import_methods() == ('insseg3d', 'mmdet.models')
    assert own_packages() == ('insseg3d',)


def test_a_package_that_cannot_be_imported_is_named_with_a_remedy(fragment):
    fragment("custom_imports = dict(imports=['insseg3d', 'not_there'])\n")
    with pytest.raises(ValueError, match=r'^not_there: .*cannot be imported.* remove the config'):
        import_methods()


def test_imports_that_are_no_list_are_refused(fragment):
    fragment("custom_imports = {'imports': ['insseg3d']}\n")
    with pytest.raises(ValueError, match='expected'):
        import_methods()
