"""The examples run."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tapeline.schemas.config.loading import load_config, read_config
from tapeline.streams.embedded import run_files
from tapeline.streams.feeds.opening import Source
from tapeline.streams.feeds.samples import write_samples


def test_fold_a_run_prints_the_open_ranges(tmp_path: Path, repository_root: Path) -> None:
    write_samples(tmp_path / "sample", sessions=2)
    source = Source(str(tmp_path / "sample" / "es.csv"), "ES")
    run_files(read_config("", "built in"), [source], tmp_path / "out")
    environment = dict(os.environ)
    if (repository_root / "streams").is_dir():
        environment["PYTHONPATH"] = str(repository_root)
    example = repository_root / "examples" / "fold_a_run.py"
    done = subprocess.run(
        [sys.executable, str(example), str(tmp_path / "out"), "ES"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    states: dict[str, dict[str, object]] = {}
    for line in (tmp_path / "out" / "tape.ranges.v1.jsonl").read_text().splitlines():
        fact = json.loads(line)
        states[fact["id"]] = fact
    unfinished = [
        fact
        for fact in states.values()
        if not fact["expired"] and fact["state"] not in ("resolved", "incomplete")
    ]
    assert unfinished
    assert len(done.stdout.splitlines()) == len(unfinished)


def test_the_backtest_prints_trades_that_could_not_have_been_made_earlier(
    tmp_path: Path, repository_root: Path
) -> None:
    environment = dict(os.environ)
    if (repository_root / "streams").is_dir():
        environment["PYTHONPATH"] = str(repository_root)
    example = [sys.executable, str(repository_root / "examples" / "backtest_touches.py")]

    def lines(*arguments: str) -> list[str]:
        done = subprocess.run(
            [*example, *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()

    *trades, summary = lines()
    assert summary.startswith(f"{len(trades)} trades")
    times = [trade[: len("2025-12-03 21:18")] for trade in trades]
    assert len(trades) > 50
    # A shorter log knows less, and what it knew it traded the same.
    earlier = lines("--to", "2025-11-26")[:-1]
    assert 0 < len(earlier) < len(trades)
    assert earlier == trades[: len(earlier)]
    assert min(times) > "2025-11-19"


def test_the_live_market_fills_a_store_and_leaves_no_process_behind(
    tmp_path: Path, repository_root: Path
) -> None:
    environment = dict(os.environ)
    if (repository_root / "streams").is_dir():
        environment["PYTHONPATH"] = str(repository_root)
    example = [sys.executable, str(repository_root / "examples" / "live_market.py")]
    done = subprocess.run(
        [*example, str(tmp_path), "--seconds", "8", "--fault", "cut@5s"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    lost = [line for line in done.stdout.splitlines() if line.endswith(" lost: cut")]
    assert len(lost) == 1
    log = [json.loads(line) for line in (tmp_path / "store" / "log.jsonl").read_text().splitlines()]
    sources = {(each["symbol"], each.get("source")) for each in log}
    feed = load_config(tmp_path / "tapeline.toml").feeds["demo"]
    assert {(symbol, "live") for symbol in feed.symbols} <= sources
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", urlsplit(feed.url).port or 0)) != 0
