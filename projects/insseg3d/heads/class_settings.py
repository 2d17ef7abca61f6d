# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Check settings with an entry per class, and checkpoints, against the number of classes."""

from collections.abc import Iterable, Mapping, Sized

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
        key: Name of the setting, for the message.
        table: One entry per class.
        num_classes: K, for the message.
        expected: Required number of entries: K, or K + 1 if "no object" has one.
        remedy: Advice for the message.

    Raises:
        ValueError: The table has too few entries or too many.
    """
    if len(table) != expected:
        beside = '' if expected == num_classes else ' and one for "no object"'
        raise ValueError(
            f'{key} has {len(table)} entries, num_classes={num_classes}; expected {expected}, one '
            f'for each class{beside}. {remedy}'
        )


def check_class_numbers(key: str, numbers: Iterable[int], num_classes: int) -> None:
    """Reject numbers that are not class numbers.

    Raises:
        ValueError: There are such numbers; the message lists them.
    """
    strange = [number for number in numbers if not 0 <= number < num_classes]
    if strange:
        raise ValueError(
            f'{key} has {strange}, num_classes={num_classes}; expected numbers of classes, '
            f'0..{num_classes - 1}. Correct {key}, or set it to () if there are none'
        )


def refuse_other_classes(
    state_dict: Mapping[str, Sized],
    name: str,
    *,
    expected: int,
    wanted: str,
    kind: str = 'classes',
    beside: int = 0,
) -> None:
    """Reject a checkpoint of another label set.

    Call this in ``_load_from_state_dict``. mmengine loads with ``strict=False``: it would only log
    that a layer does not fit, and keep the initial weights of that layer.

    Args:
        state_dict: Weights that are being loaded.
        name: Key of a weight with one row per class. If it is missing, nothing is compared.
        expected: Number of rows for the config.
        wanted: The config's setting, for the message.
        kind: Name of the classes, for the message.
        beside: Number of rows that belong to no class, such as the row of "no object".

    Raises:
        RuntimeError: The checkpoint has another number of rows.
    """
    found = state_dict.get(name)
    if found is not None and len(found) != expected:
        raise RuntimeError(
            f'{name}: the checkpoint has {len(found) - beside} {kind}, the config {wanted}. '
            f'{OTHER_CLASSES}'
        )
