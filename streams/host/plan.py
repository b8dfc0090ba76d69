"""What a host is made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from tapeline.schemas.config.model import Config
from tapeline.schemas.config.strategies import OnFault
from tapeline.streams.host.needs import Needs
from tapeline.streams.host.strategy import Strategy

FILES_BASE = 500_000
"""Index of the first host event of a record where facts and host events share a sequence."""


class LoadedStrategy(Struct, frozen=True, kw_only=True):
    """A strategy that was loaded, checked and set up once.

    Attributes
    ----------
    name
        In the configuration.
    make
        Its class; made without arguments.
    version
        12 hexadecimal digits over source and configuration.
    settings
        Its own keys.
    symbols
        Symbols that it is configured for, by name.
    account
        Paper account that decides on its signals.
    on_fault
        What becomes of its positions when it fails.
    muted
        Whether its signals are rejected; a number: those before that instant.
    unsafe
        Whether it was loaded without the check of purity.
    needs
        As `checked_needs` gives them.
    note_sessions
        How long notes on an approved signal come, in calendar sessions.
    """

    name: str
    make: type[Strategy]
    version: str
    settings: Mapping[str, Any]
    symbols: tuple[str, ...]
    account: str
    needs: Needs
    on_fault: OnFault = "hold"
    muted: bool | int = False
    unsafe: bool = False
    note_sessions: int = 1


class Numbering(Struct, frozen=True):
    """How host events are numbered: seq = step x 1,000,000 + base + index.

    Attributes
    ----------
    base
        `FILES_BASE` in files and stores, where steps are offsets; 0 in books.
    by_partition
        Whether `cause` names the partition of the record; otherwise it is ``0``.
    """

    base: int = FILES_BASE
    by_partition: bool = False


class HostPlan(Struct, frozen=True):
    """Strategies, and all that decides what they do.

    Attributes
    ----------
    strategies
        In any order; names are distinct.
    check_memory
        Whether the memory of a strategy goes through JSON after every call.
    """

    config: Config
    strategies: tuple[LoadedStrategy, ...]
    numbering: Numbering = Numbering()
    check_memory: bool = False
