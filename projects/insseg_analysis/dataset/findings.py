# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Find in the facts of scenes what would spoil or harm a training, each with a remedy."""

from collections.abc import Sequence

from . import color_rules, label_rules, point_rules
from .expectations import Expectations, Finding
from .facts import SceneFacts

RULES = (
    label_rules.stopped,
    label_rules.class_count,
    label_rules.unknown_ids,
    point_rules.units,
    point_rules.precision,
    point_rules.lost_digits,
    point_rules.up_axis,
    point_rules.density,
    color_rules.colors,
    label_rules.nothing_to_learn,
    label_rules.mixed_objects,
    label_rules.too_many_objects,
)
"""Functions of scenes and expectations that yield level, fault and remedy."""


def find_problems(
    split: str, scenes: Sequence[SceneFacts], expected: Expectations
) -> list[Finding]:
    """Judge the scenes of one split.

    Args:
        split: Name of the split.
        scenes: Facts of its scenes.
        expected: Expectations of the config.

    Returns:
        Findings, errors first.
    """
    found = [
        Finding(level, split, what, remedy)
        for rule in RULES
        for level, what, remedy in rule(scenes, expected)
    ]
    return sorted(found, key=lambda finding: ('error', 'warning', 'note').index(finding.level))
