"""Code, tests, messages and pages use the words of the glossary."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.source_tree import ROOT, text_files
from tests.house.words import WORDS, replaced_words

pytestmark = pytest.mark.source_tree

GLOSSARY = ROOT / "docs" / "glossary.md"
# The guard itself and the page that names what is used instead; the text of a licence; names that
# a released version had and the changelog names the new ones of.
EXEMPT = frozenset(
    {
        "tests/house/words.py",
        "tests/house/test_words.py",
        "docs/glossary.md",
        "LICENSE",
        "CHANGELOG.md",
    }
)
# A provider of a live feed is a program of others: it speaks a protocol and told us a pause.
OF_PROVIDERS = (
    "streams/feeds/live/",
    "tests/unit/streams/feeds/live/",
    "schemas/config/feed_mapping.py",
    "schemas/generated/config.schema.json",
)
# A parameter of the stochastic oscillator, as its users write it.
OF_INDICATORS = (
    "docs/indicators.md",
    "schemas/indicators/",
    "streams/core/indicators/",
    "tests/oracle/indicators/",
    "tests/properties/indicator_books.py",
    "tests/unit/schemas/indicators/",
    "tests/unit/streams/core/indicators/",
)
FILES = [
    pytest.param(path, id=name)
    for path in text_files()
    if (name := path.relative_to(ROOT).as_posix()) not in EXEMPT
]


@pytest.mark.parametrize("path", FILES)
def test_a_file_uses_the_words_of_the_glossary(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    allowed: tuple[str, ...] = ("none",)
    if name.startswith(OF_PROVIDERS):
        allowed = ("'told'", "'speaks'")
    if name.startswith(OF_INDICATORS):
        allowed = ("'smooth'",)
    found = replaced_words(path.read_text("utf-8"))
    assert [each for each in found if not each.message.lower().startswith(allowed)] == []


def test_the_glossary_names_what_is_used_instead_of_each_word() -> None:
    replaced = GLOSSARY.read_text("utf-8").partition("## Words that are not used")[2]
    rows = re.findall(r"^\| ([a-z, ]+) \| ", replaced, re.MULTILINE)
    listed = {word for row in rows for word in row.split(", ")}
    assert set(WORDS) <= listed


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
        "def forget_settled(self)",
        "self._settle_sessions(end)",
        "TOLD_AMID_IMPORTS = 1",
        "rows left untold",
        "restore points, or moments",
        "a feed that speaks again",
        "every partition has spoken",
        "it breathes for a while",
    ],
)
def test_a_replaced_word_is_noticed_in_prose_and_in_names(line: str) -> None:
    assert [found.line for found in replaced_words(f"first\n{line}")][:1] == [2]


@pytest.mark.parametrize(
    "line", ["a shallow copy", "fatal: marshalled", "a settlement price; momentary"]
)
def test_a_longer_word_is_another_word(line: str) -> None:
    assert replaced_words(line) == []
