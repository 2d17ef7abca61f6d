# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The error that all readers of raw data raise; its message is valid UTF-8."""

from pathlib import Path


def visible(text: str) -> str:
    """Make text valid UTF-8; the bytes of a name that are not become escapes such as ``\\xfc``."""
    try:
        return text.encode('utf-8', 'surrogateescape').decode('utf-8', 'backslashreplace')
    except UnicodeEncodeError:  # lone surrogates that are no such bytes
        return text.encode('utf-8', 'backslashreplace').decode()


_LONGEST = 1000  # characters of ``found``; names in a damaged file may be longer


class RawDataError(ValueError):
    """A raw file cannot be used.

    Args:
        path: Path of the file.
        found: What is wrong with the file.
        expected: What the file should contain.
        remedy: What to do.
    """

    def __init__(self, path: Path, found: str, expected: str, remedy: str) -> None:
        found = found if len(found) <= _LONGEST else f'{found[:_LONGEST]} …'
        # One line, even if a quoted name or message has several.
        message = ' '.join(f'{path}: {found}; expected {expected}. {remedy}'.splitlines())
        super().__init__(visible(message))

    def with_remedy(self, remedy: str) -> 'RawDataError':
        """Return the same error with another remedy."""
        return _remake(f'{str(self).rpartition(". ")[0]}. {remedy}')

    def __reduce__(self):
        # The default would call the constructor with the finished message.
        return _remake, (str(self),)


def _remake(message: str) -> RawDataError:
    error = RawDataError.__new__(RawDataError)
    ValueError.__init__(error, message)
    return error


DOWNLOAD_AGAIN = 'Download the file again'


def words_of(error: BaseException) -> str:
    """Summarise an error of a third-party reader in one line.

    Messages of programming errors, such as a TypeError, do not help; only their name is returned.
    """
    name = type(error).__name__
    if isinstance(error, (TypeError, AttributeError, LookupError, AssertionError, NameError)):
        return name
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else name
