"""The examples of consumers, as processes of their own, on a real broker."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tapeline.schemas.codec import encode
from tapeline.schemas.events import Output, Retract
from tests.docs.pages import blocks
from tests.kafka.broker import Broker
from tests.kafka.test_subscription import LIMIT_SECONDS, START_MS, append, topic_with, touch

ROOT = Path(__file__).resolve().parents[2]


async def example(name: str, *arguments: str) -> str:
    """What an example prints."""
    environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1"}
    if (ROOT / "streams").is_dir():
        environment["PYTHONPATH"] = str(ROOT)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "examples" / name),
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return printed.decode()


def gone(seq: int, fact_id: str) -> Retract:
    """The end of a touch."""
    at = START_MS + seq
    return Retract("touch", fact_id, "retract", seq, 1, "ES", "2025-07-02", at, at, None)


async def test_the_plain_consumer_prints_each_step_of_the_view_once(
    broker: Broker, topic_prefix: str
) -> None:
    first, second = touch(1), touch(2, "NQ")
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", [first, second])
    # A crash repeats what it had written.
    await append(broker, topic, [first, second, gone(3, first.id)])
    printed = await example("plain_consumer.py", topic, "--bootstrap", broker.bootstrap, "--once")
    lines = printed.splitlines()
    assert [json.loads(line) for line in lines[:2]] == [
        json.loads(encode(first)),
        json.loads(encode(second)),
    ]
    assert lines[2:] == [f"removed {first.id}"]


@pytest.mark.parametrize("options", [(), ("--once",)], ids=["follow", "once"])
async def test_the_plain_consumer_ends_without_a_word_when_its_reader_has_gone(
    broker: Broker, topic_prefix: str, options: tuple[str, ...]
) -> None:
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", [touch(1), touch(2)])
    # Unbuffered, nothing would be left to print at exit.
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    reader, writer = os.pipe()
    os.close(reader)
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "examples" / "plain_consumer.py"),
            *(topic, "--bootstrap", broker.bootstrap, *options),
            env=environment,
            stdout=writer,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(LIMIT_SECONDS):
            _, complaint = await process.communicate()
    finally:
        os.close(writer)
    assert (process.returncode, complaint) == (0, b"")


async def test_the_table_shows_the_newest_touches_of_the_symbols_asked_for(
    broker: Broker, topic_prefix: str
) -> None:
    events: list[Output] = [touch(1), touch(2, "NQ"), touch(3), touch(4), gone(5, touch(4).id)]
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", events)
    options = ["--topic", topic, "--bootstrap", broker.bootstrap, "--once", "--symbol", "ES"]
    printed = await example("live_touches.py", *options)
    assert "2 newest touches" in printed
    assert printed.index("Major Asia 3") < printed.index("Major Asia 1")
    assert "NQ" not in printed
    assert "Asia 4" not in printed


async def test_the_table_goes_on_after_the_token_it_kept_with_the_rows_it_kept(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", [touch(1), touch(2)])
    file = tmp_path / "touches.jsonl"
    options = ["--topic", topic, "--bootstrap", broker.bootstrap, "--once", "--token", str(file)]
    await example("live_touches.py", *options, "--rows", "1")
    kept = file.read_text().splitlines()
    assert kept[1:] == [encode(touch(2)).decode()]
    # Another row beside the same token: it stays, so what came before the token is not read again.
    file.write_text("\n".join([kept[0], encode(touch(7, "NQ")).decode()]))
    await append(broker, topic, [touch(3)])
    printed = await example("live_touches.py", *options)
    assert "2 newest touches" in printed
    assert "Asia 7" in printed
    assert "Asia 3" in printed
    assert "Asia 1" not in printed


async def test_the_program_of_the_page_prints_what_comes(
    broker: Broker, topic_prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    [source] = blocks(ROOT / "docs" / "consuming.md", "python")
    topic = await topic_with(broker, f"{topic_prefix}.touches.v1", [touch(1), gone(2, touch(1).id)])
    addresses = {"tape.touches.v1": topic, "127.0.0.1:9092": broker.bootstrap}
    for shown, here in addresses.items():
        assert shown in source
        source = source.replace(shown, here)
    program: dict[str, Any] = {}
    exec(source.replace('"beginning"', '"beginning", follow=False'), program)
    await program["main"]()
    fact_id = touch(1).id
    assert capsys.readouterr().out.splitlines() == [f"{fact_id} 10.25", f"gone {fact_id}"]
