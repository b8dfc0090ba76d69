"""Needs of a strategy against the configuration."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.streams.host.checked_needs import checked_needs
from tapeline.streams.host.errors import SetupError
from tapeline.streams.host.strategy import Needs, Setup, Strategy
from tests.unit.streams.host.scene import ACME, scripted

CONFIG = read_config(
    ACME + 'indicators = ["own"]\n'
    '[indicators.own]\nlist = ["sma(5)", "macd"]\nintervals = ["5m"]\n'
    '[windows.volume]\nkind = "sum"\nfield = "volume"\nperiod = "2d"\n'
    '[instruments.BETA]\ntick = 0.01\ncalendar = "XNYS"\n',
    "needs",
)


def needs_of(needs: Any, *symbols: str) -> Needs:
    made = scripted(None, needs)
    return checked_needs("mine", made, {}, symbols or ("ACME",), CONFIG)


def test_needs_that_the_configuration_has_are_given_with_all_symbols() -> None:
    asked = Needs(
        bars={"1m": 5, "1d": 2},
        indicators=["sma_5_5m", "macd_12_26_9_5m.signal", "sma_5_5m"],
        windows=["volume"],
        events=["touch", "gap"],
        sessions=3,
    )
    found = needs_of(asked, "ACME")
    assert found.symbols == ("ACME",)
    assert found.bars == {"1m": 5, "1d": 2}
    assert found.indicators == ("sma_5_5m", "macd_12_26_9_5m.signal")
    assert (found.windows, found.events, found.sessions) == (("volume",), ("touch", "gap"), 3)
    assert needs_of(Needs(), "BETA", "ACME").symbols == ("ACME", "BETA")
    assert needs_of(Needs(symbols=["ACME"]), "BETA", "ACME").symbols == ("ACME",)


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        (Needs(symbols=["BETA"]), "needs BETA, which is none of its symbols"),
        (Needs(bars={"7m": 1}), "needs bars of 7m, which ACME does not have; it has 1m, 5m"),
        (Needs(bars={"5m": 0}), "needs 0 bars of 5m; allowed: 1 to 5000"),
        (Needs(bars={"5m": 5001}), "needs 5001 bars"),
        (Needs(windows=["range"]), r"add \[windows.range\]; it has volume"),
        (Needs(events=["touched"]), "needs facts 'touched'; there are derived_bar, session"),
        (Needs(events=["reject"]), "needs facts 'reject'"),
        (Needs(events="touch"), "is no list of names"),
        (Needs(sessions=0), "sessions = 0"),
        ("touch", "setup returned 'touch', not Needs"),
    ],
)
def test_needs_that_it_does_not_have_are_refused_by_name(needs: Any, message: str) -> None:
    with pytest.raises(SetupError, match=message):
        needs_of(needs)


def test_a_missing_key_is_refused_with_the_lines_to_add() -> None:
    with pytest.raises(SetupError) as caught:
        needs_of(Needs(indicators=["sma_20_5m", "rsi_14_15m", "sma_5_5m"]))
    said, lines = str(caught.value).split("\n", 1)
    assert said.startswith("strategy mine needs sma_20_5m, rsi_14_15m of ACME")
    assert lines == (
        '[indicators.mine_5m]\nlist = ["sma(20)"]\nintervals = ["5m"]\n'
        '[indicators.mine_15m]\nlist = ["rsi(14)"]\nintervals = ["15m"]\n'
        '[instruments.ACME]\nindicators = ["own", "mine_5m", "mine_15m"]'
    )


def test_the_lines_to_add_are_enough() -> None:
    with pytest.raises(SetupError) as caught:
        checked_needs(
            "mine", scripted(None, Needs(indicators=["sma_20_5m"])), {}, ("ACME",),
            read_config(ACME, "without"),
        )  # fmt: skip
    lines = str(caught.value).split("\n", 1)[1]
    own, instrument = lines.split("[instruments.ACME]\n")
    config = read_config(ACME + instrument + "\n" + own, "with")
    made = scripted(None, Needs(indicators=["sma_20_5m"]))
    assert checked_needs("mine", made, {}, ("ACME",), config).indicators == ("sma_20_5m",)


def test_a_strategy_may_refuse_with_a_reason() -> None:
    class Refusing(Strategy):
        def setup(self, config: Setup) -> Needs:
            raise ValueError(f"slow = {config.settings['slow']} is not above fast")

    with pytest.raises(SetupError, match="strategy mine: slow = 3 is not above fast"):
        checked_needs("mine", Refusing, {"slow": 3}, ("ACME",), CONFIG)


def test_a_strategy_without_setup_needs_nothing_and_gets_all_of_its_symbols() -> None:
    assert checked_needs("mine", Strategy, {}, ("ACME",), CONFIG) == Needs(symbols=("ACME",))


def test_a_strategy_without_symbols_is_refused() -> None:
    with pytest.raises(SetupError, match="has no symbols"):
        checked_needs("mine", Strategy, {}, (), CONFIG)
