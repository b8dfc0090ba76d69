"""A provider of bars for tests of live feeds: versions of bars, and when each was published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from msgspec.structs import replace

from tapeline.schemas.config.feeds import FeedConfig, HistoryConfig, TruthConfig
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.records import Bar
from tapeline.streams.feeds.live.model import (
    Closing,
    HistoryPage,
    HistoryRequest,
    HttpRequest,
    Meaning,
    StepAnswer,
    StepMessage,
)

MINUTE = 60_000
SECOND = 1_000
Book = dict[str, dict[int, Bar]]


def config_of(symbols: Sequence[str], calendar: str = "24/7", base: str = "1m") -> Config:
    """Instruments of a feed, each a group of its own."""
    text = "".join(
        f'[instruments.{symbol}]\ntick = "0.01"\nbase = "{base}"\ncalendar = "{calendar}"\n'
        for symbol in symbols
    )
    return read_config(text, "feeds.toml")


def feed_of(
    symbols: Sequence[str], history: HistoryConfig | None = None, **truth: Any
) -> FeedConfig:
    """Settings of a feed with a history, unless it is to have none."""
    return FeedConfig(
        name="fake",
        kind="websocket",
        url="wss://fake.example",
        symbols={symbol: symbol.lower() for symbol in symbols},
        history=history,
        truth=TruthConfig(**truth),
    )


class FakeMapping:
    """A mapping that knows nothing but the history; pages are handed over as they are."""

    steps = 0
    cadence_ms = MINUTE
    closing: Closing = "elapsed"

    def __init__(self, has_history: bool = True, per_request: int = 100) -> None:
        self.has_history = has_history
        self.replays = False
        self.per_request = per_request
        self.pages: dict[bytes, HistoryPage] = {}

    def address(self, symbols: Sequence[str]) -> HttpRequest:
        return HttpRequest("wss://fake.example", "wss://fake.example")

    def messages(self, step: int, symbols: Sequence[str]) -> list[StepMessage]:
        return []

    def pace_ms(self, step: int) -> int:
        return 0

    def answer(self, step: int, message: StepMessage | None, parsed: Any) -> StepAnswer:
        return StepAnswer("other")

    def parse(self, data: bytes) -> Any:
        return data

    def without_secrets(self, data: bytes) -> bytes:
        """It has none."""
        return data

    def meanings(self, parsed: Any, data: bytes) -> list[Meaning]:
        return []

    def history(self, symbols: Sequence[str], from_ms: int, to_ms: int) -> list[HistoryRequest]:
        chunks = [
            tuple(symbols[at : at + self.per_request])
            for at in range(0, len(symbols), self.per_request)
        ]
        return [self._request(chunk, from_ms, to_ms, 1) for chunk in chunks]

    def _request(
        self, symbols: tuple[str, ...], from_ms: int, to_ms: int, page: int
    ) -> HistoryRequest:
        url = f"https://fake.example/{','.join(symbols)}/{from_ms}/{to_ms}/{page}"
        return HistoryRequest(symbols, from_ms, to_ms, HttpRequest(url, url), page)

    def next_page(self, request: HistoryRequest) -> HistoryRequest:
        return self._request(request.symbols, request.from_ms, request.to_ms, request.page + 1)

    def page(self, request: HistoryRequest, body: bytes) -> HistoryPage:
        return self.pages.pop(body)


@dataclass
class Version:
    """What the provider publishes of a slot, and when; None: there is no bar any more."""

    at_ms: int
    bar: Bar | None


@dataclass
class Provider:
    """Bars by symbol and label, in versions; and what its history does when it is asked.

    Attributes
    ----------
    lag_ms
        How long after its end (or its last version) a bar is in the history.
    down
        Stretches in which the history answers with another status, or not at all (0).
    retry_after_ms, retry_until_ms
        When it asks to be asked again: after whole seconds, or at the date of an instant.
    rows_a_page
        Greatest number of rows of one answer.
    hidden, doubled
        Slots that its history leaves out, or has twice with another volume.
    scale
        Prices of the history are those of the stream times this.
    """

    versions: dict[str, dict[int, list[Version]]] = field(default_factory=dict)
    base_ms: int = MINUTE
    lag_ms: int = 2 * SECOND
    down: list[tuple[int, int, int]] = field(default_factory=list)
    retry_after_ms: int | None = None
    retry_until_ms: int | None = None
    rows_a_page: int = 10_000
    open_row: bool = False
    scale: float = 1.0
    hidden: set[tuple[str, int]] = field(default_factory=set)
    doubled: set[tuple[str, int]] = field(default_factory=set)

    def publish(self, bar: Bar, at_ms: int) -> None:
        """A bar, or a further version of it."""
        slots = self.versions.setdefault(bar.symbol, {})
        slots.setdefault(bar.start_ms, []).append(Version(at_ms, bar))

    def bust(self, symbol: str, label: int, at_ms: int) -> None:
        """A bar is taken back."""
        self.versions[symbol][label].append(Version(at_ms, None))

    def final(self) -> Book:
        """The last versions."""
        return {
            symbol: {
                label: versions[-1].bar
                for label, versions in sorted(slots.items())
                if versions[-1].bar is not None
            }
            for symbol, slots in self.versions.items()
        }

    def row(self, symbol: str, label: int, at_ms: int) -> Bar | None:
        """A bar as the history has it at a time."""
        if (symbol, label) in self.hidden:
            return None
        found = None
        for version in self.versions.get(symbol, {}).get(label, ()):
            if max(version.at_ms, label + self.base_ms + self.lag_ms) <= at_ms:
                found = version.bar
        return found

    def headers(self, at_ms: int) -> dict[str, str]:
        """Those of a refusal."""
        found = {"Date": formatdate(at_ms // SECOND, usegmt=True)}
        if self.retry_until_ms is not None:
            found["Retry-After"] = formatdate(self.retry_until_ms // SECOND, usegmt=True)
        elif self.retry_after_ms is not None:
            found["Retry-After"] = str(self.retry_after_ms // SECOND)
        return found

    def trouble(self, at_ms: int) -> int | None:
        """Status with which the history answers at a time; None: it is well."""
        return next((status for a, b, status in self.down if a <= at_ms < b), None)


def scaled(bar: Bar, scale: float) -> Bar:
    """A bar with its prices multiplied."""
    if scale == 1.0:
        return bar
    return replace(
        bar,
        open=round(bar.open * scale, 2),
        high=round(bar.high * scale, 2),
        low=round(bar.low * scale, 2),
        close=round(bar.close * scale, 2),
    )


def bar_of(symbol: str, label: int, price: float = 100.0, volume: int = 10) -> Bar:
    """A bar of one price."""
    return Bar(symbol, "1m", label, price, price, price, price, volume)


def content(bar: Bar | None) -> tuple[float, float, float, float, float | None] | None:
    """What two equal bars have in common."""
    return None if bar is None else (bar.open, bar.high, bar.low, bar.close, bar.volume)
