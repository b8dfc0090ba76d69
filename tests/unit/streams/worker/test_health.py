"""The page of metrics of a worker."""

from __future__ import annotations

from tapeline.streams.worker.fold import Counts
from tapeline.streams.worker.health import metrics_page
from tapeline.streams.worker.metrics import PartitionGauges, SymbolGauge, WorkerMetrics


def test_the_page_of_a_worker_shows_partitions_counts_and_memory() -> None:
    counts, metrics = Counts(), WorkerMetrics()
    counts.outcomes["duplicates"] += 2
    counts.rejects["off_tick"] += 1
    metrics.records = 7
    metrics.started_s = 1_764_000_000.25
    symbols = [SymbolGauge("ES", "ES-NQ", 5, 4, True), SymbolGauge("NQ", "ES-NQ", 6, 0, False)]
    gauges = PartitionGauges(3, 100, 90, 80, symbols, 107)
    page = metrics_page(counts, metrics, [gauges], True)
    lines = page.splitlines()
    for line in (
        "tapeline_ready 1",
        "tapeline_start_time_seconds 1764000000.25",
        'tapeline_input_lag_records{partition="3"} 10',
        'tapeline_committed_lag_records{partition="3"} 20',
        'tapeline_undecided_records{partition="3"} 7',
        'tapeline_watermark_ms{partition="3",group="ES-NQ",symbol="ES"} 5',
        'tapeline_symbol_silent_slots{partition="3",group="ES-NQ",symbol="ES"} 4',
        'tapeline_symbol_stale{partition="3",group="ES-NQ",symbol="ES"} 1',
        'tapeline_symbol_stale{partition="3",group="ES-NQ",symbol="NQ"} 0',
        "tapeline_records_total 7",
        "tapeline_duplicates_total 2",
        'tapeline_rejects_total{code="off_tick"} 1',
        "tapeline_zombie_exits_total 0",
    ):
        assert line in lines
    (memory,) = [line for line in lines if line.startswith("tapeline_resident_bytes ")]
    assert float(memory.split()[1]) > 1_000_000
