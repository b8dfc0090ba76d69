"""A feed is recorded as its messages come, and its tape leads to the records of the feed."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.streams.cli.main import main
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.live.secrets import SecretError
from tapeline.streams.feeds.live.tape import tape_messages
from tapeline.streams.ingest.recording import Recorder
from tests.feed_mappings import OWN_BAR, row

LINES: list[dict[str, Any]] = [
    {"rows": [row(c="1.5")]},
    {"rows": [row(o="NaN")]},
    {"rows": [], "key": "s3cret-of-mine"},
]


@pytest.fixture
def text(tmp_path: Path) -> str:
    """A feed that follows a file of three lines; its address has a secret."""
    lines = tmp_path / "s3cret-of-mine.jsonl"
    lines.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return (
        f"[feeds.mine]\nkind = 'tail'\nurl = 'file://{tmp_path}/${{FEED_KEY}}.jsonl'\n"
        "symbols = { ACME = 'acme' }\n" + OWN_BAR
    )


def recorder(text: str, out: Path, **environment: str) -> Recorder:
    config = read_config(text, "desk.toml")
    return Recorder(config.feeds["mine"], config, environment, out)


@pytest.mark.parametrize("name", ["tape.jsonl", "tape.jsonl.gz"])
async def test_every_message_is_on_the_tape_without_secrets(
    text: str, tmp_path: Path, name: str
) -> None:
    out = tmp_path / name
    recording = recorder(text, out, FEED_KEY="s3cret-of-mine")
    running = asyncio.create_task(recording.run(30))
    async with asyncio.timeout(30):
        while recording.lines < len(LINES) + 2:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait({running})
    begun, opened, *messages = tape_messages(str(out))
    assert (begun.via, opened.via) == ("begun", "opened")
    assert [json.loads(each.data)["rows"] for each in messages] == [each["rows"] for each in LINES]
    times = [each.recv_ms for each in messages]
    assert times == sorted(time for time in times if time is not None)
    data = out.read_bytes()
    assert b"s3cret" not in (gzip.decompress(data) if name.endswith(".gz") else data)


async def test_a_recording_ends_when_its_time_is_up(text: str, tmp_path: Path) -> None:
    assert await recorder(text, tmp_path / "tape.jsonl", FEED_KEY="s3cret-of-mine").run(0.1) == 0


def test_a_tape_is_not_overwritten(text: str, tmp_path: Path) -> None:
    (tmp_path / "tape.jsonl").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        recorder(text, tmp_path / "tape.jsonl", FEED_KEY="s3cret-of-mine")
    assert (tmp_path / "tape.jsonl").read_text() == "mine"


def test_without_its_secret_nothing_is_begun(text: str, tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="FEED_KEY is not set"):
        recorder(text, tmp_path / "tape.jsonl")
    assert not (tmp_path / "tape.jsonl").exists()


def test_a_recorded_feed_is_replayed(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEED_KEY", "s3cret-of-mine")
    Path("tapeline.toml").write_text(text)
    assert main(["feed", "record", "mine", "--out", "tape.jsonl.gz", "--seconds", "1"]) == 0
    assert "5 lines in tape.jsonl.gz" in capsys.readouterr().err
    assert main(["feed", "check", "mine", "--sample", "tape.jsonl.gz"]) == 1
    assert "bad_price" in capsys.readouterr().out
    assert main(["feed", "replay", "tape.jsonl.gz", "--out", "log.jsonl"]) == 0
    assert "1 dead letter" in capsys.readouterr().err
