"""The instant of a call: what is known, and what can be done."""

from __future__ import annotations

from typing import Protocol

from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.streams.host.signal import Signal
from tapeline.streams.host.view.view import View


class Desk(Protocol):
    """What takes the signals of a call."""

    def emit(self, signal: Signal) -> str:
        """Take a signal; returns its id."""
        ...

    def cancel(self, signal_id: str, reason: str) -> None:
        """Take a signal back."""
        ...

    def replace(self, signal_id: str, signal: Signal) -> str:
        """Put another signal in the place of one; returns the id of the new one."""
        ...

    def mark(self) -> None:
        """Mark the record."""
        ...


class Now:
    """The instant of a call.

    Attributes
    ----------
    ms
        Market time, UTC epoch milliseconds: the greatest watermark of all groups until now. It
        never goes back; a late or corrected bar comes with the time at which it came.
    view
        What is known: bars, indicators, facts, position and own signals, read only.
    """

    __slots__ = ("_desk", "ms", "view")

    def __init__(self, desk: Desk, view: View) -> None:
        self.ms = FAR_PAST_MS
        self.view = view
        self._desk = desk

    def emit(self, signal: Signal) -> str:
        """Publish a signal when the call returns; an exception in the call drops it.

        Returns
        -------
        str
            Its id.

        Raises
        ------
        SignalError
            When it is none: a price off the tick, a stop on the wrong side, a symbol that is not
            this strategy's. The strategy fails, also if it catches it.
        """
        return self._desk.emit(signal)

    def cancel(self, signal_id: str, reason: str = "strategy") -> None:
        """Close an issued signal of this strategy; its entry is cancelled, a position stays.

        Parameters
        ----------
        reason
            Stands in the entry order that is cancelled; at most 200 characters.

        Raises
        ------
        SignalError
            When it is closed, or not this strategy's.
        """
        self._desk.cancel(signal_id, reason)

    def replace(self, signal_id: str, signal: Signal) -> str:
        """Close an issued signal and publish another one, as one step.

        The old one stays closed when the new one is rejected.

        Returns
        -------
        str
            Id of the new signal.

        Raises
        ------
        SignalError
            As `emit` and `cancel` do.
        """
        return self._desk.replace(signal_id, signal)

    def mark(self) -> None:
        """Mark this record as of interest: a jump to the next mark ends here."""
        self._desk.mark()
