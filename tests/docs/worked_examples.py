"""Reads the worked examples of a page: books, and facts that must follow from them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from schemas.config_loading import read_config
from schemas.records import Bar, Clock, LogRecord
from tests.properties.folding import fold, run

NEW_YORK = ZoneInfo("America/New_York")
DATE = "2025-07-02"
FENCE = re.compile(r"^```(bars|facts)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CLOCK_TIME = re.compile(r"\d\d:\d\d")

TEMPLATES = {
    "open_range": """
[templates.open_range]
zone = "America/New_York"
[[templates.open_range.kinds]]
kind = "Open"
period = "day"
label = "ten"
start = "09:30"
until = "09:40"
"""
}


@dataclass
class Example:
    """One book, and the facts that the page says follow from it."""

    symbol: str
    calendar: str
    template: str | None
    rows: list[str]
    facts: list[str] = field(default_factory=list)

    def view(self) -> dict[str, dict[str, Any]]:
        """The view of the book."""
        toml = f'[instruments.{self.symbol}]\ncalendar = "{self.calendar}"\ntick = 0.01\n'
        if self.template is not None:
            toml += f'ranges = ["{self.template}"]\n' + TEMPLATES[self.template]
        return fold(run(read_config(toml, "example"), self.symbol, map(self._record, self.rows)))

    def _record(self, row: str) -> LogRecord:
        first, *rest = row.split()
        if first == "clock":
            return Clock(self.symbol, instant_ms(rest[0]))
        open_, high, low, close = map(float, rest[:4])
        return Bar(self.symbol, "1m", instant_ms(first), open_, high, low, close, int(rest[4]))


def instant_ms(text: str) -> int:
    """Epoch milliseconds of a New York time of the examples' date."""
    moment = datetime.fromisoformat(f"{DATE}T{text}").replace(tzinfo=NEW_YORK)
    return int(moment.timestamp()) * 1000


def examples(page: Path) -> list[Example]:
    """The examples of a page; every block of facts belongs to the book before it."""
    found: list[Example] = []
    for kind, head, body in FENCE.findall(page.read_text()):
        lines = [line for line in body.splitlines() if line.strip()]
        if kind == "bars":
            symbol, calendar, *template = head.split()
            found.append(Example(symbol, calendar, next(iter(template), None), lines))
        else:
            found[-1].facts += lines
    return found


def expected(line: str) -> tuple[str, dict[str, Any]]:
    """Id of a fact, clock times in it as instants, and the fields it names."""
    values = re.split(r" (?=[a-z_]+=)", line)
    identity = CLOCK_TIME.sub(lambda match: str(instant_ms(match[0])), values[0])
    return identity, {name: _value(text) for name, text in (pair.split("=") for pair in values[1:])}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
