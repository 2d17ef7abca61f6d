# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Lists of leaves and seeds, as ``tools/run_experiments.py`` takes them."""

from pathlib import Path

from ..provenance import ROOT


def read_list(path: Path, root: Path = ROOT) -> list[Path]:
    """Return the leaves that a list names, in its order.

    Args:
        path: Text file with a config, or a pattern of configs, per line; ``#`` begins a comment.
        root: Folder from which they are named.

    Raises:
        OSError: If there is no such list.
        ValueError: If a line names no config, or none does.
    """
    leaves = []
    for line in path.read_text().splitlines():
        pattern = line.split('#')[0].strip()
        if not pattern:
            continue
        found = [Path(pattern)] if Path(pattern).is_absolute() else sorted(root.glob(pattern))
        if not found or not found[0].is_file():
            raise ValueError(
                f'{path}: found {pattern!r}, which is no leaf; expected paths of '
                'configs from the root of the repository'
            )
        leaves += [leaf for leaf in found if leaf not in leaves]
    if not leaves:
        raise ValueError(f'{path}: names no leaf')
    return leaves


def read_seeds(text: str) -> list[int]:
    """Return numbers that are separated by commas.

    Raises:
        ValueError: If a part is no number.
    """
    try:
        return [int(part) for part in text.split(',')]
    except ValueError:
        raise ValueError(f'--seeds: found {text!r}, expected numbers, say 0,1,2') from None
