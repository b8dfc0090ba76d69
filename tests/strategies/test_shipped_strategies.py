"""The shipped strategies emit what their rules say, recomputed with plain loops on random books."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isclose
from random import Random

import pytest

from tapeline import Bar, Config, IssuedSignal, load_calendar, read_config, sample_book
from tapeline.streams.host.driving import HostDriver
from tapeline.streams.host.loading import load_strategies
from tapeline.streams.pipeline.drive import Drive
from tapeline.streams.pipeline.routing import Router
from tests.strategies.naive_rules import (
    Emitted,
    Session,
    breakouts,
    crossovers,
    extremes_of_rsi,
    faded_touches,
)

CALENDAR = load_calendar("XNYS")
FIRST = "2025-07-01"
SESSIONS = 4
CONFIG = """
[indicators.strategies]
list = ["sma(5)", "sma(20)", "rsi(14)"]
intervals = ["5m"]

[instruments.ACME]
tick = "0.25"
calendar = "XNYS"
ranges = ["prior_session"]
indicators = ["strategies"]

[strategies.under_test]
module = "{module}"
symbols = ["ACME"]
"""
Rule = Callable[[Sequence[Bar]], list[Emitted]]


def config(module: str, own: str = "") -> Config:
    return read_config(CONFIG.format(module=module) + own, "test")


def sessions() -> list[Session]:
    first = CALENDAR.index_of_day(20_270)
    return [
        Session(CALENDAR.open_ms(index), CALENDAR.close_ms(index))
        for index in range(first, first + SESSIONS)
    ]


def book(seed: int, holes: int = 0) -> list[Bar]:
    """Four sessions, some of whose bars are missing."""
    bars = list(sample_book("ACME", CALENDAR, FIRST, SESSIONS, seed))
    gone = set(Random(seed).sample(range(len(bars)), holes))
    return [bar for number, bar in enumerate(bars) if number not in gone]


def emitted(settings: Config, bars: Sequence[Bar]) -> list[IssuedSignal]:
    """Signals as they are issued."""
    router = Router(settings)
    drive = Drive(router)
    driver = HostDriver(settings, load_strategies(settings, ["under_test"], False, {}), router)
    found = []
    for offset, bar in enumerate(bars):
        outcome = drive.apply(bar, offset)
        for event in driver.take((offset, bar, 0), bar, outcome, "ACME"):
            if isinstance(event, IssuedSignal) and event.state == "issued":
                found.append(event)
    return found


def short(signal: IssuedSignal) -> Emitted:
    assert signal.bar_ms is not None
    return Emitted(
        signal.event_ms,
        signal.action,
        signal.bar_ms,
        signal.stop,
        signal.target,
        signal.confidence,
    )


RULES: dict[str, Rule] = {
    "sma_crossover": crossovers,
    "rsi": extremes_of_rsi,
    "touch_fade": lambda bars: faded_touches(bars, sessions()),
    "opening_range": lambda bars: breakouts(bars, sessions()),
}


def test_the_sessions_of_the_books_begin_on_the_first_of_july() -> None:
    assert sessions()[0].open_ms == book(0)[0].start_ms
    assert sessions()[-1].close_ms == book(0)[-1].start_ms + 60_000


@pytest.mark.parametrize("holes", [0, 60])
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("module", RULES)
def test_a_strategy_emits_what_its_rule_gives(module: str, seed: int, holes: int) -> None:
    bars = book(seed, holes)
    found = [short(each) for each in emitted(config(module), bars)]
    expected = RULES[module](bars)
    assert [each[:5] for each in found] == [each[:5] for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert isclose(one.confidence, other.confidence, rel_tol=1e-9)


@pytest.mark.parametrize("module", RULES)
def test_the_books_lead_to_signals_of_every_rule(module: str) -> None:
    actions = {each.action for seed in (1, 2, 3) for each in RULES[module](book(seed))}
    assert actions == {"buy", "sell"}


def test_the_crossover_reads_the_row_of_its_bar_and_the_one_before() -> None:
    signal = emitted(config("sma_crossover"), book(1))[0]
    assert signal.bar_ms is not None
    starts = signal.bar_ms, signal.bar_ms - 300_000
    rows = [f"indicators|ACME|5m|{start}" for start in starts]
    assert [each.id for each in signal.inputs] == [f"derived_bar|ACME|5m|{signal.bar_ms}", *rows]
    assert signal.quantity == 10


def test_averages_that_meet_and_part_again_say_no_side_twice() -> None:
    draw = Random(5)
    prices = [6000.0 + 0.25 * draw.randrange(2) for _ in range(78)]
    bars = [
        Bar("ACME", "1m", bar.start_ms, price, price, price, price)
        for number, bar in enumerate(book(1)[:390])
        for price in [prices[number // 5]]
    ]
    found = [short(each) for each in emitted(config("sma_crossover"), bars)]
    assert [each[:3] for each in found] == [each[:3] for each in crossovers(bars)]
    assert len(found) < len(crossovers(bars, repeats=True))


def test_own_keys_change_the_rule() -> None:
    own = "slow = 10\nquantity = 3\n"
    with_ten = CONFIG.replace('"sma(20)"', '"sma(10)"').format(module="sma_crossover") + own
    settings = read_config(with_ten, "test")
    bars = book(2)
    found = emitted(settings, bars)
    assert [short(each)[:3] for each in found] == [each[:3] for each in crossovers(bars, 5, 10)]
    assert {each.quantity for each in found} == {3}


@pytest.mark.parametrize(
    ("module", "own", "message"),
    [
        ("sma_crossover", "fast = 20", "fast must be the shorter one"),
        ("sma_crossover", "fast = 0", "a whole number above 0"),
        ("sma_crossover", "fats = 3", "fats: is none of its keys: fast, slow"),
        ("rsi", "low = 80", "low must be the lower one"),
        ("rsi", "high = 100", "a number between 0 and 100"),
        ("rsi", "interval = 5", "must be a text"),
        ("opening_range", 'interval = "7m"', "30 minutes"),
        ("opening_range", 'interval = "0m"', "30 minutes"),
    ],
)
def test_a_key_that_cannot_be_meant_is_refused_with_the_reason(
    module: str, own: str, message: str
) -> None:
    settings = config(module, own)
    with pytest.raises(ValueError, match=message):
        load_strategies(settings, ["under_test"], False, {})


def test_the_fade_names_the_template_that_is_missing() -> None:
    text = CONFIG.replace('ranges = ["prior_session"]\n', "").format(module="touch_fade")
    settings = read_config(text, "test")
    with pytest.raises(ValueError, match=r"\[instruments.ACME\]: ranges"):
        load_strategies(settings, ["under_test"], False, {})
