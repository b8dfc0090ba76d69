"""Inputs that can be read once only, such as pipes, made into files that can be read again."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tapeline.streams.errors import InputError, naming
from tapeline.streams.feeds.opening import TEXT_SUFFIXES, Source


def spooled(sources: Sequence[Source], stack: ExitStack) -> dict[str, str]:
    """By path of an input that is no regular file, the path of a copy of all that it gave.

    Parameters
    ----------
    stack
        Removes the copies, which lie in the system's folder of temporary files.

    Raises
    ------
    InputError
        When such an input is named twice, or cannot be opened.
    OSError
        When there is no room for the copy.
    """
    found: dict[str, str] = {}
    for source in sources:
        path = source.path
        # Parquet is read from its end: it must be a file anyway.
        if not path.endswith(TEXT_SUFFIXES) or not _read_once(path):
            continue
        if path in found:
            raise InputError(f"{path}: can be read once only; name it once")
        if not found:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tapeline-"))
        copy = Path(folder) / str(len(found))
        try:
            with naming(folder), open(path, "rb") as given, copy.open("wb") as file:
                shutil.copyfileobj(given, file, 1 << 20)
        except PermissionError as error:
            raise InputError(f"{path}: {error.strerror}") from error
        found[path] = str(copy)
    return found


def _read_once(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        # What is wrong with it is reported where it is opened.
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
