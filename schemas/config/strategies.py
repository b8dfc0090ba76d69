"""Strategies in the configuration, and the settings of what runs them."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from tapeline.schemas.config.accounts import DEFAULT_ACCOUNT

ON_FAULT = ("hold", "flatten")
BEGIN = ("now", "log")

OnFault = Literal["hold", "flatten"]
Begin = Literal["now", "log"]


class StrategyConfig(Struct, frozen=True, kw_only=True):
    """One strategy.

    Attributes
    ----------
    module
        ``file.py:Class``, the file by its whole path, or a name of the group of entry points
        ``tapeline.strategies``.
    symbols
        What it is for: one at least, each once.
    account
        Paper account that decides on its signals.
    on_fault
        What becomes of its positions when it fails.
    enabled
        Whether stores and hosts run it; a replay runs whatever it is asked for.
    muted
        Whether its signals are rejected; a number: those before that instant, UTC epoch
        milliseconds.
    begin
        Where it begins in a store that has a log: behind it, or at its start.
    allow
        Modules that it may import beside those that are always allowed.
    note_sessions
        How long notes on an approved signal come, in calendar sessions.
    settings
        Its own keys: plain data.
    """

    module: str
    symbols: tuple[str, ...]
    account: str = DEFAULT_ACCOUNT
    on_fault: OnFault = "hold"
    enabled: bool = True
    muted: bool | int = False
    begin: Begin = "now"
    allow: tuple[str, ...] = ()
    note_sessions: int = 1
    settings: dict[str, Any] = {}

    def is_muted(self, now_ms: int) -> bool:
        """Whether signals of that instant are rejected."""
        return self.muted is True or (self.muted is not False and now_ms < self.muted)


class HostConfig(Struct, frozen=True, kw_only=True):
    """Settings of a host of strategies; none of them changes a result.

    Attributes
    ----------
    hang_seconds
        A call that takes longer ends the process.
    """

    hang_seconds: int = 30
