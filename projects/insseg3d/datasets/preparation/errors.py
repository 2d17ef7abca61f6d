# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The error that all readers of raw data raise."""

from pathlib import Path


class RawDataError(ValueError):
    """A raw file cannot be used.

    Args:
        path: the file.
        found: what is wrong with it.
        expected: what it should hold.
        remedy: what to do.
    """

    def __init__(self, path: Path, found: str, expected: str, remedy: str) -> None:
        super().__init__(f'{path}: {found}; expected {expected}. {remedy}')

    def with_remedy(self, remedy: str) -> 'RawDataError':
        """The same error with another remedy."""
        return _remake(f'{str(self).rpartition(". ")[0]}. {remedy}')

    def __reduce__(self):
        # The default would call the constructor with the finished message.
        return _remake, (str(self),)


def _remake(message: str) -> RawDataError:
    error = RawDataError.__new__(RawDataError)
    ValueError.__init__(error, message)
    return error


DOWNLOAD_AGAIN = 'Download the file again'
