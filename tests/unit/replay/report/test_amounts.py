"""Amounts are whole numbers, whatever their doubles look like."""

from __future__ import annotations

import pytest

from tapeline.replay.report.amounts import Instruments, amount, units
from tapeline.streams.errors import InputError
from tests.unit.replay.report.books import configuration


@pytest.mark.parametrize("value", [0.0, 0.1, 100000.07, -0.000001, 90071992547409.91, 1e-12])
def test_an_amount_comes_back_as_it_was_published(value: float) -> None:
    assert amount(units(value)) == value


def test_sums_of_amounts_are_exact() -> None:
    assert sum(units(each) for each in [0.1] * 10) == units(1.0)


def test_ticks_and_what_they_are_worth() -> None:
    instruments = Instruments(configuration(), ["ACME", "FUT"])
    assert instruments.ticks("FUT", 6000.25) == 24001
    assert instruments.value("FUT") == units(12.5)
    assert instruments.value("ACME") == units(0.01)
    assert instruments.price("FUT", instruments.exact_ticks("FUT", 6000.25)) == 6000.25


def test_a_symbol_that_the_configuration_does_not_name_is_refused_by_name() -> None:
    config = configuration()
    with pytest.raises(InputError, match="ES-NQ"):
        Instruments(config, ["ES-NQ"])
