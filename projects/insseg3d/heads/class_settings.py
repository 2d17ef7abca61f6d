# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Check what depends on the classes: settings with an entry for each, layers of checkpoints."""

from collections.abc import Iterable, Sized

OTHER_CLASSES = (
    'Use the config that the checkpoint was trained with, or, to fine-tune on other classes, add '
    "default_hooks=dict(new_classes=dict(type='NewClassesHook')) to the config and begin from "
    'load_from: see docs/own-data.md'
)
"""Remedy of errors about a checkpoint of other classes."""


def check_class_table(
    key: str, table: Sized, num_classes: int, *, expected: int, remedy: str
) -> None:
    """Compare the length of a setting per class with the number of classes.

    Args:
        key: its name, for the message.
        table: an entry for each class.
        num_classes: K, for the message.
        expected: entries that there should be: K, or K + 1 where "no object" has one.
        remedy: what to do.

    Raises:
        ValueError: too few or too many.
    """
    if len(table) != expected:
        beside = '' if expected == num_classes else ' and one for "no object"'
        raise ValueError(
            f'{key} has {len(table)} entries, num_classes={num_classes}; expected {expected}, one '
            f'for each class{beside}. {remedy}'
        )


def check_class_numbers(key: str, numbers: Iterable[int], num_classes: int) -> None:
    """Refuse numbers of classes that are none.

    Raises:
        ValueError: naming them.
    """
    strange = [number for number in numbers if not 0 <= number < num_classes]
    if strange:
        raise ValueError(
            f'{key} has {strange}, num_classes={num_classes}; expected numbers of classes, '
            f'0..{num_classes - 1}. Correct {key}, or set it to () if there are none'
        )
