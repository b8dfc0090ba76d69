"""Equity of an account by session, its drawdowns, and the returns of its sessions."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from tapeline.replay.report.amounts import units
from tapeline.schemas.host_events import Account
from tapeline.schemas.instants import day_of
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.ratio import ratio


class SessionEquity(Struct, frozen=True):
    """An account at the end of a session; money in units.

    Attributes
    ----------
    closed
        Whether the session came to its close within the run; the last one may not have.
    exposure
        Greatest of its events.
    drawdown
        Below the greatest equity until then, which `peak` is.
    change
        Against the equity before the session: its return; None where that is not above 0.
    """

    session: str
    event_ms: int
    closed: bool
    equity: int
    realised: int
    open: int
    commission: int
    exposure: int
    peak: int
    drawdown: int
    change: float | None


class Drawdown(Struct, frozen=True):
    """The deepest fall of equity from a peak, and the longest time below one.

    Attributes
    ----------
    depth
        In units of money, over all events of the account.
    peak
        The equity it fell from.
    sessions
        Greatest number of sessions in a row that closed below an earlier close, or the start.
    """

    depth: int
    peak: int
    sessions: int

    @property
    def share(self) -> float | None:
        """Depth / peak."""
        return ratio(self.depth, self.peak) if self.peak > 0 else None


def start_of(events: Sequence[Account]) -> int:
    """What the account began with, in units of money: its cash without what happened since."""
    first = events[0]
    return units(first.cash) - units(first.realised) + units(first.commission)


def equity_by_session(events: Sequence[Account], calendar: Calendar) -> list[SessionEquity]:
    """The last event of each session, in order.

    Parameters
    ----------
    events
        Of one account, in order of publication.
    calendar
        Of its first symbol by name, which its sessions are of.
    """
    start = peak = start_of(events)
    # A symbol behind the others may fill in a session that has closed: its event comes later.
    last: dict[str, tuple[Account, int]] = {}
    exposure: dict[str, int] = {}
    for event in events:
        peak = max(peak, units(event.equity))
        if event.session is not None:
            last[event.session] = event, peak
            known = exposure.get(event.session, 0)
            exposure[event.session] = max(known, units(event.exposure))
    found: list[SessionEquity] = []
    before = start
    for session, (event, top) in sorted(last.items()):
        equity = units(event.equity)
        index = calendar.index_of_day(day_of(session))
        closed = index >= 0 and event.watermark_ms >= calendar.close_ms(index)
        found.append(
            SessionEquity(
                session,
                event.event_ms,
                closed,
                equity,
                units(event.realised),
                units(event.open),
                units(event.commission),
                exposure[session],
                top,
                top - equity,
                ratio(equity - before, before) if before > 0 else None,
            )
        )
        before = equity
    return found


def deepest(events: Sequence[Account], sessions: Sequence[SessionEquity]) -> Drawdown:
    """The deepest drawdown over all events, and the longest over closes of sessions."""
    start = peak = start_of(events)
    depth, of_peak = 0, start
    for event in events:
        equity = units(event.equity)
        peak = max(peak, equity)
        if peak - equity > depth:
            depth, of_peak = peak - equity, peak
    longest = length = 0
    top = start
    for session in sessions:
        if session.equity < top:
            length += 1
            longest = max(longest, length)
        else:
            top, length = session.equity, 0
    return Drawdown(depth, of_peak, longest)
