"""A feed's tables as a `FeedMapping`."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import Any

from tapeline.schemas.config.feed_mapping import AliveTable, Comparison, MappingTables, NoticeTable
from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.config.model import Config
from tapeline.schemas.errors import InternalError
from tapeline.schemas.intervals import parse_interval
from tapeline.streams.feeds.live.mapping.history import History
from tapeline.streams.feeds.live.mapping.lookups import (
    Test,
    condition,
    field,
    field_around,
    plain_text,
    root_elements,
)
from tapeline.streams.feeds.live.mapping.numbers import RowError, decode, label_reader
from tapeline.streams.feeds.live.mapping.rows import StreamReader, Symbols, no_bar, sent_reader
from tapeline.streams.feeds.live.mapping.session import LONGEST_TEXT, Step
from tapeline.streams.feeds.live.mapping.texts import Address, Topics, Vocabulary, filled
from tapeline.streams.feeds.live.model import (
    Alive,
    Closing,
    HistoryPage,
    HistoryRequest,
    HttpRequest,
    Meaning,
    Notice,
    StepAnswer,
    StepMessage,
    Unasked,
)
from tapeline.streams.feeds.live.secrets import Secrets


class MappingError(InternalError):
    """A feed without tables was to be compiled: an adapter reads it."""


def compile_mapping(feed: FeedConfig, config: Config, secrets: Secrets) -> Mapping:
    """The mapping of a feed.

    Parameters
    ----------
    config
        Has the base intervals of its symbols.
    secrets
        All that the feed needs: `read_secrets`.
    """
    if feed.mapping is None:
        raise MappingError(f"feed {feed.name} of kind {feed.kind} has no tables")
    bases: dict[str, tuple[str, int]] = {}
    for symbol in feed.symbols:
        instrument = config.instrument(symbol)
        assert instrument is not None, "the configuration was checked"
        bases[symbol] = (instrument.base, parse_interval(instrument.base).length_ms)
    return Mapping(
        feed, feed.mapping, Symbols(feed.symbols, bases, feed.mapping.intervals), secrets
    )


class Mapping:
    """How one provider speaks: `tapeline.streams.feeds.live.model.FeedMapping`.

    Attributes
    ----------
    in_progress
        Whether bars in progress are sent, too.
    """

    replays = False

    def __init__(
        self, feed: FeedConfig, tables: MappingTables, symbols: Symbols, secrets: Secrets
    ) -> None:
        nearest = feed.truth.tick == "nearest"
        topics = Topics(tables.topic, symbols, tables.parameters)
        symbols.name_by(topics.of)
        words = Vocabulary(symbols, topics, tables.parameters, secrets)
        headers = _filled_headers(feed.headers, secrets)
        self._headers = headers
        self._secrets = secrets
        self._address = Address(feed.url, words)
        self._steps = [Step(each, words) for each in tables.steps]
        self._bars = StreamReader(tables.bar, symbols, secrets, nearest=nearest)
        self._notices = [_notice_reader(each, symbols, secrets) for each in tables.notices]
        if tables.alive is not None:
            self._notices.append(_alive_reader(tables.alive))
        self._history = None
        history = tables.history
        if history is not None and feed.history is not None:
            if history.headers is not None:
                headers = _filled_headers(history.headers, secrets)
            self._history = History(
                history,
                words,
                headers,
                per_request=feed.history.per_request,
                nearest=nearest,
            )
        self._secret = None if tables.secret is None else _secret_test(tables.secret, secrets)
        self.steps = len(self._steps)
        self.has_history = self._history is not None
        self.cadence_ms = max(symbols.length_ms.values())
        if tables.alive is not None and tables.alive.every_ms is not None:
            self.cadence_ms = tables.alive.every_ms
        final = tables.bar.final
        self.in_progress = final != "sent"
        self.closing: Closing = (
            "stated" if isinstance(final, Comparison) or final == "sent" else final
        )

    def address(self, symbols: Sequence[str]) -> HttpRequest:
        """Where to connect."""
        shown = self._address.of(symbols, shown=True)
        return HttpRequest(self._address.of(symbols), shown, self._headers)

    def messages(self, step: int, symbols: Sequence[str]) -> list[StepMessage]:
        """Messages of a step, counted from 0, in their order."""
        return self._steps[step].messages(symbols)

    def pace_ms(self, step: int) -> int:
        """Least time between two messages of a step."""
        return self._steps[step].pace_ms

    def answer(self, step: int, message: StepMessage | None, parsed: Any) -> StepAnswer:
        """What a parsed message says about a step, or one message of it."""
        return self._steps[step].answer(message, parsed)

    def parse(self, data: bytes) -> Any:
        """A message as plain data.

        Raises
        ------
        ValueError
            When it is no JSON; the text is the reason of its dead letter.
        """
        return decode(data)

    def without_secrets(self, data: bytes) -> bytes:
        """A message as a dead letter may hold it: a provider may repeat a key that it was sent."""
        return self._secrets.hide_bytes(data)

    def authorised(self, parsed: Any) -> bool:
        """Whether a message to a webhook has its secret; true where none is configured."""
        return self._secret is None or self._secret(parsed)

    def meanings(self, parsed: Any, data: bytes) -> list[Meaning]:
        """Everything a parsed message means, in its order.

        Elements of a kind that no table names are unreadable, but for answers of the session.
        """
        found: list[Meaning] = []
        bars = self._bars
        if bars.of_root:
            for element in root_elements(parsed):
                read = bars.read(element, parsed, None, data)
                if read is False:
                    self._notice(element, parsed, data, found)
                elif read is not True:
                    found.append(read)
            return found
        has_bars = False
        for element, name in bars.elements(parsed):
            read = bars.read(element, parsed, name, data)
            if read is not False:
                has_bars = True
                if read is not True:
                    found.append(read)
        if not has_bars:
            known = bars.is_empty(parsed)
            for element in root_elements(parsed):
                self._notice(element, parsed, data, found, known=known)
        return found

    def _notice(
        self,
        element: Any,
        message: Any,
        data: bytes,
        found: list[Meaning],
        *,
        known: bool = False,
    ) -> None:
        """What an element that is no bar means; nothing, if its kind is known and no notice's."""
        for holds, read in self._notices:
            if holds(element, message):
                if read is not None:
                    found.append(read(element, message, data))
                return
        if not known and not any(step.knows(element, message) for step in self._steps):
            found.append(no_bar(UNKNOWN, element, data, None, self._secrets))

    def history(self, symbols: Sequence[str], from_ms: int, to_ms: int) -> list[HistoryRequest]:
        """First pages for bars with from_ms <= label <= to_ms; none without a history."""
        if self._history is None:
            return []
        return self._history.first_pages(symbols, from_ms, to_ms)

    def page(self, request: HistoryRequest, body: bytes) -> HistoryPage:
        """An answer with status 200, read."""
        assert self._history is not None, "nothing was asked for"
        return self._history.page(request, body)


def _filled_headers(
    headers: tuple[tuple[str, str], ...], secrets: Secrets
) -> tuple[tuple[str, str], ...]:
    return tuple((name, filled(value, secrets)) for name, value in headers)


NoticeReader = Callable[[Any, Any, bytes], Meaning]
UNKNOWN = RowError("schema_error", "no table of the feed has messages of this kind")


def _notice_reader(
    table: NoticeTable, symbols: Symbols, secrets: Secrets
) -> tuple[Test, NoticeReader | None]:
    """What a message is known by, and what it means; None: nothing."""
    holds = condition(table.where)
    means = table.means
    if means == "nothing":
        return holds, None
    find_symbol = None if table.symbol is None else field_around(table.symbol)
    find_text = None if table.text is None else field_around(table.text)
    label = None if table.start is None else label_reader(table.start)
    shortest_ms = min(symbols.length_ms.values())

    def read(element: Any, message: Any, data: bytes) -> Meaning:
        symbol = None
        if find_symbol is not None:
            name = plain_text(find_symbol(element, message))
            symbol = None if name is None else symbols.ours.get(name)
            if symbol is None:
                return Unasked((name or "")[:LONGEST_TEXT])
        start_ms = None
        if label is not None:
            length_ms = shortest_ms if symbol is None else symbols.length_ms[symbol]
            try:
                # A trade lies inside its bar.
                start_ms = label(element, message, length_ms) // length_ms * length_ms
            except RowError as error:
                return no_bar(error, element, data, symbol, secrets)
        text = "" if find_text is None else plain_text(find_text(element, message)) or ""
        return Notice(means, symbol, start_ms, table.wait_ms, secrets.hide(text)[:LONGEST_TEXT])

    return holds, read


def _alive_reader(table: AliveTable) -> tuple[Test, NoticeReader | None]:
    sent = None if table.sent is None else sent_reader(table.sent)

    def read(element: Any, message: Any, data: bytes) -> Meaning:
        return Alive(None if sent is None else sent(element, message))

    return condition(table.where), read


def _secret_test(table: Comparison, secrets: Secrets) -> Callable[[Any], bool]:
    find = field(table.path)
    wanted = filled(str(table.equals[0]), secrets).encode()

    def test(parsed: Any) -> bool:
        given = plain_text(find(parsed, parsed))
        # In a time that does not depend on where they differ.
        return hmac.compare_digest((given or "").encode("utf-8", "replace"), wanted)

    return test
