# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The error that all readers of raw data raise, in words that can be written anywhere."""

from pathlib import Path


def visible(text: str) -> str:
    """Text that can be written anywhere: bytes of a name that are no UTF-8 become ``\\xfc``."""
    try:
        return text.encode('utf-8', 'surrogateescape').decode('utf-8', 'backslashreplace')
    except UnicodeEncodeError:  # halves of characters that come from elsewhere
        return text.encode('utf-8', 'backslashreplace').decode()


_LONGEST = 1000  # characters of what was found; names in a damaged file may be longer


class RawDataError(ValueError):
    """A raw file cannot be used.

    Args:
        path: the file.
        found: what is wrong with it.
        expected: what it should hold.
        remedy: what to do.
    """

    def __init__(self, path: Path, found: str, expected: str, remedy: str) -> None:
        found = found if len(found) <= _LONGEST else f'{found[:_LONGEST]} …'
        # One line, whatever names and words of others are quoted in it.
        message = ' '.join(f'{path}: {found}; expected {expected}. {remedy}'.splitlines())
        super().__init__(visible(message))

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


def words_of(error: BaseException) -> str:
    """Return in one line what to pass on of an error that somebody else's reader raised.

    What Python says of a program that trips over a file helps nobody: of those only the name.
    """
    name = type(error).__name__
    if isinstance(error, (TypeError, AttributeError, LookupError, AssertionError, NameError)):
        return name
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else name
