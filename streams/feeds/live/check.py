"""A mapping over the messages of a tape: what each becomes, and whether its stamps are true.

Times of receipt tell a wrong stamp: no bar can be final before its slot is over. A bar that is
stamped with its end but read as if that were its start lies one slot too late, so it comes a whole
slot before the end that it claims.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.config.model import Config
from tapeline.schemas.instants import SECOND_MS, iso_time
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import Bar
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.feeds.live.mapping.compiled import Mapping
from tapeline.streams.feeds.live.model import (
    Alive,
    Meaning,
    Notice,
    Statement,
    StepMessage,
    Unasked,
)
from tapeline.streams.feeds.live.tape import EVENTS, TapeMessage, Via
from tapeline.streams.pipeline.routing import Router

EARLY_MS = 5 * SECOND_MS
"""How far the clocks of a provider and of a recorder may be apart."""
SHOWN_SYMBOLS = 5
Kind = Literal["bar", "open bar", "dead letter", "notice", "heartbeat", "not asked for", "step"]


class Became(Struct, frozen=True):
    """One thing that a message became.

    Attributes
    ----------
    kind
        An ``open bar`` is one in progress.
    """

    kind: Kind
    text: str


class CheckedMessage(Struct, frozen=True):
    """A message and all that it became; nothing: it means nothing to this feed."""

    line: int
    via: Via
    recv_ms: int | None
    became: tuple[Became, ...]


class CheckReport(Struct, frozen=True):
    """A tape, checked.

    Attributes
    ----------
    counts
        Of everything that messages became, by kind.
    unseen
        Symbols of the feed without any bar.
    findings
        What is wrong, for people; none: the mapping fits the tape.
    """

    messages: tuple[CheckedMessage, ...]
    counts: dict[str, int]
    unseen: tuple[str, ...]
    findings: tuple[str, ...]


def check_tape(
    feed: FeedConfig, config: Config, mapping: Mapping, tape: Iterable[TapeMessage]
) -> CheckReport:
    """Every message of a tape through a mapping and the checks of the core."""
    check = _Check(feed, config, mapping)
    messages = tuple(
        CheckedMessage(each.number, each.via, each.recv_ms, tuple(check.message(each)))
        for each in tape
    )
    counts: Counter[str] = Counter(each.kind for message in messages for each in message.became)
    unseen = tuple(symbol for symbol in feed.symbols if symbol not in check.seen)
    return CheckReport(messages, dict(counts), unseen, tuple(check.findings(counts)))


class _Check:
    def __init__(self, feed: FeedConfig, config: Config, mapping: Mapping) -> None:
        self.seen: set[str] = set()
        self._feed = feed
        self._mapping = mapping
        self._router = Router(config)
        self._nearest = feed.truth.tick == "nearest"
        self._step = 0
        self._stamps = _Stamps()

    def message(self, message: TapeMessage) -> list[Became]:
        """What one message becomes."""
        if message.via == "history":
            return self._answer(message)
        if message.via in EVENTS:
            self._step = 0 if message.via == "opened" else self._step
            return [Became("step", _EVENT_TEXTS[message.via])]
        try:
            parsed = self._mapping.parse(message.data)
        except ValueError as error:
            return [Became("dead letter", f"decode_error: {error}")]
        steps = self._steps(parsed)
        meanings = self._mapping.meanings(parsed, message.data)
        return [*steps, *(self._meaning(each, message.recv_ms) for each in meanings)]

    def _steps(self, parsed: object) -> list[Became]:
        """Whether the message answers the step that the session of the tape is at."""
        mapping = self._mapping
        if self._step >= mapping.steps:
            return []
        sent: list[StepMessage | None] = [*mapping.messages(self._step, list(self._feed.symbols))]
        for asked in sent or [None]:
            answer = mapping.answer(self._step, asked, parsed)
            if answer.outcome == "other":
                continue
            number = self._step + 1
            if answer.outcome == "fatal":
                return [Became("step", f"refuses step {number}: {answer.text}")]
            self._step = number
            listed = answer.acknowledged
            names = "" if listed is None else f": {_listed(sorted(listed))}"
            return [Became("step", f"answers step {number}{names}")]
        return []

    def _answer(self, message: TapeMessage) -> list[Became]:
        """What an answer of the history becomes."""
        if not self._mapping.has_history:
            return [Became("dead letter", "the feed has no history")]
        symbols = [each for each in message.symbols if each in self._feed.symbols]
        requests = self._mapping.history(symbols or list(self._feed.symbols), *_ALL_TIME)
        page = self._mapping.page(requests[0], message.data)
        became = [self._bar(bar, "history") for bar in page.rows]
        became += [Became("dead letter", f"{row.code}: {row.reason}") for row in page.unreadable]
        if page.problem:
            became.append(Became("dead letter", f"no answer: {page.problem}"))
        if page.next is not None:
            became.append(Became("step", "names a next page"))
        return became

    def _meaning(self, meaning: Meaning, recv_ms: int | None) -> Became:
        if isinstance(meaning, Statement):
            return self._statement(meaning, recv_ms)
        if isinstance(meaning, Notice):
            words = [meaning.means, meaning.symbol or "", meaning.text]
            if meaning.start_ms is not None:
                words.insert(2, iso_time(meaning.start_ms))
            return Became("notice", " ".join(word for word in words if word))
        if isinstance(meaning, Alive):
            return Became("heartbeat", "the provider is alive")
        if isinstance(meaning, Unasked):
            return Became("not asked for", meaning.name)
        return Became("dead letter", f"{meaning.code}: {meaning.reason}")

    def _statement(self, statement: Statement, recv_ms: int | None) -> Became:
        bar = statement.bar
        if recv_ms is not None:
            self._stamps.take(bar, recv_ms, final=statement.final is True)
        if statement.final is True:
            return self._bar(bar, "no trades" if statement.empty else "")
        note = "in progress" if statement.final is False else "until its slot is over"
        self.seen.add(bar.symbol)
        return Became("open bar", f"{_bar_text(bar)} ({note})")

    def _bar(self, bar: Bar, note: str) -> Became:
        self.seen.add(bar.symbol)
        try:
            self._router.check(bar)
        except RecordRejected as error:
            if not (self._nearest and error.code == "off_tick"):
                return Became("dead letter", f"{error.code}: {error.reason}")
        return Became("bar", _bar_text(bar) + (f" ({note})" if note else ""))

    def findings(self, counts: Counter[str]) -> list[str]:
        """What is wrong with the mapping, by all messages together."""
        found = self._stamps.findings()
        if counts["dead letter"]:
            letters = counts["dead letter"]
            found.append(f"{letters} dead letter{'s' if letters > 1 else ''}")
        if not counts["bar"] and not counts["open bar"]:
            found.append("no message became a bar")
        return found


_EVENT_TEXTS = {
    "begun": "the feed began",
    "opened": "a connection opened",
    "closed": "the connection closed",
}
_ALL_TIME = (-(10**15), 10**15)


class _Stamps:
    """Times of bars against times of receipt."""

    def __init__(self) -> None:
        self._early: list[tuple[Bar, int]] = []
        self._late = True
        self._count = 0

    def take(self, bar: Bar, recv_ms: int, *, final: bool) -> None:
        """A bar of the stream; one that is not final may come as soon as its slot begins."""
        length_ms = parse_interval(bar.interval).length_ms
        first_ms = bar.start_ms + (length_ms if final else 0)
        self._count += 1
        if length_ms <= 2 * EARLY_MS:
            # A slot too early or too late looks like two clocks that differ.
            self._late = False
            return
        # A bar with the other stamp is a whole slot off, less or more what it takes to come.
        if recv_ms < first_ms - length_ms // 2:
            self._early.append((bar, first_ms - recv_ms))
        if not 0.9 * length_ms <= recv_ms - first_ms <= 1.5 * length_ms:
            self._late = False

    def findings(self) -> list[str]:
        """What the times say about the stamp."""
        if self._early:
            bar, ahead_ms = self._early[0]
            early = (
                f"{len(self._early)} of {self._count} bars came before their slot was over, the"
                f" first {_seconds(ahead_ms)} before ({bar.symbol} {iso_time(bar.start_ms)}): is"
                ' the stamp the end of the bar? Say stamp = "close"'
            )
            return [early]
        if self._count > 1 and self._late:
            late = (
                f"all {self._count} bars came a slot or more after they could: is the stamp their"
                ' start? Say stamp = "open"'
            )
            return [late]
        return []


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / SECOND_MS:.1f} s"


def _bar_text(bar: Bar) -> str:
    prices = " ".join(repr(price) for price in (bar.open, bar.high, bar.low, bar.close))
    volume = "" if bar.volume is None else f" volume {bar.volume}"
    return f"{bar.symbol} {bar.interval} {iso_time(bar.start_ms)} {prices}{volume}"


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN_SYMBOLS])
    return (
        shown if len(names) <= SHOWN_SYMBOLS else f"{shown} and {len(names) - SHOWN_SYMBOLS} more"
    )
