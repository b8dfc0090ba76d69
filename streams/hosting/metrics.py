"""What a host counts and measures, and its page of metrics. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from tapeline.streams.monitoring.page import Histogram, Page, counted, resident_bytes

STATE_BYTES = (512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 65536.0, 262144.0, 1048576.0)


class HostMetrics:
    """What a process counts, since it began.

    Attributes
    ----------
    started_s
        When that was, in seconds since 1970.
    stale
        State records of replaced processes that were left out.
    """

    def __init__(self) -> None:
        self.started_s = 0.0
        self.state_bytes = Histogram(STATE_BYTES)
        self.messages: Counter[str] = Counter()
        self.send_errors = 0
        self.rebalances = 0
        self.stale = 0
        self.zombie_exits = 0


class BookGauges(Struct, frozen=True):
    """The position of one book.

    Attributes
    ----------
    step
        Records taken since it began.
    lags
        By partition of the log, records that were not looked at yet; None: not known yet.
    slowest
        The partition that records of others wait for; None where none waits.
    events
        Published by this process, by topic.
    calls, slow, seconds
        Records handed to strategies by this process, those that took too long, what all took.
    """

    number: int
    step: int
    lags: Mapping[int, int | None]
    slowest: int | None
    events: Mapping[str, int]
    calls: int
    slow: int
    seconds: float


def host_page(metrics: HostMetrics, books: Sequence[BookGauges], ready: bool) -> str:
    """The page of ``/metrics``."""
    page = Page()
    page.metric(
        "host_ready", "gauge", "1 when in its group and following the log.", [({}, int(ready))]
    )
    page.metric(
        "start_time_seconds",
        "gauge",
        "When the process began, in seconds since 1970.",
        [({}, metrics.started_s)],
    )
    labelled = [({"book": str(each.number)}, each) for each in books]
    page.metric(
        "host_step_records",
        "gauge",
        "Records that a book took since it began.",
        [(labels, each.step) for labels, each in labelled],
    )
    page.metric(
        "host_input_lag_records",
        "gauge",
        "Records of the log that a book has not looked at yet.",
        [
            ({**labels, "partition": str(partition)}, lag)
            for labels, each in labelled
            for partition, lag in sorted(each.lags.items())
        ],
    )
    page.metric(
        "host_waits",
        "gauge",
        "1 for the partition that records of others wait for.",
        [
            ({**labels, "partition": str(partition)}, int(partition == each.slowest))
            for labels, each in labelled
            for partition in sorted(each.lags)
        ],
    )
    page.metric(
        "host_events_total",
        "counter",
        "Events of hosts by topic.",
        [
            ({**labels, "topic": topic}, count)
            for labels, each in labelled
            for topic, count in sorted(each.events.items())
        ],
    )
    page.metric(
        "host_records_total",
        "counter",
        "Records handed to strategies.",
        [(labels, each.calls) for labels, each in labelled],
    )
    page.metric(
        "host_slow_records_total",
        "counter",
        "Records whose calls took more than a quarter of their base interval.",
        [(labels, each.slow) for labels, each in labelled],
    )
    page.metric(
        "host_call_seconds_total",
        "counter",
        "What the calls of strategies took.",
        [(labels, each.seconds) for labels, each in labelled],
    )
    _process(page, metrics)
    return page.text()


def _process(page: Page, metrics: HostMetrics) -> None:
    page.metric("puts_total", "counter", "Messages sent.", counted(metrics.messages, "topic"))
    page.metric("send_errors_total", "counter", "Failed writes.", [({}, metrics.send_errors)])
    page.metric("rebalances_total", "counter", "Rebalances.", [({}, metrics.rebalances)])
    page.metric(
        "stale_states_total",
        "counter",
        "States of replaced processes that were left out.",
        [({}, metrics.stale)],
    )
    page.metric(
        "zombie_exits_total",
        "counter",
        "Ends of processes of this data folder because they were replaced.",
        [({}, metrics.zombie_exits)],
    )
    page.histogram("state_value_bytes", "Sizes of state records written.", metrics.state_bytes)
    page.metric("resident_bytes", "gauge", "Memory of the process.", [({}, resident_bytes())])
