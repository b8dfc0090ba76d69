"""`tapeline sample`: books into a folder, and the exchange."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tapeline.schemas.config.loading import load_config, read_config
from tapeline.streams.cli.main import main


@pytest.mark.parametrize("name", ["books", "FOLDER", "sample"])
def test_any_folder_but_feed_is_one_of_books(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sample", "--sessions", "1", name]) == 0
    assert (tmp_path / name / "es.csv").exists()


def test_the_configuration_is_printed_without_running_anything(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["sample", "feed", "--config", "--port", "1234"]) == 0
    feed = read_config(capsys.readouterr().out, "printed").feeds["demo"]
    assert feed.url == "ws://127.0.0.1:1234/stream"


def test_a_fault_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", "feed", "--fault", "silense", "--config"]) == 2
    assert "nearest: silence" in capsys.readouterr().err


def test_a_port_that_is_taken_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["sample", "feed", "--port", port]) == 74
    assert "reading or writing failed" in capsys.readouterr().err


@contextmanager
def running(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The exchange as a process, and what it reports; killed if the test does not end it."""
    command = ["sample", "feed", str(folder), "--port", "0", "--json", *options]
    with subprocess.Popen(
        [sys.executable, "-m", "tapeline", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_the_exchange_reports_its_address_and_ends_on_a_signal(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    with running(tmp_path / "demo") as (process, shown):
        feed = load_config(shown["config"]).feeds["demo"]
        assert feed.url == shown["stream"]
        process.send_signal(number)
        assert process.wait(20) == code


def test_a_tape_of_the_exchange_fits_its_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tape = tmp_path / "tape.jsonl.gz"
    with running(tmp_path / "demo", "--fault", "cut@2s") as (_, shown):
        recorded = ["feed", "record", "demo", "--out", str(tape), "--seconds", "4"]
        assert main([*recorded, "--config", shown["config"]]) == 0
    capsys.readouterr()
    checked = ["feed", "check", "demo", "--sample", str(tape), "--config", shown["config"]]
    assert main([*checked, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["findings"], report["unseen"]) == ([], [])
    ways = {
        (message["via"], became["kind"])
        for message in report["messages"]
        for became in message["became"]
    }
    assert {("stream", "bar"), ("history", "bar")} <= ways
