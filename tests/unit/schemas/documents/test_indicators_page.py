"""The generated page of indicators."""

from __future__ import annotations

import pytest

from tapeline.schemas.documents.indicators_page import example, indicators_page
from tapeline.schemas.indicators.specification import parse_specification
from tapeline.schemas.indicators.table import INDICATORS


@pytest.mark.parametrize("name", INDICATORS)
def test_an_indicator_is_in_the_summary_and_has_its_section(name: str) -> None:
    page = indicators_page()
    assert page.count(f"| [{name}](#{name}) |") == 1
    section = page.split(f"\n## {name}\n")[1].partition("\n## ")[0]
    for parameter in INDICATORS[name].parameters:
        assert f"| `{parameter.name}` |" in section
    made = example(INDICATORS[name])
    assert parse_specification(made.written) == made
    assert f"`{made.written}`: " in section
