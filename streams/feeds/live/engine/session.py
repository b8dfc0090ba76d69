"""The steps that a provider wants before it sends: done whole on every connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from tapeline.schemas.instants import FAR_FUTURE_MS, SECOND_MS
from tapeline.streams.feeds.live.model import FeedMapping, StepMessage

ANSWER_MS = 10 * SECOND_MS
"""Deadline of every answer; what an answer leaves out is asked for again as much later."""


class FeedSession:
    """One opening: messages in order and at their pace, answers against what was asked for.

    A step's next message follows the answer to the one before. Symbols that an answer leaves out
    hold nothing up: the steps go on, and after `ANSWER_MS` they are asked for once more; what is
    left out again after as long is refused.

    Attributes
    ----------
    acknowledged
        Symbols that the provider confirmed.
    refused
        Symbols that it does not give.
    done
        Whether all steps were answered.
    complete
        Whether nothing is waited for any more: neither a step nor a symbol.
    problem
        Why the connection must be ended: a deadline passed; "" while all is well.
    fatal
        What the provider wrote when it refused for good; None while it did not.
    next_ms
        ``mono_ms`` at which `pass_time` is due.
    """

    def __init__(self, mapping: FeedMapping, symbols: Sequence[str]) -> None:
        self.acknowledged: set[str] = set()
        self.refused: set[str] = set()
        self.done = False
        self.complete = False
        self.problem = ""
        self.fatal: str | None = None
        self.next_ms = FAR_FUTURE_MS
        self._mapping = mapping
        self._symbols = tuple(symbols)
        self._asked: dict[str, tuple[int, StepMessage]] = {}
        self._step = -1
        self._queue: deque[StepMessage] = deque()
        self._waits = False
        self._current: StepMessage | None = None
        self._ready_ms = 0
        self._due_ms = FAR_FUTURE_MS
        self._again = False
        self._lacking_due_ms = FAR_FUTURE_MS

    @property
    def lacking(self) -> tuple[str, ...]:
        """Symbols asked for, neither confirmed nor refused yet; in order of the feed."""
        known = self.acknowledged | self.refused
        return tuple(each for each in self._asked if each not in known)

    def open(self, now_ms: int) -> list[str]:
        """The connection is open: the first messages to send."""
        texts = self._begin_step(0, now_ms)
        self._arm()
        return texts

    def take(self, parsed: Any, now_ms: int) -> list[str]:
        """A message came; what to send next.

        Symbols that are now in `acknowledged` have been confirmed by it, before any bar that the
        same message holds.
        """
        if self.complete:
            return []
        step, message = self._step, self._current
        if self.done:
            step, message = self._asked[self.lacking[0]]
        answer = self._mapping.answer(step, message, parsed)
        if answer.outcome == "fatal":
            return self._refuse_all(answer.text)
        if answer.acknowledged is not None:
            self.acknowledged |= answer.acknowledged & (self._asked.keys() - self.refused)
        elif answer.outcome == "expected" and self._waits and message is not None:
            self.acknowledged |= set(message.symbols) - self.refused
        if answer.outcome == "expected":
            return self._answered(now_ms)
        return self._go_on_if_answered(now_ms)

    def refuse(self, symbol: str, now_ms: int) -> list[str]:
        """The provider does not give a symbol; what to send next."""
        if symbol not in self._symbols:
            return []
        self.refused.add(symbol)
        self.acknowledged.discard(symbol)
        return self._go_on_if_answered(now_ms)

    def ask_anew(self, now_ms: int) -> list[str]:
        """Ask for all symbols once more; what is not confirmed within `ANSWER_MS` is refused."""
        self.acknowledged -= self._asked.keys()
        texts = self._ask_again(now_ms) if self.lacking else []
        self._arm()
        return texts

    def pass_time(self, now_ms: int) -> list[str]:
        """Time has passed; what to send now."""
        texts: list[str] = []
        if self._waits and now_ms >= self._due_ms:
            if self.done:
                self._give_up()
            else:
                step = self._step + 1
                self.problem = f"no answer to step {step} within {ANSWER_MS // SECOND_MS} s"
        elif not self._waits and self._queue:
            texts = self._go_on(now_ms)
        elif self.done and now_ms >= self._lacking_due_ms:
            if self._again or not self.lacking:
                self._give_up()
            else:
                texts = self._ask_again(now_ms)
        self._arm()
        return texts

    def _go_on_if_answered(self, now_ms: int) -> list[str]:
        """Where symbols are answered one by one, the last of a message ends it."""
        message = self._current
        known = self.acknowledged | self.refused
        if message is not None and message.symbols and known.issuperset(message.symbols):
            return self._answered(now_ms)
        self._arm()
        return []

    def _answered(self, now_ms: int) -> list[str]:
        texts: list[str] = []
        if self._waits:
            self._waits = False
            texts = self._go_on(now_ms)
        self._arm()
        return texts

    def _refuse_all(self, text: str) -> list[str]:
        """Refused for good: the feed, or once it is open what is asked for again."""
        if self.done:
            self._give_up()
        else:
            self.fatal = text or "refused"
        self._arm()
        return []

    def _give_up(self) -> None:
        self.refused.update(self.lacking)
        self._queue.clear()
        self._waits = False

    def _begin_step(self, step: int, now_ms: int) -> list[str]:
        if step == self._mapping.steps:
            return self._finish()
        self._step = step
        self._current = None
        self._ready_ms = now_ms
        self._queue.extend(self._mapping.messages(step, self._symbols))
        if not self._queue:
            self._waits = True
            self._due_ms = now_ms + ANSWER_MS
            return []
        return self._go_on(now_ms)

    def _go_on(self, now_ms: int) -> list[str]:
        """Send what is due of the step, or begin the next one."""
        texts: list[str] = []
        while self._queue:
            if now_ms < self._ready_ms:
                return texts
            message = self._queue.popleft()
            texts.append(message.text)
            self._current = message
            self._asked.update(dict.fromkeys(message.symbols, (self._step, message)))
            self._ready_ms = now_ms + self._mapping.pace_ms(self._step)
            self._lacking_due_ms = now_ms + ANSWER_MS
            if message.awaits:
                self._waits = True
                self._due_ms = now_ms + ANSWER_MS
                return texts
            self.acknowledged |= set(message.symbols) - self.refused
        return texts if self.done else texts + self._begin_step(self._step + 1, now_ms)

    def _finish(self) -> list[str]:
        self.done = True
        # What no message asked for, the address did.
        self.acknowledged |= set(self._symbols) - self._asked.keys() - self.refused
        return []

    def _ask_again(self, now_ms: int) -> list[str]:
        lacking = self.lacking
        self._again = True
        self._step, _ = self._asked[lacking[0]]
        self._queue.extend(self._mapping.messages(self._step, lacking))
        return self._go_on(now_ms)

    def _arm(self) -> None:
        lacking = self.done and bool(self.lacking)
        self.complete = self.done and not lacking
        if self._waits:
            self.next_ms = self._due_ms
        elif self._queue:
            self.next_ms = self._ready_ms
        else:
            self.next_ms = self._lacking_due_ms if lacking else FAR_FUTURE_MS
