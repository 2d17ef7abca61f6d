# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The configs that belong to this installation, and the packages of methods that they import.

In a checkout, the configs are in ``configs/`` next to ``model-index.yml``. An installed package
contains the same files in ``insseg3d/.mim``, where OpenMMLab's tools look for them. In a checkout,
that folder contains links; in a wheel, it contains files.
"""

import ast
import importlib
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def index_folder() -> Path:
    """Return the folder with ``model-index.yml`` and ``configs``.

    Raises:
        FileNotFoundError: If the package is incomplete.
    """
    folders = (_PACKAGE / '.mim', _PACKAGE.parents[1])  # the second where links do not exist
    for folder in folders:
        if (folder / 'model-index.yml').is_file() and (folder / 'configs').is_dir():
            return folder
    raise FileNotFoundError(
        f'{_PACKAGE}: neither .mim nor a checkout around it holds model-index.yml and configs; '
        'install the package again.'
    )


def import_methods() -> tuple[str, ...]:
    """Import every package that a model fragment of this installation names.

    The commands import all of them for two reasons: a leaf that sets ``custom_imports`` for its own
    module replaces the list of its fragment, and a checkpoint may be of any method.

    Returns:
        Names of the packages, the kernel first.

    Raises:
        FileNotFoundError: If the package is incomplete.
        ValueError: If the ``custom_imports`` of a fragment are not a list of names, or one of them
            cannot be imported.
    """
    found = {__name__.split('.')[0]: None}
    for fragment in sorted((index_folder() / 'configs' / '_base_' / 'models').glob('*.py')):
        found.update(dict.fromkeys(imports_of(fragment)))
    for name in found:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ValueError(
                f'{name}: a model config in {index_folder()} names this package, but it cannot be '
                f'imported: {error}. Install it, or remove the config.'
            ) from error
    return tuple(found)


def imports_of(fragment: Path) -> list[str]:
    """Return the modules in the ``custom_imports`` of a config file itself, not of its bases.

    The file is parsed but not run, so the result does not depend on the environment.

    Raises:
        ValueError: If they are not a list of names.
    """
    source = fragment.read_text(encoding='utf-8')
    if 'custom_imports' not in source:
        return []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'custom_imports':
            for keyword in getattr(node.value, 'keywords', ()):
                if keyword.arg == 'imports' and isinstance(keyword.value, ast.List):
                    return list(ast.literal_eval(keyword.value))
            raise ValueError(
                f'{fragment}: found {ast.unparse(node)}; expected '
                "custom_imports = dict(imports=['a_package'])"
            )
    return []
