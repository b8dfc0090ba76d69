"""Text from outside: no character of it acts on a terminal, and every one is seen."""

from __future__ import annotations

import json
import unicodedata

import pytest

from tapeline.streams.outputs.escaping import escaped, escaped_json

ACTING = (
    [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
    + [
        chr(code)
        for code in (0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
    ]
    + [chr(code) for code in (0xD800, 0xDBFF, 0xDC1B, 0xDFFF)]
)


@pytest.mark.parametrize("character", ACTING, ids=lambda each: f"U+{ord(each):04X}")
def test_a_character_that_acts_is_shown_as_an_escape(character: str) -> None:
    shown = escaped(f"a{character}b")
    assert shown.startswith("a\\")
    assert shown.endswith("b")
    assert shown.isascii()
    assert all(unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for each in shown)


@pytest.mark.parametrize(
    "text", ["", "ES", "日経225 Ä", "[red]x[/red]", "C:\\books", "a\u00a0b", "🙂"]
)
def test_other_text_is_shown_as_it_is(text: str) -> None:
    assert escaped(text) == text
    assert escaped_json(json.dumps(text, ensure_ascii=False)) == json.dumps(
        text, ensure_ascii=False
    )


def test_what_is_no_text_is_shown_as_its_text() -> None:
    assert escaped(ValueError("a\nb\x1b")) == r"a\nb\x1b"


@pytest.mark.parametrize("character", ACTING, ids=lambda each: f"U+{ord(each):04X}")
def test_json_keeps_its_value(character: str) -> None:
    # As the fast encoders write it: only what JSON forbids is escaped.
    document = {"a": f"x{character}y", character: [1]}
    text = json.dumps(document, ensure_ascii=False, indent=2)
    shown = escaped_json(text)
    assert json.loads(shown) == document
    assert shown.replace("\n", "").isprintable()
