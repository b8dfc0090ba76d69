"""Code, tests, messages and pages use the words of the glossary."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.source_tree import ROOT, text_files
from tests.house.words import replaced_words

pytestmark = pytest.mark.source_tree

# The guard itself; the text of a licence; names that a released version had and the changelog
# says what became of.
EXEMPT = frozenset({"tests/house/words.py", "tests/house/test_words.py", "LICENSE", "CHANGELOG.md"})
FILES = [
    pytest.param(path, id=name)
    for path in text_files()
    if (name := path.relative_to(ROOT).as_posix()) not in EXEMPT
]


@pytest.mark.parametrize("path", FILES)
def test_a_file_uses_the_words_of_the_glossary(path: Path) -> None:
    assert replaced_words(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "Whoever reads this",
        "where nobody watches",
        "NOBODY = ''",
        "class Seat:",
        "self._seats = []",
        "tapeline_records_fate_total",
        "the smooth road",
        "Somebody's table; it shall end",
    ],
)
def test_a_replaced_word_is_noticed_in_prose_and_in_names(line: str) -> None:
    assert [found.line for found in replaced_words(f"first\n{line}")][:1] == [2]


@pytest.mark.parametrize("line", ["a shallow copy", "fatal: marshalled", "a bar of the slot"])
def test_a_longer_word_is_another_word(line: str) -> None:
    assert replaced_words(line) == []
