"""The page of metrics is the text that Prometheus reads."""

from __future__ import annotations

from tapeline.streams.monitoring.page import Histogram, Page, counted


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
