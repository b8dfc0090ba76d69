"""Elements of messages as bars, by the paths of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from tapeline.schemas.config.feed_mapping import BarTable, Comparison, TimeField
from tapeline.schemas.config.feed_paths import Path, parse_path
from tapeline.schemas.records import Bar
from tapeline.streams.feeds.live.mapping.lookups import (
    LookupAround,
    comparison,
    condition,
    elements_of,
    field,
    field_around,
    lookup,
    plain_text,
)
from tapeline.streams.feeds.live.mapping.numbers import (
    RowError,
    instant_reader,
    label_reader,
    price_reader,
    read_volume,
)
from tapeline.streams.feeds.live.model import Statement, Unasked, Unreadable
from tapeline.streams.feeds.live.secrets import Secrets

KEPT_OF_MESSAGE = 4_096
"""Bytes of a message that a dead letter of one of its rows holds; of a longer one, the row."""
LONGEST_NAME = 64


class Symbols:
    """Our symbols by the provider's names, with their intervals.

    Parameters
    ----------
    theirs
        Ours to theirs.
    bases
        Base interval of ours: name and length.
    words
        The provider's words for intervals.
    """

    __slots__ = ("base", "length_ms", "only", "ours", "theirs", "word")

    def __init__(
        self,
        theirs: dict[str, str],
        bases: dict[str, tuple[str, int]],
        words: dict[str, str] | None,
    ) -> None:
        self.theirs = theirs
        self.ours = {name: symbol for symbol, name in theirs.items()}
        self.base = {symbol: bases[symbol][0] for symbol in theirs}
        self.length_ms = {symbol: bases[symbol][1] for symbol in theirs}
        self.word = {symbol: (words or {}).get(base, base) for symbol, base in self.base.items()}
        self.only = next(iter(theirs)) if len(theirs) == 1 else None

    def name_by(self, topics: dict[str, str]) -> None:
        """Know symbols by their topics, too: some messages have no other name of them."""
        for symbol, topic in topics.items():
            self.ours.setdefault(topic, symbol)


class RowReader:
    """Reads bars of elements, whichever kind of message they stand in.

    Parameters
    ----------
    table
        Paths of the fields.
    symbols
        What is known of them.
    nearest
        As of `price_reader`.

    Attributes
    ----------
    is_bar
        Whether an element, in its message, is a bar.
    """

    def __init__(self, table: BarTable, symbols: Symbols, *, nearest: bool) -> None:
        self.is_bar = condition(table.where)
        self._table = table
        self._symbols = symbols
        self._symbol = None if table.symbol is None else field_around(table.symbol)
        self._interval = None if table.interval is None else field_around(table.interval)
        self._label = label_reader(table.start)
        self._open, self._high, self._low, self._close = map(field, table.prices)
        self._volume = None if table.volume is None else field(table.volume)
        self._price = price_reader(nearest)

    def symbol(self, element: Any, message: Any, name: str | None) -> str | Unasked:
        """Our symbol of an element.

        Parameters
        ----------
        name
            The provider's, where a key of the message has it.

        Raises
        ------
        RowError
            When it has none.
        """
        if self._symbol is not None:
            name = plain_text(self._symbol(element, message))
            if name is None:
                raise RowError("schema_error", f"there is no {self._table.symbol}")
        elif name is None:
            if self._symbols.only is None:
                raise RowError("schema_error", "there is no symbol")
            return self._symbols.only
        ours = self._symbols.ours.get(name)
        return Unasked(name[:LONGEST_NAME]) if ours is None else ours

    def is_of_base(self, element: Any, message: Any, symbol: str) -> bool:
        """Whether the bar is of the symbol's base interval, as far as it says."""
        if self._interval is None:
            return True
        return plain_text(self._interval(element, message)) == self._symbols.word[symbol]

    def bar(self, element: Any, message: Any, symbol: str) -> Bar:
        """The bar of an element.

        Raises
        ------
        RowError
            ``bad_price``, ``bad_volume``, ``off_tick``, ``schema_error``, ``ambiguous_time``.
        """
        symbols, price = self._symbols, self._price
        start_ms = self._label(element, message, symbols.length_ms[symbol])
        volume: int | float | None = None
        if self._volume is not None:
            found = self._volume(element, message)
            if found is not None:
                volume = read_volume(found)
            elif self._table.volume_default == "required":
                raise RowError("bad_volume", f"there is no {self._table.volume}")
            else:
                volume = self._table.volume_default
        return Bar(
            symbol,
            symbols.base[symbol],
            start_ms,
            price(self._open(element, message)),
            price(self._high(element, message)),
            price(self._low(element, message)),
            price(self._close(element, message)),
            volume,
        )


def no_bar(
    error: RowError, element: Any, data: bytes, symbol: str | None, secrets: Secrets
) -> Unreadable:
    """What becomes of an element that cannot be a bar."""
    raw = data if len(data) <= KEPT_OF_MESSAGE else as_json(element)
    shown = secrets.hide_bytes(raw)[:KEPT_OF_MESSAGE]
    return Unreadable(error.code, secrets.hide(error.reason), shown, symbol)


def as_json(element: Any) -> bytes:
    """An element as it may be shown; what cannot be written again is left out."""
    try:
        return msgspec.json.encode(element)
    except (ValueError, OverflowError, RecursionError):
        return b"{}"


class StreamReader:
    """Reads the bars of messages of a stream.

    Attributes
    ----------
    of_root
        Whether elements are those that notices are looked for in, too.
    """

    def __init__(
        self, table: BarTable, symbols: Symbols, secrets: Secrets, *, nearest: bool
    ) -> None:
        self._secrets = secrets
        paths = [parse_path(each) for each in table.each]
        kinds = [[step.kind for step in path.steps] for path in paths]
        self.of_root = kinds in ([[]], [["each"]])
        self.elements: Callable[[Any], Iterator[tuple[Any, str | None]]] = elements_of(table.each)
        self._containers = [lookup(_container(path)) for path in paths if not path.is_of_one_value]
        self._rows = RowReader(table, symbols, nearest=nearest)
        stated = table.final
        self._final = True if stated == "sent" else None
        self._is_final = comparison(stated) if isinstance(stated, Comparison) else None
        self._empty = None if table.empty is None else comparison(table.empty)
        self._sent = None if table.sent is None else sent_reader(table.sent)

    def is_empty(self, message: Any) -> bool:
        """Whether the message is one of bars, and has none."""
        return any(container(message) in ([], {}) for container in self._containers)

    def read(
        self, element: Any, message: Any, name: str | None, data: bytes
    ) -> Statement | Unasked | Unreadable | bool:
        """What an element means; False: it is no bar; True: one of another interval."""
        rows = self._rows
        if not rows.is_bar(element, message):
            return False
        symbol = None
        try:
            found = rows.symbol(element, message, name)
            if isinstance(found, Unasked):
                return found
            symbol = found
            if not rows.is_of_base(element, message, symbol):
                return True
            bar = rows.bar(element, message, symbol)
        except RowError as error:
            return no_bar(error, element, data, symbol, self._secrets)
        is_final, empty, sent = self._is_final, self._empty, self._sent
        return Statement(
            bar,
            self._final if is_final is None else is_final(element, message),
            None if sent is None else sent(element, message),
            empty is not None and empty(element, message),
        )


def _container(path: Path) -> Path:
    """The path of what holds the elements of a path of many."""
    many = next(at for at, step in enumerate(path.steps) if step.kind not in ("name", "place"))
    return Path(path.text, False, path.steps[:many])


def sent_reader(table: TimeField) -> Callable[[Any, Any], int | None]:
    """Function from an element and its message to the time of sending; None: it has none."""
    find: LookupAround = field_around(table.path)
    read = instant_reader(table)

    def sent(element: Any, message: Any) -> int | None:
        value = find(element, message)
        if value is None:
            return None
        try:
            return read(value)
        except RowError:
            # It decides nothing about the bar.
            return None

    return sent
