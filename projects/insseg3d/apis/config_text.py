# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Reader of the config inside a checkpoint; it treats the text as data and runs none of it."""

import ast
import re
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

# mmengine imports a type that contains dots, even os.system; a single dot may be a scope.
_TYPE = re.compile(r'((mmdet3d|mmdet|mmcv|mmengine)\.)?\w+')


def config_of_text(text: str, where: str) -> Config:
    """Read a config as mmengine writes it into checkpoints.

    mmengine's own reader executes such a text. This one accepts only names, numbers, strings,
    lists, tuples, dicts and ``dict(…)``, and imports nothing. Pass its result through
    ``part_to_run`` before building anything from it.

    Args:
        text: Lines ``name = value``.
        where: Name of the file, for messages.

    Raises:
        ValueError: The text contains anything else, or a type that is an import.
    """
    try:
        values = {}
        for node in ast.parse(text).body:
            if not (
                isinstance(node, ast.Assign)
                and len(node.targets) == 1
                and isinstance(node.targets[0], ast.Name)
            ):
                raise ValueError(ast.unparse(node)[:60])
            values[node.targets[0].id] = _value(node.value)
        config = Config(values)
    except (
        SyntaxError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
        MemoryError,
    ) as error:
        raise ValueError(
            f'{where}: the config inside cannot be read ({error}); expected names, numbers, '
            'strings, lists and dicts only. Pass the config yourself: --config FILE.'
        ) from None
    for kind in values_of(values, 'type'):
        if isinstance(kind, str) and not _TYPE.fullmatch(kind):
            raise ValueError(
                f'{where}: the config inside has the type {kind!r}; expected the name of a '
                'registered part. If you trust it, pass the config yourself: --config FILE.'
            )
    return config


def _value(node: ast.expr) -> Any:
    """Evaluate a literal, which may contain ``dict(a=1)`` and ``dict({'a': 1})``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict':
        first = [dict(_value(mapping)) for mapping in node.args[:1]]
        if node.args[1:] or any(keyword.arg is None for keyword in node.keywords):
            raise ValueError(ast.unparse(node)[:60])
        return dict(*first, **{keyword.arg: _value(keyword.value) for keyword in node.keywords})
    if isinstance(node, ast.Dict):
        return {_value(key): _value(value) for key, value in zip(node.keys, node.values)}
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        kind = {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)]
        return kind(_value(item) for item in node.elts)
    return ast.literal_eval(node)


def values_of(config: Any, key: str) -> Iterator[Any]:
    """Yield every value of a key in nested dicts, lists and tuples, in their order."""
    if isinstance(config, dict):
        for name, value in config.items():
            if name == key:
                yield value
            yield from values_of(value, key)
    elif isinstance(config, (list, tuple)):
        for part in config:
            yield from values_of(part, key)
