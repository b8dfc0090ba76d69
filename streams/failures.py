"""Failures of writing that name their file: of a full disk Python itself names none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """A failure inside without a file's name gets one.

    Parameters
    ----------
    path
        Of the file, or of its folder where the file has no name that tells anything.

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
