"""Kinds of errors, by what a person can do about them; the exit code belongs to the class.

Every error that is raised on purpose is of one of these kinds (docs/rules.md 16.1). Its message
names the thing, the value and the way out; a command that it ends prints it and ends with its code.
"""

from __future__ import annotations

from typing import ClassVar

DIFFERENT = 1
"""A check found a difference, or too many rows are refused."""
UNUSABLE = 2
"""Usage, configuration, or input that cannot be used."""
BROKEN = 70
"""A broken promise, or a bug."""
IO_FAILURE = 74
"""Reading or writing failed."""
INTERRUPTED = 130


class TapelineError(Exception):
    """What Tapeline raises on purpose.

    Attributes
    ----------
    exit_code
        Of a command, or a worker, that it ends.
    """

    exit_code: ClassVar[int] = BROKEN


class CheckFailedError(TapelineError):
    """The work was done, or looked at, and a limit or check failed."""

    exit_code = DIFFERENT


class UnusableError(TapelineError):
    """What was asked cannot be done with what was given; nothing was begun."""

    exit_code = UNUSABLE


class BrokenPromiseError(TapelineError):
    """What was written or agreed is not as it was left; the message names what to look at."""

    exit_code = BROKEN


class InputOutputError(TapelineError):
    """A file, a disk or a broker failed on the way."""

    exit_code = IO_FAILURE


class InternalError(TapelineError):
    """An answer of one part of the program to another, which makes something else of it.

    Where one ends a command, that is a bug.
    """

    exit_code = BROKEN
