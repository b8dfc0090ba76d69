"""Names that may become part of an id."""

from __future__ import annotations

import pytest

from schemas.symbols import is_name


@pytest.mark.parametrize(
    "name", ["E", "ES", "BRK.B", "ES-NQ", "EUR/USD", "日経225", "ÄÖÜ", "x" * 64, "Ä" * 64]
)
def test_a_symbol_of_visible_characters_is_a_name(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 65,
        "Ä" * 65,
        "E S",
        "E\tS",
        "ES\n",
        "E|S",
        "Ä|Ö",
        "E\x00S",
        "E\x7fS",
        "E\x9fS",
        "E\u00a0S",
        "E\u2003S",
        "Ä\n",
        "\ud800",
    ],
)
def test_a_text_that_could_break_an_id_is_no_name(text: str) -> None:
    assert not is_name(text)
