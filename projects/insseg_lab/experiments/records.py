# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The files of a run: its result, and the budget of its folder."""

import json
from pathlib import Path


def read_result(path: Path, budget: dict) -> dict:
    """Return the result of a run.

    Raises:
        ValueError: If it is of another budget.
    """
    found = json.loads(path.read_text())
    if found['budget'] != budget:
        raise ValueError(
            f'{path}: is of another budget, {found["budget"]}; expected {budget}. '
            'Choose another --results and another --out.'
        )
    return found


def claim(folder: Path, budget: dict) -> None:
    """Write the budget of a training into the folder of its run.

    Raises:
        ValueError: If the folder has another: its files would be taken for those of this training.
    """
    stamp = folder / 'budget.json'
    if not stamp.exists():
        write_whole(stamp, budget)
    elif (found := json.loads(stamp.read_text())) != budget:
        raise ValueError(
            f'{folder}: holds a training of another budget, {found}; expected '
            f'{budget}. Choose another --out.'
        )


def run_name(leaf: Path, seed: int) -> str:
    """Return the name of a run: the leaf's folder, the leaf and the seed."""
    return f'{leaf.parent.name}_{leaf.stem}_seed{seed}'


def leaf_name(leaf: Path, root: Path) -> str:
    """Return the path of a leaf from the root; of a leaf from elsewhere its name alone."""
    leaf, root = leaf.resolve(), root.resolve()
    return leaf.relative_to(root).as_posix() if leaf.is_relative_to(root) else leaf.name


def write_whole(path: Path, value: dict) -> None:
    """Write JSON; the file is complete or absent at any time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix('.part')
    part.write_text(json.dumps(value, indent=1) + '\n')
    part.replace(path)
