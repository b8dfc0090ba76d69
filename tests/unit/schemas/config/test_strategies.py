"""What the configuration of a strategy answers."""

from __future__ import annotations

import pytest

from tapeline.schemas.config.strategies import StrategyConfig


@pytest.mark.parametrize(
    ("muted", "before", "at"),
    [(False, False, False), (True, True, True), (1_000, True, False), (0, False, False)],
)
def test_a_strategy_is_muted_always_never_or_until_an_instant(
    muted: bool | int, before: bool, at: bool
) -> None:
    found = StrategyConfig(module="sma_crossover", symbols=("ES",), muted=muted)
    assert (found.is_muted(999), found.is_muted(1_000)) == (before, at)
