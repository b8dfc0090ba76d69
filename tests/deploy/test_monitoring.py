"""Alerts and dashboard ask for numbers that a worker or an ingest gives."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.feed_events import Hole, Skew
from tapeline.schemas.records import Bar, Clock
from tapeline.streams.feeds.live.model import Append, FeedLetter, Instant, Report
from tapeline.streams.hosting.metrics import BookGauges, HostMetrics, host_page
from tapeline.streams.ingest.board import FeedBoard, ingest_page
from tapeline.streams.pipeline.log_writer import LogEntry
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.worker.fold import Counts
from tapeline.streams.worker.health import metrics_page
from tapeline.streams.worker.metrics import PartitionGauges, SymbolGauge, WorkerMetrics
from tests.deploy.composition import own_commands, services

pytestmark = pytest.mark.source_tree

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
# What Prometheus adds to each sample it scrapes.
SCRAPED = {"instance", "job"}


def exported() -> dict[str, set[str]]:
    """Metrics of a worker that has met everything, and the labels of each."""
    counts, metrics = Counts(), WorkerMetrics()
    counts.outcomes.update(("bars", "duplicates", "late", "changed", "cancelled"))
    counts.events["tape.touches.v1"] += 1
    counts.rejects["bad_json"] += 1
    metrics.messages["tape.touches.v1"] += 1
    metrics.batches["tape.touches.v1"] += 1
    gauges = [PartitionGauges(0, 10, 5, 3, [SymbolGauge("ES", "ES-NQ", 1, 3, True)], 12)]
    return samples(metrics_page(counts, metrics, gauges, True))


def samples(page: str) -> dict[str, set[str]]:
    """Metrics of a page, and the labels of each."""
    found: dict[str, set[str]] = {}
    for line in page.splitlines():
        sample = re.match(r"(\w+)(?:\{(.*)\})? ", line)
        if sample and not line.startswith("#"):
            labels = set(re.findall(r'(\w+)="', sample[2] or ""))
            found.setdefault(sample[1], set()).update(labels)
    return found


def exported_by_feeds() -> dict[str, set[str]]:
    """Metrics of an ingest that has met everything, and the labels of each."""
    config = read_config('[instruments.A]\ntick = 0.01\ncalendar = "24/7"', "test")
    board = FeedBoard("demo", ("A",), Router(config))
    now = Instant(0, 0)
    entries = tuple(
        LogEntry(record, via, 90_000)
        for record, via in (
            (Bar("A", "1m", 0, 1, 1, 1, 1), "stream"),
            (Clock("A", 60_000), "canary"),
        )
    )
    skew = Skew("skew|demo|date", "demo", None, 0, 5, "date", True)
    hole = Hole("hole|demo|1|0", "demo", None, 0, 1, 0, None, "stale", "open", 0, 0)
    letter = FeedLetter("feed:demo:0:1", "off_tick", "", b"", "A")
    board.take([Append(1, entries), Report(skew), Report(hole), letter], now)
    return samples(ingest_page([board], 1.5, 90_000))


def exported_by_hosts() -> dict[str, set[str]]:
    """Metrics of a host that has met everything, and the labels of each."""
    metrics = HostMetrics()
    metrics.messages["tape.signals.v1"] += 1
    book = BookGauges(0, 40, {0: 5}, 0, {"tape.signals.v1": 7}, 40, 1, 2.5)
    return samples(host_page(metrics, [book], True))


def rules() -> list[dict[str, Any]]:
    """All alert rules."""
    document = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text("utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """The dashboard."""
    path = DEPLOY / "grafana" / "dashboards" / "worker.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def targets() -> Iterator[dict[str, Any]]:
    """Queries of all panels."""
    for panel in dashboard()["panels"]:
        yield from panel["targets"]


EXPRESSIONS = [
    *((rule["alert"], rule["expr"]) for rule in rules()),
    *((f"panel {number}", target["expr"]) for number, target in enumerate(targets())),
]
EXPORTED = exported()
ALL_EXPORTED = {**exported_by_feeds(), **exported_by_hosts(), **EXPORTED}


def unknown_names(expression: str) -> list[str]:
    """Metrics and labels of an expression that neither a worker nor an ingest exports."""
    metrics = re.findall(r"\btapeline_\w+", expression)
    labels = SCRAPED.union(*(ALL_EXPORTED.get(metric, set()) for metric in metrics))
    unknown = [metric for metric in metrics if metric not in ALL_EXPORTED]
    for clause in re.findall(r"\b(?:by|on) ?\(([^)]*)\)", expression):
        unknown += [name for name in re.split(r",\s*", clause) if name not in labels]
    for selector in re.findall(r"\{([^}]*)\}", expression):
        unknown += [name for name in re.findall(r"(\w+)\s*[=!]", selector) if name not in labels]
    return unknown


@pytest.mark.parametrize(("name", "expression"), EXPRESSIONS)
def test_an_expression_asks_for_what_a_worker_exports(name: str, expression: str) -> None:
    assert unknown_names(expression) == []
    if "tapeline_" not in expression:
        assert re.match(r'up{job="(tapeline|tapeline-host)"}', expression), name


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("sum by (outcome) (tapeline_records_outcome_total)", []),
        ("rate(tapeline_records_written[5m])", ["tapeline_records_written"]),
        ("sum by (topic) (tapeline_ready)", ["topic"]),
        ('tapeline_ready{symbol="ES"}', ["symbol"]),
    ],
)
def test_a_name_that_no_worker_exports_is_noticed(expression: str, expected: list[str]) -> None:
    assert unknown_names(expression) == expected


def test_the_dashboard_shows_every_metric() -> None:
    shown = " ".join(target["expr"] for target in targets())
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in EXPORTED}
    assert [name for name in sorted(families) if name not in shown] == []


def test_the_page_of_workers_lists_every_metric_and_no_other() -> None:
    page = (ROOT / "docs" / "workers.md").read_text("utf-8").partition("## Metrics")[2]
    page = page.partition("\n# Running hosts")[0]
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    listed = {f"tapeline_{name}" for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert listed == {re.sub("_(bucket|sum|count)$", "", name) for name in EXPORTED}


def test_the_page_of_hosts_lists_every_metric_and_no_other() -> None:
    page = (ROOT / "docs" / "workers.md").read_text("utf-8").partition("## Metrics of hosts")[2]
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    listed = {f"tapeline_{name}" for row in rows for name in re.findall(r"`(\w+)`", row)}
    found = {re.sub("_(bucket|sum|count)$", "", name) for name in exported_by_hosts()}
    assert listed == found


def test_the_page_of_live_feeds_lists_every_metric_and_no_other() -> None:
    page = (ROOT / "docs" / "live.md").read_text("utf-8")
    page = page.partition("## Metrics")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    listed = {f"tapeline_{name}" for row in rows for name in re.findall(r"`(\w+)`", row)}
    found = {re.sub("_(bucket|sum|count)$", "", name) for name in exported_by_feeds()}
    assert listed == found


def test_panels_and_legends_are_whole() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["title"]
        assert panel["description"]
        for target in panel["targets"]:
            labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            metric = re.search(r"tapeline_\w+", target["expr"])
            assert metric is not None
            assert labels <= EXPORTED[metric[0]] | SCRAPED


def test_an_alert_shows_how_bad_it_is_and_what_is_wrong_and_the_page_explains_it() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert rule["annotations"]["summary"]
        assert f"`{rule['alert']}`" in page
    assert set(re.findall(r"`(Tapeline\w+)`", page)) == set(names)


def scraped(name: str, metrics: WorkerMetrics) -> float:
    """A number without labels, as a worker shows it at a scrape."""
    page = metrics_page(Counts(), metrics, [], False)
    (line,) = [each for each in page.splitlines() if each.startswith(f"{name} ")]
    return float(line.split()[1])


def started_at(second: float) -> WorkerMetrics:
    """Numbers of a worker that was started then and has not written anything."""
    metrics = WorkerMetrics()
    metrics.started_s = second
    return metrics


@pytest.mark.parametrize(
    ("starts", "fires"),
    [
        ([0.0], False),
        ([0.0, 300.0, 600.0], False),
        ([0.0, 20.5, 41.0, 61.25], True),
    ],
)
def test_a_worker_that_ends_whenever_it_is_started_is_known_by_its_starts(
    starts: list[float], fires: bool
) -> None:
    (expression,) = [rule["expr"] for rule in rules() if rule["alert"] == "TapelineRestarts"]
    found = re.fullmatch(r"changes\((tapeline_\w+)\[15m\]\) > (\d+)", expression)
    assert found is not None
    # Two scrapes of each process, none of which gets to write a record.
    processes = [started_at(1_764_000_000.0 + start) for start in starts for _ in range(2)]
    series = [scraped(found[1], each) for each in processes]
    changes = sum(1 for before, after in pairwise(series) if before != after)
    assert (changes > int(found[2])) == fires


@pytest.mark.parametrize(("job", "kind"), [("tapeline", "worker"), ("tapeline-host", "host")])
def test_every_worker_and_host_is_scraped_at_the_port_it_listens_on(job: str, kind: str) -> None:
    document = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))
    scraped_by = {
        each["job_name"]: set(each["static_configs"][0]["targets"])
        for each in document["scrape_configs"]
    }
    assert set(scraped_by) == {"tapeline", "tapeline-host"}
    listening = set()
    for name, command in own_commands(ROOT).items():
        if command[0] == kind:
            [port] = [each.split("=")[1] for each in command if each.startswith("--http-port")]
            listening.add(f"{name}:{port}")
    assert scraped_by[job] == listening
    assert document["rule_files"] == ["alerts.yml"]


def test_the_dashboard_finds_its_data_and_grafana_finds_the_dashboard() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    sources = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text("utf-8"))
    providers = yaml.safe_load((provisioning / "dashboards" / "tapeline.yml").read_text("utf-8"))
    [source], [provider] = sources["datasources"], providers["providers"]
    used = {target["datasource"]["uid"] for target in targets()}
    assert used == {source["uid"]}
    prometheus = services(ROOT)["prometheus"]
    assert source["url"].rpartition(":")[2] == prometheus["ports"][0].rpartition(":")[2]
    mounted = [each.split(":")[1] for each in services(ROOT)["grafana"]["volumes"]]
    assert provider["options"]["path"] in mounted
