"""A feed of two symbols on a quiet morning: where most scenarios begin."""

from __future__ import annotations

from typing import Any

from tapeline.schemas.config.feeds import HistoryConfig
from tapeline.schemas.instants import iso_time
from tapeline.streams.feeds.live.engine.parts import ROOM, Room
from tests.feeds_live import World
from tests.feeds_live_provider import MINUTE, Provider, bar_of, config_of, feed_of

START = 1_764_583_200_000
"""2025-12-01T10:00Z, inside a UTC day."""


def history(**more: Any) -> HistoryConfig:
    """A history that may be asked often and has a bar three seconds after its end."""
    settings: dict[str, Any] = {"begin": iso_time(START - 5 * MINUTE), "requests": 600, **more}
    return HistoryConfig(per_request=100, **settings)


def provider_of(*symbols: str, minutes: int = 30, without: tuple[int, ...] = ()) -> Provider:
    """A bar a minute of each symbol from five minutes before the start; of the first all."""
    provider = Provider()
    for number, symbol in enumerate(symbols):
        for minute in range(-5, minutes):
            if number == 0 or minute not in without:
                label = START + minute * MINUTE
                bar = bar_of(symbol, label, 100 + minute / 100, 50 + minute)
                provider.publish(bar, label + MINUTE + 400 + number)
        provider.versions.setdefault(symbol, {})
    return provider


def world_of(
    provider: Provider,
    past: HistoryConfig | None = None,
    calendar: str = "24/7",
    start_ms: int = START,
    connected: bool = True,
    room: Room = ROOM,
    **truth: Any,
) -> World:
    """A feed of the provider's symbols that connects a second after the start."""
    symbols = list(provider.versions)
    settings = feed_of(symbols, history() if past is None else past, **truth)
    world = World(config_of(symbols, calendar), settings, provider, start_ms, room=room)
    if connected:
        world.at(start_ms + 1_000, world.connect)
    return world


def minute(number: int) -> int:
    """Label of a slot, counted from the start."""
    return START + number * MINUTE


def minutes(labels: list[int]) -> list[int]:
    """Slots counted from the start."""
    return [(label - START) // MINUTE for label in labels]
