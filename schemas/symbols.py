"""Names that may become part of an id: symbols, group ids, range kinds and labels."""

from __future__ import annotations

import re

NAME_RULE = "1 to 64 characters without whitespace, control characters or '|'"

_NAME = re.compile(r"[^\s\x00-\x1f\x7f-\x9f|\ud800-\udfff]{1,64}")


def is_name(text: str) -> bool:
    """Whether `text` keeps `NAME_RULE`; ids join names by ``|``, so a name must not contain it."""
    if text.isascii():
        # Several times faster than the pattern, and nearly every symbol is ASCII.
        return 0 < len(text) <= 64 and text.isprintable() and " " not in text and "|" not in text
    return _NAME.fullmatch(text) is not None
