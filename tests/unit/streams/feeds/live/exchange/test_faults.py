"""Faults of the sample exchange."""

from __future__ import annotations

import re

import pytest

from tapeline.streams.errors import InputError
from tapeline.streams.feeds.live.exchange.faults import (
    FAULT_MEANINGS,
    LENGTHS_S,
    PlannedFault,
    parse_fault,
)
from tapeline.streams.feeds.live.exchange.server import FAULTS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cut", PlannedFault("cut", 20, 0)),
        ("silence@5s", PlannedFault("silence", 5, 15)),
        ("no_history@61s+30s", PlannedFault("no_history", 61, 30)),
    ],
)
def test_a_fault_has_a_kind_a_second_and_a_length(text: str, expected: PlannedFault) -> None:
    assert parse_fault(text) == expected


@pytest.mark.parametrize("text", ["cutt", "cut@", "cut@soon", "", "cut@-1s", "cut+5"])
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"--fault {text}: ")):
        parse_fault(text)


def test_every_fault_of_the_exchange_can_be_asked_for_and_says_what_it_does() -> None:
    assert tuple(LENGTHS_S) == tuple(FAULT_MEANINGS) == FAULTS
