"""Every rule that a docstring cites is on the page of rules, and no other page is cited."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.source_tree import CODE, ROOT, modules

pytestmark = pytest.mark.source_tree

PAGE = (ROOT / "docs" / "rules.md").read_text("utf-8")
CITATION = re.compile(r"docs/rules\.md (\d+(?:\.\d+)?)(?: to (\d+(?:\.\d+)?))?")
NUMBERS = {
    *re.findall(r"^## (\d+)\. ", PAGE, re.MULTILINE),
    *re.findall(r"^- \*\*(\d+\.\d+)\*\* ", PAGE, re.MULTILINE),
}
# Pages that are not in the repository, by which rules were once cited.
ELSEWHERE = re.compile(
    r"(bars-and-quality|market-structure|contracts|kafka-runtime|architecture|replay\.md)"
    r" (section|rule) \d",
    re.IGNORECASE,
)
MODULES = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in modules(*CODE)]


def cited(text: str) -> set[str]:
    return {number for pair in CITATION.findall(text) for number in pair if number}


@pytest.mark.parametrize("path", MODULES)
def test_a_rule_that_a_module_cites_is_on_the_page(path: Path) -> None:
    text = path.read_text("utf-8")
    if path != Path(__file__).resolve():
        assert sorted(cited(text) - NUMBERS) == []
        assert ELSEWHERE.findall(text) == []


def test_rules_are_cited_and_numbered_without_a_hole() -> None:
    core = {number for path in modules("streams") for number in cited(path.read_text("utf-8"))}
    assert len(core) > 12
    sections = {int(each) for each in NUMBERS if "." not in each}
    assert sections == set(range(1, len(sections) + 1))
    for section in sections:
        rules = [int(each.split(".")[1]) for each in NUMBERS if each.startswith(f"{section}.")]
        assert sorted(rules) == list(range(1, len(rules) + 1)), section


def test_a_citation_of_no_rule_is_noticed() -> None:
    assert cited("see docs/rules.md 99.1 and docs/rules.md 7 to 12") - NUMBERS == {"99.1"}
    assert ELSEWHERE.findall("see contracts " + "section 4")
