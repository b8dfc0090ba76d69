"""Plain data of strategies: what JSON gives back as it was."""

from __future__ import annotations

from math import isfinite
from typing import Any, Final

import msgspec

from tapeline.streams.host.errors import MemoryRefusedError

MOST_MEMORY_BYTES: Final = 256 * 1024
MOST_METADATA_BYTES: Final = 4 * 1024
DEEPEST: Final = 64


def plain_text(value: Any, most_bytes: int, what: str) -> str:
    """The JSON of plain data; dictionaries keep their order.

    Raises
    ------
    MemoryRefusedError
        When JSON would give back something else, or it is too large.
    """
    problem = _problem(value, what, 0)
    if problem is not None:
        raise MemoryRefusedError(problem)
    try:
        text = msgspec.json.encode(value)
    except (ValueError, OverflowError) as error:
        raise MemoryRefusedError(f"{what} is no JSON: {error}") from error
    if len(text) > most_bytes:
        raise MemoryRefusedError(f"{what} has {len(text)} bytes as JSON, at most {most_bytes}")
    return text.decode()


def from_text(text: str) -> Any:
    """The plain data of a text."""
    return msgspec.json.decode(text)


def _problem(value: Any, path: str, depth: int) -> str | None:
    """Why JSON would not give a value back as it is; None when it does."""
    kind = type(value)
    if value is None or kind is bool:
        return None
    if kind is str:
        return None if _is_text(value) else f"{path} has a lone surrogate"
    if kind is int:
        return None if -(1 << 63) <= value < 1 << 64 else f"{path} has more than 64 bits"
    if kind is float:
        return None if isfinite(value) else f"{path} is {value!r}, which JSON does not have"
    if depth >= DEEPEST:
        return f"{path} is nested more than {DEEPEST} deep"
    if kind is list:
        for number, each in enumerate(value):
            found = _problem(each, f"{path}[{number}]", depth + 1)
            if found is not None:
                return found
        return None
    if kind is dict:
        for key, each in value.items():
            if type(key) is not str or not _is_text(key):
                return f"{path} has the key {key!r}; keys are text"
            found = _problem(each, f"{path}[{key!r}]", depth + 1)
            if found is not None:
                return found
        return None
    return f"{path} is a {kind.__name__}; plain data are dict, list, str, int, float, bool and None"


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
