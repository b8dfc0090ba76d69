"""`tapeline state` and `tapeline tail` over the topics of a broker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tapeline.schemas.codec import encode
from tapeline.schemas.events import Reject, Retract
from tests.kafka.broker import Broker
from tests.kafka.test_subscription import START_MS, append, append_raw, make_again, touch
from tests.unit.streams.outputs.test_terminal import ACTS, BIDI, MARK, acting, on_a_terminal

LIMIT_SECONDS = 180


@pytest.fixture
def workdir(broker: Broker, topic_prefix: str, tmp_path: Path) -> Path:
    """A folder with a configuration of topics that are there."""
    (tmp_path / "tapeline.toml").write_text(
        f'[kafka]\nbootstrap = "{broker.bootstrap}"\ntopic_prefix = "{topic_prefix}"\n'
        "partitions = 1\n"
    )
    assert tapeline(tmp_path, "topics", "create").returncode == 0
    return tmp_path


def command(*arguments: str) -> list[str]:
    """A command line of tapeline."""
    return [sys.executable, "-m", "tapeline", *arguments]


def tapeline(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end."""
    return subprocess.run(
        command(*arguments), cwd=folder, capture_output=True, timeout=LIMIT_SECONDS, check=False
    )


async def test_the_state_is_the_fold_of_the_topics_sorted_by_id(
    broker: Broker, topic_prefix: str, workdir: Path
) -> None:
    topic = f"{topic_prefix}.touches.v1"
    gone = touch(2)
    retract = Retract(
        "touch", gone.id, "retract", 4, 1, "ES", "2025-07-02", START_MS, START_MS + 60_000, None
    )
    await append(broker, topic, [touch(3), gone, touch(1, "NQ"), touch(3), retract])
    shown = tapeline(workdir, "state", "--json")
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert shown.stdout.splitlines() == [encode(touch(3))]
    assert tapeline(workdir, "state", "--json", "--type", "swing").stdout == b""


async def test_a_tail_is_in_order_without_duplicates_and_can_be_filtered(
    broker: Broker, topic_prefix: str, workdir: Path
) -> None:
    topic = f"{topic_prefix}.touches.v1"
    await append(broker, topic, [touch(1), touch(2), touch(2), touch(3, "NQ"), touch(4)])
    lines = tapeline(workdir, "tail", "touches").stdout.splitlines()
    assert lines == [encode(touch(1)), encode(touch(2)), encode(touch(3, "NQ")), encode(touch(4))]
    only = tapeline(workdir, "tail", topic, "--symbol", "NQ").stdout.splitlines()
    assert only == [encode(touch(3, "NQ"))]
    later = tapeline(workdir, "tail", "touch", "--from", "2025-07-02T13:30:00.004Z").stdout
    assert later.splitlines() == [encode(touch(4))]


async def test_a_tail_that_follows_shows_what_comes(
    broker: Broker, topic_prefix: str, workdir: Path
) -> None:
    topic = f"{topic_prefix}.touches.v1"
    await append(broker, topic, [touch(1)])
    with subprocess.Popen(
        command("tail", "touches", "--follow"),
        cwd=workdir,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        await append(broker, topic, [touch(2)])
        second = process.stdout.readline()
        process.terminate()
    assert [json.loads(line)["seq"] for line in (first, second)] == [1, 2]


@pytest.mark.parametrize("options", [(), ("--follow",)], ids=["to the end", "follow"])
async def test_a_tail_whose_reader_has_gone_ends_without_a_word(
    broker: Broker, topic_prefix: str, workdir: Path, options: tuple[str, ...]
) -> None:
    await append(broker, f"{topic_prefix}.touches.v1", [touch(seq) for seq in range(1, 20)])
    # Unbuffered, nothing would be left to print at exit.
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            command("tail", "touches", *options),
            cwd=workdir,
            env=environment,
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (74, b"")


async def test_a_tail_from_before_1970_is_everything(
    broker: Broker, topic_prefix: str, workdir: Path
) -> None:
    await append(broker, f"{topic_prefix}.touches.v1", [touch(1), touch(2)])
    shown = tapeline(workdir, "tail", "touches", "--from", "1960-01-01T00:00:00Z")
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert shown.stdout.splitlines() == [encode(touch(1)), encode(touch(2))]


async def test_a_message_that_cannot_be_read_ends_with_2_and_its_position(
    broker: Broker, topic_prefix: str, workdir: Path
) -> None:
    topic = f"{topic_prefix}.touches.v1"
    await append(broker, topic, [touch(1)])
    await append_raw(broker, topic, b"hello", b"\xff")
    for arguments in (("tail", "touches"), ("state", "--json")):
        shown = tapeline(workdir, *arguments)
        assert shown.returncode == 2
        assert shown.stderr.startswith(f"tapeline: {topic}/0/1: this message cannot be".encode())
        assert shown.stderr.count(b"\n") == 1


async def test_a_topic_made_again_ends_a_tail_that_follows_with_2(
    broker: Broker, topic_prefix: str, workdir: Path
) -> None:
    topic = f"{topic_prefix}.touches.v1"
    await append(broker, topic, [touch(1), touch(2)])
    with subprocess.Popen(
        command("tail", "touches", "--follow"),
        cwd=workdir,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert [json.loads(process.stdout.readline())["seq"] for _ in range(2)] == [1, 2]
        await make_again(broker, topic, [])
        _, printed = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 2
    assert printed.startswith(f"tapeline: {topic}/0: does not hold offset 2".encode())
    assert printed.count(b"\n") == 1


def test_an_unknown_topic_and_an_unreachable_broker_are_named(
    workdir: Path, tmp_path: Path
) -> None:
    unknown = tapeline(workdir, "tail", "ticks")
    assert unknown.returncode == 2
    assert b"ticks" in unknown.stderr
    missing = tapeline(workdir, "state", "--bootstrap", "127.0.0.1:1")
    assert missing.returncode == 74
    assert b"127.0.0.1:1" in missing.stderr


REJECTED = Reject(f"reject|{ACTS}", "schema_error", f"{ACTS}\nforged", f"{ACTS}:1", "", BIDI)


async def test_what_a_topic_holds_does_not_act_on_a_terminal(
    broker: Broker, topic_prefix: str, workdir: Path
) -> None:
    await append(broker, f"{topic_prefix}.touches.v1", [touch(1, BIDI)])
    await append_raw(broker, f"{topic_prefix}.rejects.v1", encode(REJECTED), ACTS.encode())
    for arguments in (
        ("state",),
        ("state", "--json"),
        ("tail", "touches", "--symbol", BIDI, "--json"),
        ("tail", "touches", "--symbol", f"{BIDI}x"),
    ):
        shown = on_a_terminal(workdir, *arguments)
        assert MARK in shown
        assert acting(shown) == set()


@pytest.mark.parametrize(
    ("value", "key", "headers"),
    [
        (encode(touch(1)), b"x", [("seq", ACTS.encode())]),
        (None, f"touch|{ACTS}".encode(), [("seq", b"1"), ("rev", b"0")]),
        (f'{{"type":"{BIDI}"}}'.encode(), b"x", [("seq", b"1")]),
        (json.dumps({"type": "touch", f"{ACTS}\n": 1}).encode(), b"x", []),
    ],
    ids=["header", "key", "type", "field"],
)
async def test_a_message_that_cannot_be_read_does_not_act_on_a_terminal(
    value: bytes | None,
    key: bytes,
    headers: list[tuple[str, bytes]],
    broker: Broker,
    topic_prefix: str,
    workdir: Path,
) -> None:
    await append_raw(broker, f"{topic_prefix}.touches.v1", value, key, headers)
    shown = tapeline(workdir, "tail", "touches")
    assert shown.returncode == 2
    assert acting((shown.stdout + shown.stderr).decode()) == set()
    assert b"cannot be read" in shown.stderr


async def test_records_that_cannot_be_read_do_not_act_through_a_replay(
    broker: Broker, topic_prefix: str, workdir: Path
) -> None:
    for raw in (f"{ACTS}", json.dumps({"type": f"{ACTS}\n"}), f'{{"{BIDI}": 1}}'):
        await append_raw(broker, f"{topic_prefix}.bars.v1", raw.encode(), ACTS.encode())
    for arguments in (("replay", "--out", "x"), ("replay", "--out", "y", "--json")):
        shown = tapeline(workdir, *arguments)
        assert shown.returncode == 0, shown.stderr
        assert MARK.encode() in shown.stdout
        assert acting((shown.stdout + shown.stderr).decode()) == set()
