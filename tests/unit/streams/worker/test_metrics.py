"""The page of metrics is the text that Prometheus reads."""

from __future__ import annotations

from tapeline.streams.worker.fold import Counts
from tapeline.streams.worker.health import metrics_page
from tapeline.streams.worker.metrics import Histogram, Page, PartitionGauges, WorkerMetrics, counted


def test_a_metric_has_its_meaning_its_kind_and_a_line_for_each_sample() -> None:
    page = Page()
    page.metric("events_total", "counter", "Events.", [({"topic": "a"}, 3), ({"topic": "b"}, 0.5)])
    assert page.text() == (
        "# HELP tapeline_events_total Events.\n"
        "# TYPE tapeline_events_total counter\n"
        'tapeline_events_total{topic="a"} 3\n'
        'tapeline_events_total{topic="b"} 0.5\n'
    )


def test_labels_are_escaped_and_unknown_values_are_left_out() -> None:
    page = Page()
    page.metric("lag", "gauge", "Lag.", [({"p": 'a"\\\n'}, 1), ({"p": "b"}, None)])
    assert page.text().splitlines()[2:] == ['tapeline_lag{p="a\\"\\\\\\n"} 1']


def test_a_histogram_counts_up_to_and_including_each_bound() -> None:
    histogram = Histogram((1.0, 2.5))
    for value in (0.5, 1.0, 2.0, 2.5, 9.0):
        histogram.observe(value)
    page = Page()
    page.histogram("s", "S.", histogram)
    assert page.text().splitlines()[2:] == [
        'tapeline_s_bucket{le="1"} 2',
        'tapeline_s_bucket{le="2.5"} 4',
        'tapeline_s_bucket{le="+Inf"} 5',
        "tapeline_s_sum 15",
        "tapeline_s_count 5",
    ]


def test_counters_are_in_order_of_their_label() -> None:
    assert counted({"b": 1, "a": 2}, "code") == [({"code": "a"}, 2), ({"code": "b"}, 1)]


def test_a_lag_is_known_when_both_its_ends_are() -> None:
    gauges = PartitionGauges(3, 100, 90, None, {"ES-NQ": 5})
    assert (gauges.input_lag, gauges.committed_lag, gauges.undecided) == (10, None, None)


def test_what_lies_behind_an_open_transaction_is_shown_and_no_lag() -> None:
    gauges = PartitionGauges(3, 100, 100, 100, {}, 130)
    assert (gauges.input_lag, gauges.committed_lag, gauges.undecided) == (0, 0, 30)


def test_the_page_of_a_worker_shows_partitions_counts_and_memory() -> None:
    counts, metrics = Counts(), WorkerMetrics()
    counts.outcomes["duplicates"] += 2
    counts.rejects["off_tick"] += 1
    metrics.records = 7
    metrics.started_s = 1_764_000_000.25
    page = metrics_page(counts, metrics, [PartitionGauges(3, 100, 90, 80, {"ES-NQ": 5}, 107)], True)
    lines = page.splitlines()
    for line in (
        "tapeline_ready 1",
        "tapeline_start_time_seconds 1764000000.25",
        'tapeline_input_lag_records{partition="3"} 10',
        'tapeline_committed_lag_records{partition="3"} 20',
        'tapeline_undecided_records{partition="3"} 7',
        'tapeline_watermark_ms{partition="3",group="ES-NQ"} 5',
        "tapeline_records_total 7",
        "tapeline_duplicates_total 2",
        'tapeline_rejects_total{code="off_tick"} 1',
        "tapeline_zombie_exits_total 0",
    ):
        assert line in lines
    (memory,) = [line for line in lines if line.startswith("tapeline_resident_bytes ")]
    assert float(memory.split()[1]) > 1_000_000
