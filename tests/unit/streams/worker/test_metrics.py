"""Lags of a partition."""

from __future__ import annotations

from tapeline.streams.worker.metrics import PartitionGauges


def test_a_lag_is_known_when_both_its_ends_are() -> None:
    gauges = PartitionGauges(3, 100, 90, None, {"ES-NQ": 5})
    assert (gauges.input_lag, gauges.committed_lag, gauges.undecided) == (10, None, None)


def test_what_lies_behind_an_open_transaction_is_shown_and_no_lag() -> None:
    gauges = PartitionGauges(3, 100, 100, 100, {}, 130)
    assert (gauges.input_lag, gauges.committed_lag, gauges.undecided) == (0, 0, 30)
