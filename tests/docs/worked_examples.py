"""Reads the worked examples of a page: books, and facts that must follow from them.

A page holds three kinds of fenced blocks, read from top to bottom:

``toml``
    The configuration of the books below it.
``bars SYMBOL... [DATE]``
    A book in the order of the log. A row is ``[DATE] TIME OPEN HIGH LOW CLOSE VOLUME``, with
    ``TIME..TIME`` the same bar in each minute from the first to the last; ``clock [DATE] TIME`` is
    a clock record. Rows of a book of several symbols name theirs first.
``facts``
    What the view of the book above must hold, ``ID FIELD=VALUE...``, and what not, ``no ID``.

Times are those of New York, on the date of the book where no other is given beside them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.records import Bar, Clock, LogRecord
from tests.properties.folding import fold, run

NEW_YORK = ZoneInfo("America/New_York")
DATE = "2025-07-02"
MINUTE_MS = 60_000
FENCE = re.compile(r"^```(toml|bars|facts)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
IS_DATE = re.compile(r"\d{4}-\d\d-\d\d")
CLOCK_TIME = re.compile(rf"(?:({IS_DATE.pattern}) )?(\d\d:\d\d)")

View = dict[str, dict[str, Any]]


@dataclass
class Example:
    """One book, and the facts that the page shows follow from it."""

    configuration: str
    symbols: list[str]
    date: str
    rows: list[str]
    facts: list[str] = field(default_factory=list)

    def view(self) -> View:
        """The view of the book."""
        config = read_config(self.configuration, "example")
        group = config.group_of(self.symbols[0])
        return fold(run(config, group, self.records()))

    def records(self) -> list[LogRecord]:
        """The book in the order of the log."""
        return [record for row in self.rows for record in self._records(row)]

    def disagreements(self) -> list[str]:
        """Lines of facts that are not so, with what is."""
        view = self.view()
        return [f"{line}: {found}" for line in self.facts for found in self._faults(line, view)]

    def _faults(self, line: str, view: View) -> Iterator[str]:
        identity, fields = self._fact(line.removeprefix("no "))
        known = view.get(identity)
        if line.startswith("no "):
            if known is not None:
                yield "is in the view"
        elif known is None:
            yield "is not in the view"
        else:
            for name, value in fields.items():
                if name not in known:
                    yield f"has no field {name}"
                elif known[name] != value:
                    yield f"{name} is {known[name]!r}"

    def _fact(self, line: str) -> tuple[str, dict[str, Any]]:
        """Id of a fact and the fields it names, clock times in them as instants."""
        instants = CLOCK_TIME.sub(lambda found: str(self._ms(found[1], found[2])), line)
        identity, *pairs = re.split(r" (?=[a-z_]+=)", instants)
        named = (pair.partition("=") for pair in pairs)
        return identity, {name: _value(text) for name, _, text in named}

    def _records(self, row: str) -> Iterator[LogRecord]:
        words = row.split()
        symbol = self.symbols[0] if len(self.symbols) == 1 else words.pop(0)
        assert symbol in self.symbols, row
        is_clock = words[0] == "clock"
        if is_clock:
            words.pop(0)
        date = words.pop(0) if IS_DATE.fullmatch(words[0]) else None
        first, _, last = words.pop(0).partition("..")
        start_ms = self._ms(date, first)
        if is_clock:
            yield Clock(symbol, start_ms)
            return
        open_, high, low, close, volume = map(float, words)
        end_ms = self._ms(date, last or first) + MINUTE_MS
        for label in range(start_ms, end_ms, MINUTE_MS):
            yield Bar(symbol, "1m", label, open_, high, low, close, int(volume))

    def _ms(self, date: str | None, time: str) -> int:
        instant = datetime.fromisoformat(f"{date or self.date}T{time}").replace(tzinfo=NEW_YORK)
        return int(instant.timestamp()) * 1000


def examples(page: Path) -> list[Example]:
    """The examples of a page, in its order."""
    found: list[Example] = []
    configuration = ""
    for kind, head, body in FENCE.findall(page.read_text("utf-8")):
        lines = [line for line in body.splitlines() if line.strip()]
        if kind == "toml":
            configuration = body
        elif kind == "bars":
            words = head.split()
            date = words.pop() if IS_DATE.fullmatch(words[-1]) else DATE
            found.append(Example(configuration, words, date, lines))
        else:
            found[-1].facts += lines
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
