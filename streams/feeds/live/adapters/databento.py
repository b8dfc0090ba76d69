"""Databento as a mapping: its own session, records decoded by its library.

Written from the documentation of the live API; run against a fake gateway only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.config.model import Config
from tapeline.schemas.errors import UnusableError
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import Bar
from tapeline.streams.feeds.live.adapters.databento_sockets import METADATA
from tapeline.streams.feeds.live.model import (
    Alive,
    Closing,
    HistoryPage,
    HistoryRequest,
    HttpRequest,
    Meaning,
    Notice,
    Statement,
    StepAnswer,
    StepMessage,
    Unasked,
    Unreadable,
)
from tapeline.streams.feeds.live.secrets import Secrets

KEY: Final = "DATABENTO_API_KEY"
PORT: Final = 13_000
HEARTBEAT_S: Final = 10
CHUNK: Final = 500
"""Symbols of one request."""
SCHEMAS: Final = {"1s": "ohlcv-1s", "1m": "ohlcv-1m", "60m": "ohlcv-1h"}
_BUCKET: Final = 5
_NS: Final = 1_000_000
_UNIT: Final = 1_000_000_000
"""Prices are whole numbers of this part."""
_GREETING, _KEY, _SYMBOLS, _START = range(4)
_LATEST_VERSION: Final = 3
_REPLAYED_NS: Final = 24 * 60 * 60 * 1_000_000_000
"""How far back a session may begin."""


class DatabentoSettingsError(UnusableError):
    """A feed of kind ``databento`` that cannot be read, or whose library is missing."""


def databento_mapping(feed: FeedConfig, config: Config, secrets: Secrets) -> DatabentoMapping:
    """The mapping of a feed of kind ``databento``.

    ``parameters`` of the feed name the ``dataset``, and the ``stype_in`` of its symbols
    (``raw_symbol`` without one).

    Raises
    ------
    DatabentoSettingsError
        When there is no dataset, or the symbols have several base intervals or one that Databento
        has no bars of, or its library is not installed.
    """
    try:
        import databento_dbn  # noqa: F401
    except ImportError:
        raise DatabentoSettingsError(
            f"feed {feed.name}: kind databento needs the extra of that name:"
            " pip install 'tapeline[databento]'"
        ) from None
    parameters = feed.table.get("parameters", {})
    dataset = parameters.get("dataset", "")
    if not dataset:
        raise DatabentoSettingsError(
            f'feed {feed.name}: say which data it reads: parameters = {{ dataset = "GLBX.MDP3" }}'
        )
    bases = set()
    for symbol in feed.symbols:
        instrument = config.instrument(symbol)
        assert instrument is not None, "the configuration was checked"
        bases.add(instrument.base)
    base = bases.pop()
    if bases or base not in SCHEMAS:
        raise DatabentoSettingsError(
            f"feed {feed.name}: its symbols need one base interval, of {', '.join(SCHEMAS)}"
        )
    return DatabentoMapping(feed, dataset, parameters.get("stype_in", "raw_symbol"), base, secrets)


class DatabentoMapping:
    """`tapeline.streams.feeds.live.model.FeedMapping`, with what one session makes known.

    A session asks for everything since the last interval that ended in the one before, the first
    for the whole of the day that a gateway keeps. What comes twice is no news to the engine. Which
    instrument has which number, and the version of the records, hold for one session.

    The gateway promises to replay what begins at the start that was asked for, within a day, and to
    send a record when it has caught up. So the first mark after that record shows that all
    bars since then were sent; of an older start, all since the first bar that came.
    """

    steps = 4
    has_history = False
    replays = True
    cadence_ms = HEARTBEAT_S * 1000
    closing: Closing = "stated"

    def __init__(
        self, feed: FeedConfig, dataset: str, stype_in: str, base: str, secrets: Secrets
    ) -> None:
        self._dataset = dataset
        self._stype_in = stype_in
        self._base = base
        self._base_ms = parse_interval(base).length_ms
        self._theirs = dict(feed.symbols)
        self._ours = {theirs: ours for ours, theirs in feed.symbols.items()}
        self._secrets = secrets
        host = dataset.lower().replace(".", "-")
        self._url = feed.url or f"tcp://{host}.lsg.databento.com:{PORT}"
        self._challenge = ""
        self._version = _LATEST_VERSION
        self._symbols: dict[int, str] = {}
        self._ended_ns = 0
        self._asked_ns = 0
        self._first_ns: int | None = None
        self._caught_up = False
        self._from_ns: int | None = None

    def address(self, symbols: Sequence[str]) -> HttpRequest:
        """The gateway; it holds no secret."""
        return HttpRequest(self._url, self._url)

    def messages(self, step: int, symbols: Sequence[str]) -> list[StepMessage]:
        """Key, symbols and start; the greeting is only waited for."""
        if step == _GREETING:
            return []
        if step == _KEY:
            return [StepMessage(self._key_line())]
        if step == _START:
            return [StepMessage("start_session", awaits=False)]
        chunks = [tuple(symbols[at : at + CHUNK]) for at in range(0, len(symbols), CHUNK)]
        return [
            StepMessage(self._subscription(chunk, chunk is chunks[-1]), chunk, awaits=False)
            for chunk in chunks
        ]

    def _key_line(self) -> str:
        """The challenge answered; the key itself is never sent."""
        key = self._secrets.value(KEY)
        answer = hashlib.sha256(f"{self._challenge}|{key}".encode()).hexdigest()
        return (
            f"auth={answer}-{key[-_BUCKET:]}|dataset={self._dataset}|encoding=dbn|ts_out=1"
            f"|heartbeat_interval_s={HEARTBEAT_S}"
        )

    def _subscription(self, symbols: Sequence[str], is_last: bool) -> str:
        names = ",".join(self._theirs[each] for each in symbols)
        start_ns = self._asked_ns = max(0, self._ended_ns - self._base_ms * _NS)
        return (
            f"schema={SCHEMAS[self._base]}|stype_in={self._stype_in}|start={start_ns}"
            f"|symbols={names}|snapshot=0|is_last={int(is_last)}"
        )

    def pace_ms(self, step: int) -> int:
        """At most ten subscriptions a second are allowed."""
        return 100

    def answer(self, step: int, message: StepMessage | None, parsed: Any) -> StepAnswer:
        """The challenge, or whether the key was taken."""
        if not isinstance(parsed, dict):
            return StepAnswer("other")
        if step == _GREETING and "cram" in parsed:
            self._challenge = parsed["cram"]
            self._symbols.clear()
            self._caught_up = False
            self._first_ns = self._from_ns = None
            return StepAnswer("expected")
        if step == _KEY and parsed.get("success") == "1":
            return StepAnswer("expected")
        if parsed.get("success") == "0" and not _is_busy(parsed.get("error", "")):
            return StepAnswer("fatal", text=self._secrets.hide(parsed.get("error", "refused")))
        return StepAnswer("other")

    def parse(self, data: bytes) -> Any:
        """A line as its fields, metadata and records as a list of them.

        Raises
        ------
        ValueError
            When it is neither.
        """
        from databento_dbn import DBNDecoder, DBNError

        if data[:1].islower():
            fields = data.decode("ascii").strip().split("|")
            return dict(field.partition("=")[::2] for field in fields)
        has_metadata = data.startswith(METADATA)
        decoder = (
            DBNDecoder()
            if has_metadata
            else DBNDecoder(has_metadata=False, ts_out=True, input_version=self._version)
        )
        try:
            decoder.write(data)
            records = decoder.decode()
        except DBNError as error:
            raise ValueError(str(error)) from None
        if has_metadata:
            self._version = records[0].version
        return records

    def meanings(self, parsed: Any, data: bytes) -> list[Meaning]:
        """Bars, the ends of intervals, heartbeats, and what the gateway refuses."""
        if isinstance(parsed, dict):
            error = parsed.get("error", "")
            return [Notice("refused", text=error)] if _is_busy(error) else []
        found: list[Meaning] = []
        for record in parsed:
            meaning = self._meaning(record)
            if meaning is not None:
                found.append(meaning)
        return found

    def _meaning(self, record: Any) -> Meaning | None:
        from databento_dbn import ErrorMsg, OHLCVMsg, SymbolMappingMsg, SystemCode, SystemMsg

        if isinstance(record, OHLCVMsg):
            return self._statement(record)
        if isinstance(record, SymbolMappingMsg):
            ours = self._ours.get(record.stype_in_symbol)
            if ours is not None:
                self._symbols[record.instrument_id] = ours
        elif isinstance(record, SystemMsg):
            if record.code == SystemCode.REPLAY_COMPLETED:
                self._caught_up = True
            if record.code == SystemCode.END_OF_INTERVAL:
                return self._marker(record.ts_event)
            if record.code == SystemCode.HEARTBEAT:
                return Alive(_sent_ms(record))
            if record.code == SystemCode.SLOW_READER_WARNING:
                return Notice("slow", text=record.msg)
        elif isinstance(record, ErrorMsg):
            return self._refusal(record)
        return None

    def _marker(self, ended_ns: int) -> Notice:
        """An interval is over; before the replay has caught up that is one of now."""
        from_ms = None
        if self._caught_up:
            self._ended_ns = max(self._ended_ns, ended_ns)
            if self._from_ns is None:
                promised = self._asked_ns and ended_ns - self._asked_ns <= _REPLAYED_NS
                self._from_ns = self._asked_ns if promised else self._first_ns
            if self._from_ns is not None:
                from_ms = self._from_ns // _NS
        return Notice("marker", start_ms=ended_ns // _NS - self._base_ms, from_ms=from_ms)

    def _statement(self, record: Any) -> Meaning:
        from databento_dbn import UNDEF_PRICE

        if self._first_ns is None:
            self._first_ns = record.ts_event
        symbol = self._symbols.get(record.instrument_id)
        if symbol is None:
            return Unasked(f"instrument {record.instrument_id}")
        prices = (record.open, record.high, record.low, record.close)
        if UNDEF_PRICE in prices:
            return Unreadable("bad_price", "a price is not defined", bytes(record), symbol)
        opened, high, low, close = (price / _UNIT for price in prices)
        start_ms = record.ts_event // _NS
        bar = Bar(symbol, self._base, start_ms, opened, high, low, close, record.volume)
        return Statement(bar, True, _sent_ms(record))

    def _refusal(self, record: Any) -> Notice:
        from databento_dbn import ErrorCode

        text = self._secrets.hide(record.err)
        if record.code == ErrorCode.SKIPPED_RECORDS_AFTER_SLOW_READING:
            return Notice("slow", text=text)
        if record.code in (ErrorCode.AUTH_FAILED, ErrorCode.API_KEY_DEACTIVATED):
            return Notice("fatal", text=text)
        if record.code == ErrorCode.SYMBOL_RESOLUTION_FAILED:
            # It names the symbols in its text alone.
            named = [ours for theirs, ours in self._ours.items() if theirs in text.split()]
            if len(named) == 1:
                return Notice("refused", named[0], text=text)
        return Notice("refused", text=text)

    def without_secrets(self, data: bytes) -> bytes:
        """A message without the key, should the gateway repeat it."""
        return self._secrets.hide_bytes(data)

    def history(self, symbols: Sequence[str], from_ms: int, to_ms: int) -> list[HistoryRequest]:
        """None: a session itself begins with what was missed."""
        return []

    def page(self, request: HistoryRequest, body: bytes) -> HistoryPage:
        """None was asked for."""
        return HistoryPage((), problem="no history")


def _is_busy(text: str) -> bool:
    return "connection limit" in text.lower()


def _sent_ms(record: Any) -> int | None:
    from databento_dbn import UNDEF_TIMESTAMP

    return None if record.ts_out in (0, UNDEF_TIMESTAMP) else record.ts_out // _NS
