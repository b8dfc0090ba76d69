"""A type of events that no version ships, and an engine that publishes it."""

from __future__ import annotations

from typing import Any, cast

from msgspec import Struct

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.event_types import EventType
from tapeline.schemas.events import Event, Op
from tapeline.schemas.ids import ids_of
from tapeline.schemas.instants import OUTPUTS_PER_RECORD
from tapeline.schemas.records import Bar, LogRecord
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topic_settings import FACTS
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.feeds.samples import sample_book

SYMBOL = "ACME"
CONFIG = read_config(
    f'[instruments.{SYMBOL}]\ntick = 0.01\ncalendar = "XNYS"\nranges = ["prior_session"]\n', "test"
)
BARS_PER_TOY = 5


class Toy(Struct, frozen=True, gc=False, tag_field="type", tag="toy"):
    """The last close of five bars: open while they come, closed with the fifth."""

    id: str
    op: Op
    seq: int
    rev: int
    symbol: str
    session: str
    event_ms: int
    watermark_ms: int
    corrects: int | None
    close: float
    bars: int
    state: str


def _is_closed(event: Toy) -> bool:
    return event.state == "closed"


TOY = EventType(
    struct=Toy,
    topic="toys.v1",
    settings=FACTS,
    position=45,
    rule="toys",
    grows=frozenset({"close", "bars", "state"}),
    is_final=_is_closed,
    meaning="The last close of five bars.",
    fields={
        "close": "Close of the last bar.",
        "bars": "Bars so far.",
        "state": "`open`, or `closed` with the fifth bar.",
    },
    example=Toy("toy|ACME|0", "upsert", 5, 0, "ACME", "2025-12-08", 1, 1, None, 10.5, 5, "closed"),
)
TOYS = EVENTS.with_(TOY)


class ToyEngine:
    """An engine that publishes a toy with every bar in order, behind the events of the rules.

    Parameters
    ----------
    step
        What is added to every close: two engines of different steps differ.
    """

    def __init__(self, engine: GroupEngine, step: float = 0.0) -> None:
        self._engine = engine
        self._step = step
        self._bars = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def apply(self, record: LogRecord, offset: int) -> Outcome:
        """What the engine answers, with the toy of a bar that was accepted."""
        outcome = self._engine.apply(record, offset)
        if isinstance(record, Bar) and outcome.kind == "accepted":
            number, index = divmod(self._bars, BARS_PER_TOY)
            self._bars += 1
            toy = Toy(
                f"{ids_of('toy', record.symbol)}{number}",
                "upsert",
                offset * OUTPUTS_PER_RECORD + len(outcome.events),
                0,
                record.symbol,
                "2025-12-08",
                outcome.watermark_ms,
                outcome.watermark_ms,
                None,
                record.close + self._step,
                index + 1,
                "closed" if index == BARS_PER_TOY - 1 else "open",
            )
            outcome.events.append(cast(Event, toy))
        return outcome


def toy_engine(engine: GroupEngine, step: float = 0.0) -> GroupEngine:
    """The same engine, with toys."""
    return cast(GroupEngine, ToyEngine(engine, step))


def records(count: int = 30) -> list[LogRecord]:
    """Bars of one session, without clocks."""
    book = sample_book(SYMBOL, load_calendar("XNYS"), "2025-12-08", 1, 3, 12_500, 0.01)
    bars: list[LogRecord] = [each for each in book if isinstance(each, Bar)]
    return bars[:count]
