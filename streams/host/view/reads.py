"""What a call of a strategy read before it emitted (docs/rules.md 19.9)."""

from __future__ import annotations

from typing import Any

from tapeline.schemas.host_events import InputRef, Span

MOST_INPUTS = 256


class Reads:
    """The argument of a call, then facts and bars that it read, each once, in order of reading."""

    __slots__ = ("_bar", "_fact", "_inputs", "_spans")

    def __init__(self) -> None:
        self._fact: Any = None
        self._bar: tuple[str, str, int, int] | None = None
        self._inputs: dict[str, int] = {}
        self._spans: dict[tuple[str, str], tuple[int, int]] = {}

    def begin(self, fact: Any, bar: tuple[str, str, int, int] | None = None) -> None:
        """The next call has read nothing but its argument.

        Parameters
        ----------
        fact
            What has `id` and `rev`; None: the argument is none.
        bar
            A base bar: symbol, interval, start, end.
        """
        self._fact = fact
        self._bar = bar
        if self._inputs:
            self._inputs = {}
        if self._spans:
            self._spans = {}

    def add_fact(self, fact_id: str, rev: int) -> None:
        """A fact was read, in that version."""
        self._inputs.setdefault(fact_id, rev)

    def add_bars(self, symbol: str, interval: str, from_ms: int, to_ms: int) -> None:
        """Bars were read: those from a first start to a last end, exclusive."""
        series = (symbol, interval)
        known = self._spans.get(series)
        if known is not None:
            from_ms = min(from_ms, known[0])
            to_ms = max(to_ms, known[1])
        self._spans[series] = (from_ms, to_ms)

    def inputs(self) -> tuple[tuple[InputRef, ...], bool]:
        """The facts, at most `MOST_INPUTS`, and whether there were more."""
        argument = self._fact
        found = [] if argument is None else [InputRef(argument.id, argument.rev)]
        for fact_id, rev in self._inputs.items():
            if argument is None or fact_id != argument.id:
                found.append(InputRef(fact_id, rev))
        return tuple(found[:MOST_INPUTS]), len(found) > MOST_INPUTS

    def spans(self) -> tuple[Span, ...]:
        """One stretch a symbol and interval, that of the argument first."""
        found: dict[tuple[str, str], tuple[int, int]] = {}
        if self._bar is not None:
            symbol, interval, from_ms, to_ms = self._bar
            found[symbol, interval] = (from_ms, to_ms)
        for series, edges in self._spans.items():
            known = found.get(series, edges)
            found[series] = (min(known[0], edges[0]), max(known[1], edges[1]))
        return tuple([Span(*series, *edges) for series, edges in found.items()])
