"""A host over a small log, and strategies that do what a test tells them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar

import msgspec
import orjson

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.records import Clock, LogRecord
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.host.checked_needs import checked_needs
from tapeline.streams.host.host import Host
from tapeline.streams.host.market import HostRecord, RouterMarket
from tapeline.streams.host.plan import HostPlan, LoadedStrategy, Numbering
from tapeline.streams.host.strategy import Needs, Now, Setup, Strategy
from tapeline.streams.pipeline.drive import Drive
from tapeline.streams.pipeline.routing import Router
from tests.unit.streams.core.scenario import MINUTE_MS, at, flat, minutes

ACME = '[instruments.ACME]\ntick = 0.01\ncalendar = "XNYS"\n'
TWO = ACME + '[instruments.BETA]\ntick = 0.01\ncalendar = "XNYS"\n'
PAIRED = TWO + '[groups]\nAB = ["ACME", "BETA"]\n'
AVERAGES = (
    ACME + 'indicators = ["own"]\n[indicators.own]\nlist = ["sma(2)"]\nintervals = ["1m", "5m"]\n'
)
DAY = "2025-07-02"
OPEN = at(f"{DAY} 09:30")
CLOSE = at(f"{DAY} 16:00")
RICH = "[accounts.default]\nmin_quality = 0\nmin_confidence = 0\n"


class Scripted(Strategy):
    """Writes down every call, and does with it what `script` says.

    Attributes
    ----------
    needs
        What `setup` returns.
    script
        Called with the name of the hook, its argument and now.
    """

    needs: ClassVar[Needs] = Needs()
    calls: ClassVar[list[tuple[Any, ...]]] = []
    script: ClassVar[Callable[[Strategy, str, Any, Now], None] | None] = None

    def setup(self, config: Setup) -> Needs:
        self.settings = config.settings
        return self.needs

    def _called(self, hook: str, argument: Any, now: Now) -> None:
        type(self).calls.append((hook, argument, now.ms))
        script = type(self).script
        if script is not None:
            script(self, hook, argument, now)

    def on_session(self, session: Any, now: Now) -> None:
        self._called("session", session, now)

    def on_bar(self, bar: Any, now: Now) -> None:
        self._called("bar", bar, now)

    def on_bars(self, symbol: str, interval: str, bar: Any, now: Now) -> None:
        self._called("bars", bar, now)

    def on_event(self, event: Any, now: Now) -> None:
        self._called("event", event, now)

    def on_correction(self, record: Any, start_ms: int, symbol: str, now: Now) -> None:
        self._called("correction", (record, start_ms, symbol), now)

    def on_note(self, note: Any, now: Now) -> None:
        self._called("note", note, now)

    def on_decision(self, decision: Any, now: Now) -> None:
        self._called("decision", decision, now)

    def on_fill(self, fill: Any, now: Now) -> None:
        self._called("fill", fill, now)

    def on_signal_closed(self, signal: Any, now: Now) -> None:
        self._called("closed", signal, now)

    def on_end(self, now: Now) -> None:
        self._called("end", None, now)

    def teardown(self) -> None:
        type(self).calls.append(("teardown", None, 0))


Script = Callable[[Any, str, Any, Now], None]


def scripted(script: Script | None = None, needs: Needs | None = None) -> type[Scripted]:
    """A class of its own, with its own diary."""
    members: dict[str, Any] = {"calls": [], "needs": Needs() if needs is None else needs}
    if script is not None:
        members["script"] = staticmethod(script)
    return type("Scripted", (Scripted,), members)


def at_calls(actions: dict[tuple[str, int], Callable[[Now], object]]) -> Script:
    """What to do at the n-th call of a hook, counted from 0 over the life of the strategy.

    The count is in its memory, so that it goes on after a restart.
    """

    def script(strategy: Any, hook: str, argument: Any, now: Now) -> None:
        number = strategy.memory.get(hook, 0)
        strategy.memory[hook] = number + 1
        action = actions.get((hook, number))
        if action is not None:
            action(now)

    return script


def loaded(
    make: type[Strategy],
    config: Config,
    name: str = "one",
    symbols: Sequence[str] = ("ACME",),
    **more: Any,
) -> LoadedStrategy:
    """A strategy as loading gives it."""
    settings = more.pop("settings", {})
    return LoadedStrategy(
        name=name,
        make=make,
        version=more.pop("version", "0" * 12),
        settings=settings,
        symbols=tuple(sorted(symbols)),
        account=more.pop("account", "default"),
        needs=checked_needs(name, make, settings, symbols, config),
        **more,
    )


class HostScene:
    """Records into engines and a host; everything that the host published.

    Parameters
    ----------
    toml
        Configuration over the built-in one.
    strategies
        Classes by name; or, made with the configuration, strategies as they are loaded.
    """

    def __init__(
        self,
        toml: str,
        *strategies: type[Strategy] | Callable[[Config], LoadedStrategy],
        symbols: Sequence[str] = ("ACME",),
        numbering: Numbering | None = None,
        check_memory: bool = False,
    ) -> None:
        self.config = read_config(toml, "scene")
        made = []
        for number, each in enumerate(strategies):
            if isinstance(each, type):
                made.append(loaded(each, self.config, f"s{number}", symbols))
            else:
                made.append(each(self.config))
        self.plan = HostPlan(
            self.config,
            tuple(made),
            Numbering() if numbering is None else numbering,
            check_memory,
        )
        self.router = Router(self.config)
        self.drive = Drive(self.router)
        self.host = Host(self.plan, RouterMarket(self.router))
        self.records: dict[str, Any] = {}
        self.out: list[HostEvent] = []
        self.outcome: Outcome | None = None
        self.offset = 0

    def take(self, *records: LogRecord) -> list[Any]:
        """Hand records over; what the last one led to."""
        published: list[Any] = []
        for record in records:
            published = self._take(record)
            self.out += published
        return published

    def _take(self, record: LogRecord) -> list[Any]:
        offset = self.offset
        self.offset += 1
        try:
            outcome = self.outcome = self.drive.apply(record, offset)
        except RecordRejected:
            return []
        group = self.config.group_of(record.symbol)
        return self.host.take(
            HostRecord(
                offset,
                0,
                offset,
                record,
                group,
                outcome.kind,
                list(outcome.events),
                outcome.correction,
                outcome.watermark_ms,
            )
        )

    def fold_alone(self, *records: LogRecord) -> None:
        """Records that the engines take, and the host does not."""
        for record in records:
            self.drive.apply(record, self.offset)
            self.offset += 1

    def bars(self, count: int, price: float = 100.0, symbol: str = "ACME") -> list[Any]:
        """So many bars after those that came, in order."""
        mark = self.router.group_engine(self.config.group_of(symbol)).watermark_ms(symbol)
        return self.take(*minutes(symbol, OPEN if mark is None else mark, count, price))

    def clock(self, instant_ms: int, symbol: str = "ACME") -> list[Any]:
        """A clock."""
        return self.take(Clock(symbol, instant_ms))

    def store(self) -> dict[str, Any]:
        """Write the state; what changed."""
        changed = self.host.changed()
        text = orjson.dumps(changed)
        for key, value in orjson.loads(text).items():
            if value is None:
                self.records.pop(key, None)
            else:
                self.records[key] = value
        return changed

    def restart(
        self, plan: HostPlan | None = None, accept: Collection[str] = (), keep: bool = False
    ) -> None:
        """Another host goes on from the state that was written; with `keep` it is written first."""
        if keep:
            self.store()
        if plan is not None:
            self.plan = plan
        self.host = Host(self.plan, RouterMarket(self.router))
        self.host.restore(orjson.loads(orjson.dumps(self.records)), accept)

    def of(self, *types: str) -> list[Any]:
        """Everything of some types that was published, in order."""
        return [each for each in self.out if tag(each) in types]

    def view(self, event_type: str) -> dict[str, Any]:
        """By id the last version of the events of a type."""
        return {each.id: each for each in self.of(event_type)}


def tag(event: Any) -> str:
    """Type of an event."""
    return str(event.__struct_config__.tag)


def tags(events: Sequence[Any]) -> list[str]:
    """Types of events."""
    return [tag(each) for each in events]


def minute(number: int, price: float = 100.0, symbol: str = "ACME") -> Any:
    """The bar of a minute of the session."""
    return flat(symbol, OPEN + number * MINUTE_MS, price)


def as_json(events: Sequence[Any]) -> bytes:
    """The bytes of events."""
    return b"\n".join(msgspec.json.encode(each) for each in events)
