"""Text from outside as a terminal may be given it: no character of it acts, every one is seen.

A file, a topic, an argument or a library's message may hold control characters: escape sequences
that clear a screen or rename a window, line ends that forge a line, marks that show text in another
order than it has. All that is printed or logged goes through `escaped` (`streams.outputs.terminal`,
`streams.worker.log`); JSON goes through `escaped_json`.
"""

from __future__ import annotations

import logging
import re
from typing import Any

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


def writable(text: str) -> str:
    """Text that UTF-8 can write: halves of surrogate pairs as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


class PlainFormatter(logging.Formatter):
    """Formats records of logs as lines whose values cannot act; a traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The first line of a record."""
        return escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """The lines of a traceback."""
        return _escaped_lines(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        """The lines of a stack."""
        return _escaped_lines(super().formatStack(stack_info))


def _escaped_lines(text: str) -> str:
    return "\n".join(map(escaped, text.split("\n")))
