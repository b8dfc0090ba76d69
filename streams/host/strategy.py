"""A strategy: called in the order of the log, never with what is not known yet.

class Fade(Strategy):
    def setup(self, config):
        return Needs(events=["touch"])

    def on_event(self, event, now):
        if isinstance(event, Touch) and event.event == "touched_high":
            now.emit(Signal(event.symbol, "sell", stop=event.price + 2, target=event.price - 4))
"""

from __future__ import annotations

from typing import Any

from tapeline.schemas.events import DerivedBar, Output, Session
from tapeline.schemas.host_events import Decision, Fill, IssuedSignal, SignalNote
from tapeline.schemas.records import Bar
from tapeline.streams.host.needs import Needs, Setup
from tapeline.streams.host.now import Now
from tapeline.streams.host.signal import Signal

__all__ = ["Needs", "Now", "Setup", "Signal", "Strategy"]


class Strategy:
    """What is called; every method does nothing until it is overridden.

    A strategy is a function of its memory, of `now.view` and of what it is called with. It is made
    without arguments; attributes that `setup` gives it stay, all others are lost at a restart.

    Of one record come first its fills, or the correction, then the bar, then the facts it led to
    in the order of publication, then notes. All calls are in the total order of the log, the same
    in every replay. Calls for a symbol begin when what `Needs` names is there, unless it is `cold`.

    Attributes
    ----------
    memory
        Plain data, what JSON gives back as it was: the only thing that is kept.
    """

    memory: dict[str, Any]

    def setup(self, config: Setup) -> Needs:
        """What the strategy needs; it may set attributes that never change.

        Raises
        ------
        ValueError
            When it cannot run so: the message is shown, and nothing starts.
        """
        return Needs()

    def on_session(self, session: Session, now: Now) -> None:
        """A trading session opened, or closed."""

    def on_bar(self, bar: Bar, now: Now) -> None:
        """The newest bar of a symbol has ended; an order placed now cannot trade inside it."""

    def on_bars(self, symbol: str, interval: str, bar: DerivedBar, now: Now) -> None:
        """The newest bar of a coarser interval has ended."""

    def on_event(self, event: Output, now: Now) -> None:
        """A fact came, changed, or is taken back (`Retract`)."""

    def on_correction(self, record: Bar | None, start_ms: int, symbol: str, now: Now) -> None:
        """A bar came late or was changed; None: it was cancelled."""

    def on_note(self, note: SignalNote, now: Now) -> None:
        """A correction changed an input of a signal of this strategy."""

    def on_decision(self, decision: Decision, now: Now) -> None:
        """The account has decided on a signal of this strategy."""

    def on_fill(self, fill: Fill, now: Now) -> None:
        """An order of this strategy was filled; what is placed now acts from the next bar on."""

    def on_signal_closed(self, signal: IssuedSignal, now: Now) -> None:
        """A signal of this strategy has expired."""

    def on_end(self, now: Now) -> None:
        """The replay is over; nothing can be emitted, and a live host never calls it."""

    def teardown(self) -> None:
        """The host ends."""
