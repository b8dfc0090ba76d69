"""The view as of an instant is what a reader would have folded then."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from tapeline.replay.bounds import Bound
from tapeline.replay.explain.as_of import view_of_log, view_of_store
from tapeline.replay.run import ReplayOptions
from tapeline.schemas.config.loading import read_config
from tapeline.schemas.records import Bar, Clock
from tapeline.streams.cli.main import main
from tapeline.streams.embedded import run_files
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.opening import Source
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.store.layout import StoreError
from tapeline.streams.store.run import run_into_store
from tests.unit.replay.memory_source import Live, MemorySource, live
from tests.unit.replay.processes.test_parent import write_log
from tests.unit.replay.run.test_stretches import (
    CONFIG,
    LIVE,
    LOG,
    MARKS,
    first_above,
    records,
    replayed,
)


def folded(outputs: Live) -> list[bytes]:
    """What a consumer of all topics holds."""
    facts: dict[str, bytes] = {}
    for topics in outputs.values():
        for topic, messages in topics.items():
            for message in messages:
                if topic.endswith((".rejects.v1", ".snapshots.v1")):
                    continue
                facts.pop(message.key.decode(), None)
                if message.value is not None:
                    facts[message.key.decode()] = message.value
    return [facts[each] for each in sorted(facts)]


def source() -> MemorySource:
    return MemorySource(LOG, LIVE, 1)


async def corrected_at() -> list[int]:
    """Watermarks at which late, changed and cancelled bars came, and changed the view."""
    releases, _ = await replayed(ReplayOptions())
    return [
        each.watermark_ms
        for each in releases
        if each.correction is not None and each.correction.changes and each.watermark_ms
    ]


async def test_the_view_of_a_log_is_that_of_the_log_cut_there() -> None:
    random = Random(5)
    marks = sorted({mark for each in MARKS.values() for mark in each if mark > 0})
    amid_corrections = random.sample(await corrected_at(), 3)
    instants = [*amid_corrections, random.choice(marks), marks[0], marks[9] + 30_000]
    sizes = set()
    for instant in instants:
        cut = {each: found[: first_above(each, instant)] for each, found in LOG.items()}
        view = await view_of_log(CONFIG, source(), Bound(time_ms=instant))
        assert view == folded(live(CONFIG, cut))
        sizes.add(len(view))
    assert len(sizes) == len(instants)


async def test_a_view_can_be_of_one_symbol_and_one_type() -> None:
    bound = Bound(time_ms=sorted(MARKS[0])[-20])
    everything = [json.loads(each) for each in await view_of_log(CONFIG, source(), bound)]
    some = await view_of_log(CONFIG, source(), bound, "ES", "swing")
    wanted = [each for each in everything if (each["symbol"], each["type"]) == ("ES", "swing")]
    assert [json.loads(each) for each in some] == wanted != []
    with pytest.raises(InputError, match="--type wings: is none of"):
        await view_of_log(CONFIG, source(), bound, None, "wings")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    write_log(folder / "log.jsonl", records(6, 2)[:900])
    run_into_store(CONFIG, [Source(str(folder / "log.jsonl"))], folder / "store")
    return folder / "store"


def stored_records(store: Path) -> list[bytes]:
    return (store / "log.jsonl").read_bytes().splitlines()


def times_of(store: Path) -> list[int]:
    """Event times of the bars and clocks of a store's log; of a cancel the lowest of all."""
    router = Router(CONFIG)
    found = []
    for line in stored_records(store):
        record = json.loads(line)
        if record["type"] == "clock":
            found.append(record["time_ms"])
        elif record["type"] == "bar":
            found.append(router.slot_end_ms(record["symbol"], record["start_ms"]))
        else:
            found.append(0)
    return found


def test_the_view_of_a_store_is_that_of_its_log_cut_there(store: Path, tmp_path: Path) -> None:
    times, lines = times_of(store), stored_records(store)
    # Where a late bar came after a newer one: in the middle of what it changed.
    late = [at for at in range(1, len(times)) if 0 < times[at] < max(times[:at])]
    ends = [*Random(3).sample(late, 3), *Random(4).sample(range(len(times)), 3), len(times) - 1]
    for number, at in enumerate(ends):
        instant = max(times[: at + 1])
        end = next((each for each, time in enumerate(times) if time > instant), len(times))
        write_log(tmp_path / f"{number}.jsonl", lines[:end])
        run_files(CONFIG, [Source(str(tmp_path / f"{number}.jsonl"))], tmp_path / "run")
        facts: dict[str, bytes] = {}
        for path in (tmp_path / "run").glob("tape.*.jsonl"):
            for line in path.read_bytes().splitlines():
                event = json.loads(line)
                facts.pop(event["id"], None)
                if event.get("op") == "upsert":
                    facts[event["id"]] = line
        wanted = [facts[each] for each in sorted(facts)]
        assert view_of_store(CONFIG, store, Bound(time_ms=instant)) == wanted
    assert len({*ends}) == len(ends)


def test_a_cancelled_bar_has_been_there(tmp_path: Path) -> None:
    """The watermark keeps what a cancelled bar made of it, so the cut lies before that bar."""
    open_ms = 1_764_000_000_000
    bars = [Bar("AAA", "1m", open_ms + at * 60_000, 5.0, 5.0, 5.0, 5.0, 1) for at in range(3)]
    cancel = b'{"type":"cancel","symbol":"AAA","interval":"1m","start_ms":1764000120000}'
    last = Clock("AAA", open_ms + 300_000)
    write_log(tmp_path / "log.jsonl", [*bars, cancel, last])
    run_into_store(CONFIG, [Source(str(tmp_path / "log.jsonl"))], tmp_path / "store")

    def gaps(minutes: int) -> list[int]:
        bound = Bound(time_ms=open_ms + minutes * 60_000)
        lines = view_of_store(CONFIG, tmp_path / "store", bound, "AAA", "gap")
        return [json.loads(line)["missing"] for line in lines]

    assert [gaps(minutes)[-1:] for minutes in (2, 3, 4)] == [[960], [1], [1]]


def test_a_store_of_another_configuration_is_refused(store: Path) -> None:
    other = CONFIG.without_max_ahead()
    assert view_of_store(other, store, Bound(time_ms=2**50)) != []
    with pytest.raises(StoreError, match=r"made with other settings: instruments\.AAA\.ranges"):
        view_of_store(read_config("", "test"), store, Bound(time_ms=2**50))


def test_the_command_shows_the_view_of_a_store_in_the_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sample", "."]) == 0
    assert main(["run", "--bars", "ACME=acme.csv", "--store", "store"]) == 0
    capfdbinary.readouterr()

    def shown(*options: str) -> list[bytes]:
        assert main(["state", "--store", "store", "--json", *options]) == 0
        return capfdbinary.readouterr().out.splitlines()

    now = shown()
    assert shown("--as-of", "2030-01-01T00:00Z") == now
    assert shown("--as-of", "2010-01-01T00:00Z") == []
    friday = shown("--as-of", "2025-11-21")
    assert friday == shown("--as-of", "2025-11-21T16:00-05:00")
    assert 0 < len(friday) < len(now)
    assert main(["state", "--store", "store", "--as-of", "yesterday"]) == 2
