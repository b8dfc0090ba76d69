"""Guard: words that the glossary replaced do not come back."""

from __future__ import annotations

import re

from tests.house.source_tree import Violation

WORDS = (
    "breathe",
    "fate",
    "moment",
    "nobody",
    "seat",
    "settle",
    "shall",
    "smooth",
    "somebody",
    "speak",
    "told",
    "whoever",
)
_FORMS = (*WORDS, "settling", "speaking", "spoke", "spoken", "untold")
# Part of a name in snake case counts as a word; of a longer word such as "shallow" not.
_REPLACED = re.compile(
    rf"(?<![a-z])(?:{'|'.join(_FORMS)})(?:s|d|ed|ly)?(?![a-z])", re.IGNORECASE | re.MULTILINE
)


def replaced_words(text: str) -> list[Violation]:
    """Lines with a word for which docs/glossary.md has another one, names in code included."""
    return [
        Violation(number, f"{found[0]!r}: see docs/glossary.md for the word that is used")
        for number, line in enumerate(text.splitlines(), start=1)
        for found in _REPLACED.finditer(line)
    ]
