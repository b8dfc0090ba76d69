"""A provider that writes as a feed reads: its tables turned round.

Bars, heartbeats, notices, answers of a session and pages of a history are made by writing at the
paths that the mapping looks at; what a feed sends is taken apart by the texts that it is made of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from tapeline.schemas.config.feed_mapping import (
    BarTable,
    Comparison,
    MappingTables,
    NoticeTable,
    Where,
)
from tapeline.schemas.config.feed_paths import (
    Path,
    TextPart,
    Variable,
    address_parts,
    message_parts,
    parse_path,
)
from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.config.model import Config
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import Bar
from tapeline.streams.feeds.live.mapping.rows import Symbols
from tapeline.streams.feeds.live.mapping.texts import Topics
from tapeline.streams.ingest.drill.values import (
    Member,
    holds_many,
    holds_names,
    instant_of_text,
    other_value,
    put,
    stamp_value,
    time_value,
    wanted_value,
    wrap,
    written,
)

PAGE: Final = 4
"""Rows of a page: few, so that pages are many."""
_SCHEME: Final = re.compile(r"^[a-z]+:(//[^/?]*)?")
_OF_SYMBOLS: Final = frozenset({"symbols", "symbol", "topics", "topic"})
_TIMES: Final = re.compile(r"(from|to|before)_(ms|s|us|ns|rfc3339)")


class StatedBar(NamedTuple):
    """A bar as it is sent: its state, when, and whether it is a candle without a trade."""

    bar: Bar
    final: bool
    sent_ms: int
    empty: bool = False


class Asked(NamedTuple):
    """A request of the history, taken apart: labels from_ms to to_ms (included), and its page."""

    symbols: tuple[str, ...]
    from_ms: int
    to_ms: int | None
    page: int


class SentStep(NamedTuple):
    """A message of a step of the session, taken apart."""

    position: int
    symbols: tuple[str, ...]
    number: int


class RowWriter:
    """Writes bars at the paths of a table."""

    def __init__(self, table: BarTable, symbols: Symbols) -> None:
        self.path = parse_path(table.each[0])
        self._table = table
        self._symbols = symbols
        first = parse_path(table.start.path).steps
        self._is_list = bool(first) and first[0].kind == "place"
        own = [table.start.path, *table.prices, table.symbol, table.interval, table.volume]
        self._alone = any(path is not None and parse_path(path).of_message for path in own)

    def messages(self, stated: Sequence[StatedBar], *, even_none: bool = False) -> list[Any]:
        """Bars as few messages as their paths allow; without any bar none, or an empty one."""
        if not stated:
            return [wrap(self.path.steps, [])] if even_none else []
        found: list[Any] = []
        for group in self._groups(stated):
            around: list[tuple[Path, Any]] = []
            members: list[Member] = [
                (self._symbols.theirs[each.bar.symbol], self._element(each, around))
                for each in group
            ]
            message = wrap(self.path.steps, members)
            for path, value in around:
                if not isinstance(message, list) or path.steps[0].kind == "place":
                    message = put(message, path.steps, value)
            found.append(message)
        return found

    def _groups(self, stated: Sequence[StatedBar]) -> Iterable[Sequence[StatedBar]]:
        if holds_many(self.path) and not self._alone:
            return [stated]
        if holds_names(self.path) and not self._alone:
            names = [each.bar.symbol for each in stated]
            if len(set(names)) == len(names):
                return [stated]
        return [[each] for each in stated]

    def _element(self, stated: StatedBar, around: list[tuple[Path, Any]]) -> Any:
        """The element of a bar; what stands in the message around it is added to a list."""
        table, bar = self._table, stated.bar
        base_ms = self._symbols.length_ms[bar.symbol]
        element: Any = [] if self._is_list else {}

        def write(text: str, value: Any) -> None:
            nonlocal element
            path = parse_path(text)
            named = bool(path.steps) and path.steps[0].kind == "name"
            if path.of_message or (named and self._is_list):
                around.append((path, value))
            else:
                element = put(element, path.steps, value)

        for text, wanted in table.where:
            write(text, wanted_value(wanted))
        if table.empty is not None:
            equals = table.empty.equals
            write(table.empty.path, wanted_value(equals) if stated.empty else other_value(equals))
        if isinstance(table.final, Comparison):
            equals = table.final.equals
            write(table.final.path, wanted_value(equals) if stated.final else other_value(equals))
        if table.symbol is not None:
            write(table.symbol, self._symbols.theirs[bar.symbol])
        if table.interval is not None:
            write(table.interval, written(self._symbols.word[bar.symbol]))
        for text, price in zip(table.prices, (bar.open, bar.high, bar.low, bar.close), strict=True):
            write(text, price)
        if table.volume is not None and bar.volume is not None:
            write(table.volume, bar.volume)
        write(table.start.path, stamp_value(table.start, bar.start_ms, base_ms))
        if table.sent is not None:
            write(table.sent.path, time_value(table.sent, stated.sent_ms))
        return element


class DrillDialect:
    """How the provider of a drill writes and reads.

    Attributes
    ----------
    symbols
        Of the feed, with the provider's names.
    topics
        By symbol.
    """

    def __init__(
        self, feed: FeedConfig, config: Config, environment: Mapping[str, str] | None = None
    ) -> None:
        tables = feed.mapping
        assert tables is not None, "an adapter has no tables"
        bases = {}
        for symbol in feed.symbols:
            instrument = config.instrument(symbol)
            assert instrument is not None, "the configuration was checked"
            bases[symbol] = (instrument.base, parse_interval(instrument.base).length_ms)
        self.tables: MappingTables = tables
        self._secret = environment or {}
        self.symbols = Symbols(feed.symbols, bases, tables.intervals)
        self.topics = Topics(tables.topic, self.symbols, tables.parameters).of
        self.rows = RowWriter(tables.bar, self.symbols)
        steps = self.rows.path.steps
        self._listed = bool(steps) and steps[0].kind == "each"
        self._by_name: dict[str, str] = {}
        for names in (self.symbols.theirs, self.topics):
            for symbol, name in names.items():
                for form in (name, name.lower(), name.upper()):
                    self._by_name.setdefault(form, symbol)
        self._sends = [_text_reader(message_parts(step.send)) for step in tables.steps]
        history = tables.history
        self._history = None if history is None else _AddressReader(history.url)
        self._history_rows = None if history is None else RowWriter(history.rows, self.symbols)

    # The stream.

    def bars(self, stated: Sequence[StatedBar], *, even_none: bool = False) -> list[bytes]:
        """Messages of bars."""
        messages = self.rows.messages(stated, even_none=even_none)
        return [_bytes(self._sealed(each)) for each in messages]

    def _sealed(self, message: Any) -> Any:
        """A message with the secret that a webhook wants."""
        secret = self.tables.secret
        if secret is None:
            return message
        parts = message_parts(str(secret.equals[0]))
        texts = (self._secret[part.name] if isinstance(part, Variable) else part for part in parts)
        return _at(message, secret.path, "".join(texts))

    def damaged(self, stated: StatedBar) -> bytes:
        """A message whose bar has a price that is none."""
        (message,) = self.rows.messages([stated])
        close = json.dumps(stated.bar.close)
        return json.dumps(self._sealed(message)).replace(close, '"NaN"').encode()

    def foreign(self, stated: StatedBar) -> bytes | None:
        """A message of a bar that was not asked for; None where bars have no name of a symbol."""
        named = self.tables.bar.symbol is not None or holds_names(self.rows.path)
        if not named:
            return None
        (message,) = self.rows.messages([stated])
        theirs = json.dumps(self.symbols.theirs[stated.bar.symbol])
        return json.dumps(self._sealed(message)).replace(theirs, '"NOTASKED"').encode()

    def heartbeat(self, sent_ms: int) -> bytes | None:
        """A heartbeat; None where the feed knows none."""
        alive = self.tables.alive
        if alive is None:
            return None
        message = self._where(alive.where)
        if alive.sent is not None:
            message = _at(message, alive.sent.path, time_value(alive.sent, sent_ms))
        return _bytes([message] if self._listed else message)

    def notice_table(self, means: str) -> NoticeTable | None:
        """The first notice with a meaning."""
        return next((each for each in self.tables.notices if each.means == means), None)

    def notice(self, means: str, symbol: str | None, at_ms: int, text: str = "drill") -> bytes:
        """A notice that the feed knows."""
        table = self.notice_table(means)
        assert table is not None, means
        message = self._where(table.where)
        if table.symbol is not None and symbol is not None:
            message = _at(message, table.symbol, self.symbols.theirs[symbol])
        if table.start is not None:
            message = _at(message, table.start.path, time_value(table.start, at_ms))
        if table.text is not None:
            message = _at(message, table.text, text)
        return _bytes([message] if self._listed else message)

    @staticmethod
    def _where(where: Where) -> Any:
        message: Any = {}
        for path, wanted in where:
            message = _at(message, path, wanted_value(wanted))
        return message

    # The session.

    def step(self, text: str) -> SentStep | None:
        """Which message of which step a text is; None: of none."""
        for position, reader in enumerate(self._sends):
            found = reader.fullmatch(text) if self.tables.steps[position].send else None
            if found is not None:
                values = found.groupdict()
                named = [values[name] for name in _OF_SYMBOLS & values.keys()]
                symbols = self._named(named[0]) if named else tuple(self.symbols.theirs)
                return SentStep(position, symbols, int(values.get("id") or 1))
        return None

    def _named(self, text: str) -> tuple[str, ...]:
        """Symbols of a JSON list, or of names with something between them."""
        if text.startswith("["):
            names = json.loads(text)
        elif text in self._by_name:
            names = [text]
        else:
            names = re.split("," if "," in text else r"[/;+| ]", text)
        found = (self._by_name.get(unquote(name)) for name in names)
        return tuple(symbol for symbol in found if symbol is not None)

    def answers(self, position: int, symbols: Sequence[str], number: int) -> list[bytes]:
        """What answers a step; nothing where the feed waits for nothing."""
        expect = self.tables.steps[position].expect
        if not expect:
            return []
        one_by_one = any(_lists_one(str(wanted[0])) for _, wanted in expect)
        groups = [[symbol] for symbol in symbols] if one_by_one else [list(symbols)]
        elements = []
        for group in groups:
            element: Any = {}
            for path, wanted in expect:
                element = _at(element, path, self._expected(wanted[0], group, number))
            elements.append(element)
        return [_bytes(elements)] if self._listed else [_bytes(each) for each in elements]

    def refusal(self, position: int) -> bytes | None:
        """What refuses a step for good; None where the feed knows nothing of the kind."""
        fatal = self.tables.steps[position].fatal
        if not fatal:
            return None
        return _bytes([self._where(fatal)] if self._listed else self._where(fatal))

    def _expected(self, wanted: str | bool, symbols: Sequence[str], number: int) -> Any:
        parts = message_parts(wanted) if isinstance(wanted, str) else ()
        variables = [part for part in parts if isinstance(part, Variable)]
        if len(variables) != 1:
            return written(wanted)
        name = variables[0].name
        if name == "id":
            return number
        if name not in _OF_SYMBOLS:
            return written(wanted)
        names = self.topics if name.startswith("topic") else self.symbols.theirs
        if not _lists_one(str(wanted)):
            return [names[symbol] for symbol in symbols]
        texts = (names[symbols[0]] if isinstance(part, Variable) else part for part in parts)
        return "".join(texts)

    # The history.

    def asked(self, raw_path: str) -> Asked | None:
        """A request of the history, taken apart; None: it is another address."""
        history = self.tables.history
        assert history is not None, "there is no history"
        assert self._history is not None, "there is no history"
        values = self._history.read(raw_path)
        if values is None:
            return None
        named = [values[name] for name in sorted(_OF_SYMBOLS & values.keys())]
        symbols = self._named(named[0]) if named else tuple(self.symbols.theirs)
        if not symbols:
            return None
        base_ms = self.symbols.length_ms[symbols[0]]
        shift_ms = {"open": 0, "close": base_ms, "last_ms": base_ms - 1}[history.rows.start.stamp]
        labels: dict[str, int] = {}
        for key, value in values.items():
            form = _TIMES.fullmatch(key)
            if form is not None:
                labels[form[1]] = instant_of_text(form[2], value) - shift_ms
        if "before" in labels:
            labels["from"] = labels["before"] + base_ms
        to_ms = labels.get("to")
        if to_ms is not None and not history.end_included:
            to_ms -= base_ms
        return Asked(symbols, labels.get("from", 0), to_ms, int(values.get("page", "1")))

    def page(self, rows: Sequence[StatedBar], raw_path: str, following: int | None) -> bytes:
        """A page of the history, which names the next one where there is one."""
        history = self.tables.history
        assert history is not None, "there is no history"
        assert self._history_rows is not None, "there is no history"
        messages = self._history_rows.messages(rows, even_none=True)
        message = messages[0] if messages else {}
        if following is not None and history.next is not None:
            value: Any = str(following)
            if not history.next.param:
                value = _with_page(raw_path, following)
            message = _at(message, history.next.path, value)
        return _bytes(message)

    @property
    def page_rows(self) -> int | None:
        """Rows of a page; None: an answer has all."""
        history = self.tables.history
        if history is None or (history.next is None and history.limit is None):
            return None
        return PAGE if history.next is not None else history.limit

    @property
    def names_pages(self) -> bool:
        """Whether an answer names the page after it."""
        history = self.tables.history
        return history is not None and history.next is not None


def _bytes(message: Any) -> bytes:
    return json.dumps(message).encode()


def _at(message: Any, text: str, value: Any) -> Any:
    """A message with a value at a path, a list where the path leads to many."""
    path = parse_path(text)
    steps = path.steps
    if steps and steps[-1].kind == "each":
        return put(message, steps[:-1], value if isinstance(value, list) else [value])
    return put(message, steps, value)


def _lists_one(text: str) -> bool:
    """Whether a text of an answer names one symbol: a sentence, or a variable of one."""
    parts = message_parts(text)
    variables = [part for part in parts if isinstance(part, Variable) and part.name in _OF_SYMBOLS]
    return bool(variables) and (len(parts) > 1 or variables[0].name in ("symbol", "topic"))


def _text_reader(parts: Sequence[TextPart]) -> re.Pattern[str]:
    """What a text with variables looks like once they are filled."""
    found, seen = "", set()
    for part in parts:
        if isinstance(part, str):
            found += re.escape(part)
            continue
        listed = part.name in ("symbols", "topics") and part.form is None
        inside = r"\[.*?\]" if listed else ".*?"
        # A name is one group; further ones of it hold the same.
        found += f"(?:{inside})" if part.name in seen else f"(?P<{part.name}>{inside})"
        seen.add(part.name)
    return re.compile(found, re.DOTALL)


class _AddressReader:
    """Takes requests apart by the address with variables that they were made of."""

    def __init__(self, address: str) -> None:
        path, _, query = _SCHEME.sub("", address).partition("?")
        self._path = _text_reader(address_parts(path or "/"))
        self._query = {
            key: _text_reader(address_parts(value))
            for key, _, value in (pair.partition("=") for pair in query.split("&") if pair)
        }

    def read(self, raw_path: str) -> Mapping[str, str] | None:
        """Values by variable, and the page by ``page``."""
        path, _, query = raw_path.partition("?")
        found = self._path.fullmatch(path)
        if found is None:
            return None
        values = {name: unquote(value) for name, value in found.groupdict().items()}
        left = dict(self._query)
        for pair in query.split("&"):
            key, _, value = pair.partition("=")
            reader = left.pop(key, None)
            if reader is None:
                if unquote(value).isdecimal():
                    values["page"] = value
                continue
            inside = reader.fullmatch(unquote(value))
            if inside is not None:
                values |= inside.groupdict()
        return None if left else values


def _with_page(raw_path: str, page: int) -> str:
    """The address of a page: that of the first one, with its number."""
    base = re.sub(r"[?&]drill_page=\d+", "", raw_path)
    return f"{base}{'&' if '?' in base else '?'}drill_page={page}"
