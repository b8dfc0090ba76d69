"""Names that may become part of an id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tapeline.schemas.symbols import is_name, names_of


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


@pytest.mark.parametrize("names", [[], ["ES"], ("ES", "NQ"), frozenset({"ES"}), iter(["ES", "NQ"])])
def test_a_collection_of_names_is_taken(names: Iterable[str]) -> None:
    assert set(names_of("symbols", names)) <= {"ES", "NQ"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("ES", r"symbols='ES': give a list of names, \['ES'\]"),
        ("", "symbols='': give a list of names"),
        (b"ES", "symbols=b'ES': give a list of names"),
        (7, "symbols=7: give a list of names"),
        (["ES", 7], "symbols: 7 is no name"),
        ([None], "symbols: None is no name"),
    ],
)
def test_what_would_be_read_letter_by_letter_is_a_type_error(names: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        names_of("symbols", names)
