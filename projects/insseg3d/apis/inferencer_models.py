# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The names of this project's models, and the configs behind them.

In a checkout they lie in ``model-index.yml`` and ``configs/``. An installed package carries the
same files in ``insseg3d/.mim``, a folder of links in the checkout and of files in a wheel, where
OpenMMLab's tools look for them.
"""
from collections.abc import Iterator
from pathlib import Path

from mmengine.fileio import load

_PACKAGE = Path(__file__).resolve().parents[1]


def index_folder() -> Path:
    """The folder with ``model-index.yml`` and ``configs``.

    Raises:
        FileNotFoundError: the package is not whole.
    """
    folders = (_PACKAGE / '.mim', _PACKAGE.parents[1])  # the second where links are not to be had
    for folder in folders:
        if (folder / 'model-index.yml').is_file() and (folder / 'configs').is_dir():
            return folder
    raise FileNotFoundError(
        f'{_PACKAGE}: neither .mim nor a checkout around it holds model-index.yml and configs; '
        'install the package again.')


def models() -> dict[str, Path]:
    """Name → config: of the index with its aliases, then of the other leaves beside those."""
    folder, found = index_folder(), {}
    for names, config in _indexed(folder):
        for name in names:
            found.setdefault(name.lower(), config)
    for beside in sorted({config.parent for config in found.values()}):
        for leaf in sorted(beside.glob('*.py')):
            found.setdefault(leaf.stem.lower(), leaf)
    return found


def find_config(model: str | Path) -> Path:
    """The config that a path or a name means.

    Args:
        model: path of a config; or a name of :func:`models`, in small or large letters.

    Raises:
        ValueError: neither; the message lists the names.
    """
    if Path(model).is_file():
        return Path(model)
    known = models()
    if str(model).lower() in known:
        return known[str(model).lower()]
    raise ValueError(
        f'{model}: neither the path of a config nor a known model; expected one of '
        f'{", ".join(sorted(known))}, or a path.')


def _indexed(folder: Path) -> Iterator[tuple[list[str], Path]]:
    for part in load(folder / 'model-index.yml')['Import']:
        for model in load(folder / part).get('Models', ()):
            aliases = model.get('Alias', [])
            aliases = [aliases] if isinstance(aliases, str) else aliases
            yield [model['Name'], *aliases], folder / model['Config']
