# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Assumptions of the user about a scan, and remarks on findings and guesses."""

from typing import Any, NamedTuple

from .units import UNITS, UP_AXES

COLOR_RANGES = {'1': 1.0, '255': 255.0, '1023': 1023.0, '4095': 4095.0, '65535': 65535.0}


class Assumptions(NamedTuple):
    """Properties of a scan given by the user; None is inferred.

    Attributes:
        units: Key of ``UNITS``.
        up: Key of ``UP_AXES``.
        color_range: Key of ``COLOR_RANGES``, the greatest possible colour value; 'none' ignores
            the colours.
        strict: Whether to refuse a scan that needs a guess.
    """

    units: str | None = None
    up: str | None = None
    color_range: str | None = None
    strict: bool = False


NOTHING_KNOWN = Assumptions()


class Remark(NamedTuple):
    """A finding in one line; ``guessed`` if it may be wrong, or may spoil the result."""

    text: str
    guessed: bool

    def __str__(self) -> str:
        return f'{"assumed" if self.guessed else "found"}: {self.text}'


def check_assumptions(assumptions: Assumptions) -> None:
    """Refuse misspelt values.

    Raises:
        ValueError: If a value is unknown.
    """
    known: dict[str, Any] = {
        'units': UNITS,
        'up': UP_AXES,
        'color_range': {**COLOR_RANGES, 'none': 0},
    }
    for name, values in known.items():
        value = getattr(assumptions, name)
        if value is not None and value not in values:
            raise ValueError(f'{name} is {value!r}; expected one of {", ".join(values)}')
