"""The table names every indicator once, and every row is complete."""

from __future__ import annotations

import pytest

from tapeline.schemas.indicators.table import INDICATORS


def test_the_table_has_45_indicators() -> None:
    assert len(INDICATORS) == 45


@pytest.mark.parametrize("name", INDICATORS)
def test_a_row_is_complete(name: str) -> None:
    kind = INDICATORS[name]
    assert kind.name == name
    assert kind.formula
    names = [each.name for each in kind.parameters]
    assert len(set(names)) == len(names)
    assert not {"of", "key"} & set(names)
    assert set(kind.ascending) <= set(names)
    # A key must not be read two ways.
    marks = [each.mark for each in kind.parameters if each.form != "word" and not each.always]
    assert len(set(marks)) == len(marks)
    assert all(marks)
    recursive = kind.arithmetic == "R" or kind.first in ("1", "1 session") or name == "atr_daily"
    assert recursive == bool(kind.warm)


def test_values_have_names_only_where_there_are_several() -> None:
    assert {name for name, kind in INDICATORS.items() if len(kind.values) == 1} == set()
