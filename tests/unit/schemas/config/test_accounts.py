"""The unit of an account's money, from the ticks of its instruments."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tapeline.schemas.config.accounts import (
    ContractConfig,
    in_units,
    money_decimals,
    tick_value,
)


@pytest.mark.parametrize(
    ("tick", "contract", "worth"),
    [
        ("0.25", ContractConfig(multiplier="50"), "12.5"),
        ("0.0001", ContractConfig(), "0.0001"),
        ("0.00000001", ContractConfig(lot="0.001"), "0.00000000001"),
        ("999999999.999999999999", ContractConfig(multiplier="999999999"), None),
    ],
)
def test_a_tick_of_a_lot_is_worth_tick_times_multiplier_times_lot(
    tick: str, contract: ContractConfig, worth: str | None
) -> None:
    found = tick_value(tick, contract)
    expected = worth or "999999998999999999.999000000001"
    assert found == Decimal(expected)


@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        (["12.50"], 2),
        (["12.5", "5"], 2),
        (["0.0001"], 4),
        (["12.5", "0.00000000001"], 11),
        (["0.000000000001"], 12),
        (["0.0000000000001"], None),
        ([], 2),
    ],
)
def test_the_unit_has_the_fewest_decimals_in_which_all_ticks_are_whole(
    values: list[str], decimals: int | None
) -> None:
    assert money_decimals(map(Decimal, values)) == decimals


@pytest.mark.parametrize(
    ("amount", "decimals", "units"),
    [
        ("100000", 2, 10_000_000),
        ("0.01", 2, 1),
        ("0.015", 2, None),
        (Decimal("1E+3"), 2, 100_000),
        ("0", 12, 0),
        ("90071992547.40993", 12, 90_071_992_547_409_930_000_000),
    ],
)
def test_an_amount_is_a_whole_number_of_units_or_none(
    amount: str | Decimal, decimals: int, units: int | None
) -> None:
    assert in_units(amount, decimals) == units
