"""The page of metrics of a worker."""

from __future__ import annotations

from tapeline.streams.monitoring.page import Page, counted, resident_bytes
from tapeline.streams.worker.fold import Counts
from tapeline.streams.worker.metrics import PartitionGauges, WorkerMetrics


def metrics_page(
    counts: Counts, metrics: WorkerMetrics, gauges: list[PartitionGauges], ready: bool
) -> str:
    """The page of ``/metrics``."""
    page = Page()
    page.metric("ready", "gauge", "1 when assigned, recovered and reading.", [({}, int(ready))])
    page.metric(
        "start_time_seconds",
        "gauge",
        "When the process began, in seconds since 1970.",
        [({}, metrics.started_s)],
    )
    _partitions(page, gauges)
    _totals(page, counts, metrics)
    page.histogram(
        "chunk_seconds", "From a chunk handed out to all of it written.", metrics.chunk_seconds
    )
    page.histogram("state_value_bytes", "Sizes of state records written.", metrics.state_bytes)
    page.metric("resident_bytes", "gauge", "Memory of the process.", [({}, resident_bytes())])
    return page.text()


def _partitions(page: Page, gauges: list[PartitionGauges]) -> None:
    labelled = [({"partition": str(each.partition)}, each) for each in gauges]
    page.metric(
        "input_lag_records",
        "gauge",
        "Records of the log not handed out yet.",
        [(labels, each.input_lag) for labels, each in labelled],
    )
    page.metric(
        "committed_lag_records",
        "gauge",
        "Records of the log whose results are not committed.",
        [(labels, each.committed_lag) for labels, each in labelled],
    )
    page.metric(
        "undecided_records",
        "gauge",
        "Records of the log behind the first of an open transaction, which cannot be read yet.",
        [(labels, each.undecided) for labels, each in labelled],
    )
    symbols = [
        ({**labels, "group": symbol.group, "symbol": symbol.symbol}, symbol)
        for labels, each in labelled
        for symbol in each.symbols
    ]
    page.metric(
        "watermark_ms",
        "gauge",
        "Watermark of a symbol.",
        [(labels, each.watermark_ms) for labels, each in symbols],
    )
    page.metric(
        "symbol_silent_slots",
        "gauge",
        "Slots of its calendar that are over without bar or clock, in the last seven days.",
        [(labels, each.silent_slots) for labels, each in symbols],
    )
    page.metric(
        "symbol_stale",
        "gauge",
        "1 when a symbol is in session and has three silent slots or more.",
        [(labels, int(each.stale)) for labels, each in symbols],
    )


def _totals(page: Page, counts: Counts, metrics: WorkerMetrics) -> None:
    outcomes = counts.outcomes
    late = {name: outcomes[name] for name in ("late", "changed", "cancelled")}
    page.metric("records_total", "counter", "Records written.", [({}, metrics.records)])
    page.metric(
        "records_outcome_total", "counter", "What became of records.", counted(outcomes, "outcome")
    )
    page.metric(
        "corrections_total", "counter", "Records that changed history.", counted(late, "kind")
    )
    page.metric("duplicates_total", "counter", "Equal records.", [({}, outcomes["duplicates"])])
    page.metric(
        "skipped_total", "counter", "Records read again and skipped.", [({}, counts.skipped)]
    )
    page.metric("events_total", "counter", "Events by topic.", counted(counts.events, "topic"))
    page.metric("rejects_total", "counter", "Dead letters.", counted(counts.rejects, "code"))
    page.metric(
        "records_untimed_total",
        "counter",
        "Records whose CreateTime is not the end of their bar, or the time of their clock.",
        [({}, counts.untimed)],
    )
    page.metric("snapshots_total", "counter", "Full states published.", [({}, counts.snapshots)])
    page.metric("puts_total", "counter", "Messages sent.", counted(metrics.messages, "topic"))
    page.metric("batches_total", "counter", "Batches sent.", counted(metrics.batches, "topic"))
    page.metric("send_errors_total", "counter", "Failed writes.", [({}, metrics.send_errors)])
    page.metric("rebalances_total", "counter", "Rebalances.", [({}, metrics.rebalances)])
    page.metric("recoveries_total", "counter", "Recoveries of state.", [({}, metrics.recoveries)])
    page.metric(
        "recovery_seconds",
        "gauge",
        "Length of the last recovery.",
        [({}, metrics.recovery_seconds)],
    )
    page.metric(
        "stale_states_total",
        "counter",
        "States of replaced processes that recovery ignored.",
        [({}, metrics.stale_states)],
    )
    page.metric(
        "zombie_exits_total",
        "counter",
        "Ends of processes of this data folder because they were replaced.",
        [({}, metrics.zombie_exits)],
    )
