"""Calls of strategies: what they emit is published when they return, what they raise ends them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from tapeline.schemas.host_events import Decision
from tapeline.streams.host.errors import MemoryRefusedError
from tapeline.streams.host.plain_data import MOST_MEMORY_BYTES, from_text, plain_text
from tapeline.streams.host.running import RunningStrategy
from tapeline.streams.host.trading import Trading

BarSpan = tuple[str, str, int, int]
"""A base bar: symbol, interval, start, end."""


class Caller:
    """Calls strategies of one host.

    Parameters
    ----------
    check_memory
        Whether the memory goes through JSON after every call.
    """

    def __init__(self, trading: Trading, check_memory: bool) -> None:
        self._trading = trading
        self._check_memory = check_memory
        self._decisions: deque[Decision] = deque()

    def call(
        self,
        running: RunningStrategy,
        hook: Callable[..., None],
        arguments: tuple[Any, ...],
        fact: Any,
        bar: BarSpan | None = None,
    ) -> None:
        """One call of a strategy that runs, and the calls with the decisions that it led to.

        Parameters
        ----------
        fact, bar
            The argument as an input of signals: what has an id, or a base bar.
        """
        if not running.is_running:
            return
        self._call(running, hook, arguments, fact, bar)
        # One after the other: a strategy that answers every decision is refused by number.
        while self._decisions:
            decision = self._decisions.popleft()
            if running.is_running:
                self._call(running, running.strategy.on_decision, (decision,), decision, None)

    def _call(
        self,
        running: RunningStrategy,
        hook: Callable[..., None],
        arguments: tuple[Any, ...],
        fact: Any,
        bar: BarSpan | None,
    ) -> None:
        running.begin_call(fact, bar, self._trading.time_ms, self._trading.step)
        try:
            hook(*arguments, running.at)
        except Exception as error:
            # Whatever code of others raises, the other strategies go on.
            self.fault(running, running.failure or error)
            return
        if running.failure is not None:
            self.fault(running, running.failure)
            return
        if not running.emitted:
            if self._check_memory:
                self.check_memory(running)
            return
        self.check_memory(running)
        if running.is_running:
            self._decisions.extend(self._trading.write(running))

    def check_memory(self, running: RunningStrategy) -> None:
        """Whether the memory is plain data; a strategy whose is not fails."""
        if not running.is_running:
            return
        try:
            text = plain_text(running.strategy.memory, MOST_MEMORY_BYTES, "memory")
        except MemoryRefusedError as error:
            self.fault(running, error)
            return
        if self._check_memory:
            running.strategy.memory = from_text(text)

    def fault(self, running: RunningStrategy, error: Exception) -> None:
        """A strategy failed: what its call emitted is dropped, and it is called no more."""
        running.emitted = []
        running.is_running = False
        self._trading.fault(running.loaded, error)
