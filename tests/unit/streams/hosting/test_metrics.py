"""Numbers of a host: where its books are, what waits for what, and what strategies cost."""

from __future__ import annotations

from tapeline.streams.hosting.metrics import BookGauges, HostMetrics, host_page


def test_a_book_shows_its_step_its_lag_and_the_partition_that_is_waited_for() -> None:
    book = BookGauges(3, 40, {0: 5, 1: None, 2: 0}, 2, {"tape.signals.v1": 7}, 40, 1, 2.5)
    page = host_page(HostMetrics(), [book], ready=True)
    for line in (
        "tapeline_host_ready 1",
        'tapeline_host_step_records{book="3"} 40',
        'tapeline_host_input_lag_records{book="3",partition="0"} 5',
        'tapeline_host_waits{book="3",partition="0"} 0',
        'tapeline_host_waits{book="3",partition="2"} 1',
        'tapeline_host_events_total{book="3",topic="tape.signals.v1"} 7',
        'tapeline_host_slow_records_total{book="3"} 1',
        'tapeline_host_call_seconds_total{book="3"} 2.5',
    ):
        assert line in page.splitlines(), line
    assert 'partition="1"} 0' in page, "a partition whose end is not known has no lag"
    assert 'lag_records{book="3",partition="1"}' not in page
