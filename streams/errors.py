"""Errors that several rooms raise, and the exit code of any error.

The kinds are in `tapeline.schemas.errors`. An error of one room is defined there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tapeline.schemas.errors import (
    BROKEN,
    IO_FAILURE,
    UNUSABLE,
    InputOutputError,
    InternalError,
    TapelineError,
    UnusableError,
)


class InputError(UnusableError, ValueError):
    """An input that is missing, unreadable or not what it should be; nothing starts with it."""


class BrokerError(InputOutputError):
    """The broker does not answer, refuses, or failed on the way; the message names what to do."""


class BrokerRefusalError(BrokerError, UnusableError):
    """The broker and this client do not take each other: a right, a password, a certificate.

    Trying again does not help: it has to be mended first.
    """

    exit_code = UNUSABLE


class TopicsError(UnusableError, ValueError):
    """Topics that are missing, differ from the catalogue, or cannot be made as configured."""


class LostRowError(InternalError, AssertionError):
    """The counts of a run do not add up to its rows: a bug."""


def exit_code_of(error: BaseException) -> int:
    """Exit code of a process that an error ends."""
    if isinstance(error, TapelineError):
        return error.exit_code
    return IO_FAILURE if isinstance(error, OSError) else BROKEN


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """A failure inside without a file's name gets one: of a full disk Python itself names none.

    Parameters
    ----------
    path
        Of the file, or of its folder where the name of the file means nothing.

    Raises
    ------
    OSError
        The same one, with the name.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
