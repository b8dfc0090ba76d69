"""The last step of the tutorial: topics, a worker, bars, a consumer that goes on where it was."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from tests.docs.test_tutorial import BLOCK, LAST, PAGE, steps
from tests.kafka.broker import Broker, free_ports
from tests.kafka.worker_process import PATIENCE_S, POLL_S

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.source_tree


@contextmanager
def running(folder: Path, words: list[str], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of the page in its folder, ended with the block."""
    with output.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(process: subprocess.Popen[bytes], output: Path, lines: int) -> list[str]:
    """What a program printed, as soon as there are so many lines."""
    deadline = time.monotonic() + PATIENCE_S
    while len(found := output.read_text("utf-8").splitlines()) < lines:
        assert process.poll() is None, found
        assert time.monotonic() < deadline, found
        time.sleep(POLL_S)
    return found


def opening_touches(folder: Path) -> list[str]:
    """What step 5 leaves in its folder, as the consumer prints it."""
    events = map(orjson.loads, (folder / "acme/tape.touches.v1.jsonl").read_bytes().splitlines())
    return [
        f"{each['session']} {each['event']} {each['price']}"
        for each in events
        if each["kind"] == "Opening"
    ]


def test_the_last_step_ends_with_a_consumer_that_goes_on_where_it_was(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    page = PAGE.read_text("utf-8")
    (last,) = [step for step in steps(page) if step.startswith(LAST)]
    blocks = BLOCK.findall(last)
    [(toml)] = [body for language, body in BLOCK.findall(page) if language == "toml"]
    kafka = f'[kafka]\nbootstrap = "{broker.bootstrap}"\ntopic_prefix = "{topic_prefix}"\n'
    (tmp_path / "acme.toml").write_text(f"{kafka}\n{toml}", "utf-8")
    [program] = [body for language, body in blocks if language == "python"]
    addresses = {"127.0.0.1:9092": broker.bootstrap, "tape.touches": f"{topic_prefix}.touches"}
    for shown, here in addresses.items():
        assert shown in program
        program = program.replace(shown, here)
    (tmp_path / "live.py").write_text(program, "utf-8")
    [lines] = [body.splitlines() for language, body in blocks if language == "sh"]
    create, worker, publish = (["-m", *line.removesuffix(" &").split()] for line in lines)

    def finish(words: list[str]) -> None:
        with running(tmp_path, words, tmp_path / "log") as process:
            assert process.wait(PATIENCE_S) == 0, (tmp_path / "log").read_text("utf-8")

    finish(["-m", "tapeline", "sample", "sample"])
    run = "-m tapeline run --bars ACME=sample/acme.csv --config acme.toml --out acme"
    finish(run.split())
    expected = opening_touches(tmp_path)
    finish(create)
    port = str(free_ports(1)[0])
    bars = tmp_path / "sample" / "acme.csv"
    header, *rows = bars.read_text("utf-8").splitlines()
    half = len(rows) // 2
    with running(tmp_path, [*worker, "--http-port", port], tmp_path / "log"):
        bars.write_text("\n".join([header, *rows[:half]]), "utf-8")
        finish(publish)
        with running(tmp_path, ["live.py"], tmp_path / "before") as consumer:
            wait_for(consumer, tmp_path / "before", 1)
        before = (tmp_path / "before").read_text("utf-8").splitlines()
        bars.write_text("\n".join([header, *rows[half:]]), "utf-8")
        finish(publish)
        with running(tmp_path, ["live.py"], tmp_path / "after") as consumer:
            after = wait_for(consumer, tmp_path / "after", len(expected) - len(before))
    assert before
    assert after
    # One that was printed and not yet noted comes again.
    again = len(before) + len(after) - len(expected)
    assert again in (0, 1)
    assert [*before, *after[again:]] == expected
    [shown] = [body for language, body in blocks if not language]
    assert expected[: len(shown.splitlines())] == shown.splitlines()
