# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Parts that the commands of tools/ share: the parser, the config, messages of expected errors."""

import argparse
import functools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope

from .installed import import_methods

Main = Callable[..., int | None]


def command_parser(doc: str) -> argparse.ArgumentParser:
    """Return a parser that prints a docstring as it is laid out."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def load_config(path: str | Path, cfg_options: Mapping[str, Any] | None = None) -> Config:
    """Read a config, with its registry scope active and all methods registered.

    Args:
        path: The config file.
        cfg_options: Dotted keys and their values, which replace those of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If an option does not fit the config.
    """
    import_methods()
    config = Config.fromfile(path)
    config.merge_from_dict(dict(cfg_options or {}))
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    return config


def command(
    main: Main | None = None,
    *,
    failed: int = 1,
    expected: tuple[type[Exception], ...] = (OSError, ValueError),
    shown: Callable[[Exception], str] = str,
) -> Callable:
    """Decorate the ``main`` of a tool: an expected error becomes a message and an exit status.

    The message is ``tool.py: text`` on the standard error stream, without a traceback.

    Args:
        main: Function of the command-line arguments; its file names the tool. None: return a
            decorator with the options below.
        failed: Exit status after an expected error.
        expected: Errors of files and arguments; others pass through.
        shown: Returns the text of an error.

    Returns:
        A function of the same arguments that returns the exit status; None from ``main`` means 0.
    """
    if main is None:
        return functools.partial(command, failed=failed, expected=expected, shown=shown)
    tool = Path(main.__code__.co_filename).name

    @functools.wraps(main)
    def run(*args, **kwargs) -> int:
        try:
            return main(*args, **kwargs) or 0
        except expected as error:
            print(f'{tool}: {shown(error)}', file=sys.stderr)
            return failed

    return run
