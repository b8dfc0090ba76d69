"""Names that may become part of an id: symbols, group ids, range kinds and labels."""

from __future__ import annotations

import re
from collections.abc import Iterable

NAME_RULE = "1 to 64 characters without whitespace, control characters or '|'"

_NAME = re.compile(r"[^\s\x00-\x1f\x7f-\x9f|\ud800-\udfff]{1,64}")


def is_name(text: str) -> bool:
    """Whether `text` keeps `NAME_RULE`; ids join names by ``|``, so a name must not contain it."""
    if text.isascii():
        # Several times faster than the pattern, and nearly every symbol is ASCII.
        return 0 < len(text) <= 64 and text.isprintable() and " " not in text and "|" not in text
    return _NAME.fullmatch(text) is not None


def names_of(parameter: str, names: Iterable[str]) -> tuple[str, ...]:
    """The names that a collection holds.

    A text is a collection of its letters, too: ``symbols="ES"`` would ask for E and S.

    Parameters
    ----------
    parameter
        Name of the parameter, for the message.

    Raises
    ------
    TypeError
        When it is one text instead of a collection, or one of its members is no text.
    """
    if isinstance(names, str | bytes | bytearray):
        raise TypeError(f"{parameter}={names!r}: give a list of names, [{names!r}]")
    try:
        found = tuple(names)
    except TypeError as error:
        raise TypeError(f"{parameter}={names!r}: give a list of names") from error
    for name in found:
        if not isinstance(name, str):
            raise TypeError(f"{parameter}: {name!r} is no name; give a list of texts")
    return found
