# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The rule that judges colours."""

from collections.abc import Iterator, Sequence

from .expectations import Expectations, Problem, names
from .facts import SceneFacts


def colors(scenes: Sequence[SceneFacts], expected: Expectations) -> Iterator[Problem]:
    """Judge whether colours are there, and within 0..255."""
    colored = [scene for scene in scenes if scene.colors is not None]
    empty = [scene for scene in colored if _is_empty(scene)]
    if empty and len(empty) == len(colored) and not expected.drops_color:
        values = {scene.colors for scene in empty}
        low, high = min(low for low, _ in values), max(high for _, high in values)
        found = f'all colours are {low:g}' if low == high else 'each scene has a single colour'
        yield (
            'warning',
            found,
            "The scans seem to have none: put dict(type='DropColor', prob=1.0) into the pipelines",
        )
    elif empty and len(empty) < len(colored):
        yield (
            'note' if expected.drops_color else 'warning',
            f'{len(empty)} of {len(colored)} '
            f'scenes have a single colour, which is as good as none: {names(empty)}',
            "Store grey (127.5) there, and put dict(type='DropColor', prob=0.5) into the "
            'training pipeline to train the model on both kinds',
        )
    rest = [scene for scene in colored if not _is_empty(scene)]
    for wrong, remedy in (
        (
            [
                scene
                for scene in rest
                if scene.fractions or 0 <= scene.colors[0] and scene.colors[1] <= 1
            ],
            'Multiply them by 255 and convert again',
        ),
        (
            [
                scene
                for scene in rest
                if not (scene.colors[0] >= 0 and scene.colors[1] <= 255) and not scene.fractions
            ],
            'Scale them and convert again',
        ),
    ):
        if wrong:
            low, high = min(s.colors[0] for s in wrong), max(s.colors[1] for s in wrong)
            yield (
                'error',
                f'colours span {low:.7g} to {high:.7g}, expected 0..255: {names(wrong)}',
                remedy,
            )


def _is_empty(scene: SceneFacts) -> bool:
    """Return whether a scene has a single colour."""
    return scene.one_color or scene.colors[0] == scene.colors[1]
