"""Text from outside as a terminal may be given it: no character of it acts, every one is seen.

A file, a topic, an argument or a library's message may hold control characters: escape sequences
that clear a screen or rename a window, line ends that forge a line, marks that show text in another
order than it has. All that is printed or logged goes through `escaped` (`streams.terminal`,
`streams.worker.log`); JSON goes through `escaped_json`.
"""

from __future__ import annotations

import re

_ACTING = re.compile(
    # C0, DEL, C1; bidirectional marks, embeddings, overrides, isolates; separators of lines and
    # paragraphs; halves of surrogate pairs, which no encoding can write.
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escaped(text: object) -> str:
    r"""Text on one line: what would act on a terminal as ``\n``, ``\x1b``, ``\u202e``.

    Nothing else is changed, so text without such characters is returned as it is.
    """
    return _ACTING.sub(_escape, str(text))


def escaped_json(text: str) -> str:
    r"""JSON with the same characters as ``\u`` escapes; its value is the same.

    Parameters
    ----------
    text
        One or more JSON values; line ends and tabs between them are kept. Inside of strings JSON
        has none of these two itself.
    """
    return _ACTING.sub(_escape_json, text)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    short = _SHORT.get(character)
    if short is not None:
        return short
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _escape_json(found: re.Match[str]) -> str:
    character = found[0]
    return character if character in _SHORT else f"\\u{ord(character):04x}"
