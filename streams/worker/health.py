"""Health over HTTP: whether the process lives, whether it works, and its numbers."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import Callable
from pathlib import Path

from tapeline.streams.worker.fold import Counts
from tapeline.streams.worker.metrics import Page, PartitionGauges, WorkerMetrics, counted

PATIENCE_S = 5.0
BACKLOG = 16
TEXT = "text/plain; version=0.0.4; charset=utf-8"
Answer = tuple[int, str]
REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class HealthServer:
    """Answers ``/healthz``, ``/readyz`` and ``/metrics``, one request a connection.

    Parameters
    ----------
    not_ready
        Names what a worker still waits for; None when it works.
    page
        The text of ``/metrics``.
    """

    def __init__(self, not_ready: Callable[[], str | None], page: Callable[[], str]) -> None:
        self._not_ready = not_ready
        self._page = page

    async def start(self, host: str, port: int) -> asyncio.Server:
        """Listen.

        Raises
        ------
        OSError
            When the port is taken.
        """
        return await asyncio.start_server(self._serve, host, port, backlog=BACKLOG)

    def answer(self, method: str, path: str) -> Answer:
        """Status and text for a request."""
        if method not in ("GET", "HEAD"):
            return 405, "only GET\n"
        if path == "/healthz":
            return 200, "alive\n"
        if path == "/readyz":
            missing = self._not_ready()
            return (200, "ready\n") if missing is None else (503, f"{missing}\n")
        if path == "/metrics":
            return 200, self._page()
        return 404, "there are /healthz, /readyz and /metrics\n"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError, TimeoutError):
            await asyncio.wait_for(self._reply(reader, writer), PATIENCE_S)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        status, text = self.answer(method, path.partition("?")[0])
        body = text.encode()
        lines = (
            f"HTTP/1.1 {status} {REASONS[status]}",
            f"Content-Type: {TEXT}",
            f"Content-Length: {len(body)}",
            "Connection: close",
        )
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        if method == "GET":
            writer.write(body)
        await writer.drain()


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
    page.metric(
        "watermark_ms",
        "gauge",
        "Greatest watermark of a group.",
        [
            ({**labels, "group": group}, mark)
            for labels, each in labelled
            for group, mark in sorted(each.watermarks_ms.items())
        ],
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


def resident_bytes() -> int:
    """Memory of this process; where the system does not give it, the most it ever had."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return pages * resource.getpagesize()
    except (OSError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
