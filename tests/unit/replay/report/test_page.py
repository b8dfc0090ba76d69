"""The page is one file: no script, nothing loaded, everything escaped."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from msgspec.structs import replace

from tapeline.replay.report.page import page_of
from tapeline.replay.report.report import StrategyReport, strategy_report
from tests.unit.replay.report.books import configuration
from tests.unit.replay.report.test_report import a_run


def report() -> StrategyReport:
    return strategy_report(configuration(), a_run())


def page(*reports: StrategyReport) -> str:
    seen = a_run().bars
    assert seen is not None
    return page_of(reports or (report(),), seen.symbols)


class Tags(HTMLParser):
    """Tags that were opened and not closed, and all that were opened."""

    EMPTY = frozenset({"meta"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_tags_are_closed_and_charts_are_inside() -> None:
    tags = Tags(page())
    assert tags.open == []
    assert "svg" in tags.seen
    assert "script" not in tags.seen


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = page()
    assert re.findall(r"(?:src|href)=|url\(|@import", text) == []
    assert "default-src 'none'" in text


def test_the_headlines_come_before_every_number() -> None:
    text = page()
    assert 0 < text.index("no max_buying_power") < text.index("<table>")


def test_what_comes_from_outside_is_escaped() -> None:
    bad = "<script>alert(1)</script>"
    whole = report()
    [only] = whole.accounts
    rows = tuple(replace(each, reason=bad, symbol=bad) for each in only.trades)
    named = replace(whole, run=bad, accounts=(replace(only, account=bad, trades=rows),))
    text = page(named)
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_fills_are_marked_on_the_price() -> None:
    text = page()
    assert len(re.findall(r'<polygon class="buy"', text)) == 1
    assert len(re.findall(r'<polygon class="sell"', text)) == 1


def test_two_runs_stand_side_by_side() -> None:
    lived = report()
    text = page(lived, replace(lived, as_corrected=True, notes=None))
    assert "<th>as lived</th><th>as corrected</th>" in text
    assert len(re.findall('<polyline class="(?:lived|corrected)"', text)) == 2
    assert "A run as corrected has no notes." in text


def test_the_same_run_gives_the_same_page() -> None:
    assert page() == page()


def test_ratios_of_few_sessions_are_not_meaningful() -> None:
    lived = report()
    [only] = lived.accounts
    sharpe = replace(only.figures["sharpe"], value=3.25)
    changed = replace(only, figures={**only.figures, "sharpe": sharpe})
    assert "3.25 (not meaningful)" in page(replace(lived, accounts=(changed,)))
