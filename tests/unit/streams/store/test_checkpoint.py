"""A store and the versions of Tapeline before and after: taken over in one commit, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import Config
from tapeline.schemas.event_types import Registry
from tapeline.schemas.records import Bar
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import store_topics
from tapeline.streams.pipeline.log_writer import LogBatch
from tapeline.streams.store.checkpoint import FORMAT
from tapeline.streams.store.database import Database
from tapeline.streams.store.keeper import Keeper
from tapeline.streams.store.layout import CHECKPOINT_KEY, PLANS, STATE_FOLDER, StoreError
from tapeline.streams.store.live import LiveStore
from tapeline.streams.store.opened import OpenStore
from tapeline.streams.store.reading import StoreReader
from tests.unit.schemas.toys import CONFIG, SYMBOL, TOYS, records, toy_engine
from tests.unit.streams.store.live_books import bars, entries
from tests.unit.streams.store.stores import label, walk

TOPIC = "tape.toys.v1"
SYMBOLS = 100
LOG = records(12)


def take(folder: Path, first: int, end: int, registry: Registry, toys: bool = False) -> None:
    """Take some records of the log into a store, in one commit."""
    with OpenStore(folder, registry=registry) as opened:
        keeper = Keeper(CONFIG, opened)
        if toys:
            keeper.router.replace(SYMBOL, toy_engine(keeper.router.group_engine(SYMBOL)))
        for record in LOG[first:end]:
            keeper.take(record)
        keeper.commit(None)


def stored(folder: Path) -> dict[str, Any]:
    """The checkpoint as it is stored."""
    database = Database(folder / STATE_FOLDER, read_only=True)
    try:
        raw = database.get(CHECKPOINT_KEY)
        assert raw is not None
        found: dict[str, Any] = orjson.loads(raw)
        return found
    finally:
        database.close()


def store_checkpoint(folder: Path, **changes: Any) -> None:
    """Store another checkpoint."""
    changed = {**stored(folder), **changes}
    database = Database(folder / STATE_FOLDER)
    try:
        database.write([(CHECKPOINT_KEY, orjson.dumps(changed))])
    finally:
        database.close()


def move_plans(folder: Path) -> None:
    """Make a store one of the format before: the checkpoint has the identities of all groups."""
    checkpoint = stored(folder)
    database = Database(folder / STATE_FOLDER)
    try:
        plans = list(database.scan(PLANS))
        found = {key[len(PLANS) :].decode(): orjson.loads(value) for key, value in plans}
        changed = {**checkpoint, "v": FORMAT - 1, "plans": found}
        database.write(
            [(CHECKPOINT_KEY, orjson.dumps(changed)), *((key, None) for key, _ in plans)]
        )
    finally:
        database.close()


def market(tick: str) -> Config:
    """A configuration of many symbols, each a group."""
    names = [f"S{number:03}" for number in range(SYMBOLS)]
    table = "[instruments.{}]\ntick = {}\ncalendar = 'XNYS'\nranges = []\n"
    return read_config("".join(table.format(name, tick) for name in names), "test")


MARKET = market("0.01")


def minute(number: int) -> list[Bar]:
    """Bars of one minute of all symbols."""
    rows = {label(0, number): walk(0)[label(0, number)]}
    return [bar for name in MARKET.instruments if name.startswith("S") for bar in bars(name, rows)]


def state_bytes(folder: Path) -> int:
    """Length of what the database has written ahead."""
    return sum(path.stat().st_size for path in (folder / STATE_FOLDER).glob("*.log"))


def test_a_topic_that_a_store_has_not_begins_at_length_0(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    take(folder, 0, 6, EVENTS)
    before = stored(folder)
    assert TOPIC not in before["topics"]
    with StoreReader(folder, TOYS) as reader:
        assert list(reader.tail("toy")) == list(reader.view(SYMBOL, "toy")) == []
        reader.check_topic(TOPIC)
    assert stored(folder) == before, "a reader changes nothing"
    take(folder, 6, 12, TOYS, toys=True)
    after = stored(folder)
    assert after["commits"] == before["commits"] + 1
    path = folder / "topics" / f"{TOPIC}.jsonl"
    assert after["topics"][TOPIC] == path.stat().st_size > 0
    with StoreReader(folder, TOYS) as reader:
        seqs = [orjson.loads(line)["seq"] // 1_000_000 for line in reader.tail("toy")]
    assert seqs == [6, 7, 8, 9, 10, 11]


def test_a_store_with_topics_of_a_newer_version_is_refused_and_stays_as_it_is(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "store"
    take(folder, 0, 6, TOYS, toys=True)
    before = stored(folder)
    for opened in (StoreReader, OpenStore):
        refused = pytest.raises(StoreError, match=f"holds {TOPIC}, which this version")
        with refused, opened(folder):
            pass
    assert stored(folder) == before
    take(folder, 6, 12, TOYS, toys=True)


def test_a_store_of_the_format_before_is_taken_over_in_one_commit(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    take(folder, 0, 6, EVENTS)
    with StoreReader(folder) as reader:
        view, plans = list(reader.view()), reader.plans()
    move_plans(folder)
    with StoreReader(folder) as reader:
        assert reader.checkpoint.v == FORMAT
        assert (list(reader.view()), reader.plans()) == (view, plans)
        reader.check_settings(CONFIG)
    assert stored(folder)["v"] == FORMAT - 1
    take(folder, 6, 7, EVENTS)
    assert stored(folder)["v"] == FORMAT
    assert stored(folder)["topics"].keys() == set(store_topics())
    with StoreReader(folder) as reader:
        assert len(list(reader.view())) >= len(view)
        assert reader.plans() == plans


def test_groups_without_a_record_keep_their_identity_when_a_store_is_taken_over(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "store"
    with LiveStore(MARKET, folder) as store:
        store.write("demo", LogBatch(entries(*minute(0))))
    with StoreReader(folder) as reader:
        plans = reader.plans()
    assert len(plans) == SYMBOLS
    move_plans(folder)
    with LiveStore(MARKET, folder) as store:
        store.write("demo", LogBatch(entries(minute(1)[0])))
    assert "plans" not in stored(folder)
    with StoreReader(folder) as reader:
        assert reader.plans() == plans
    with pytest.raises(StoreError, match=r"tick: then 0\.01, now 0\.02"):
        LiveStore(market("0.02"), folder).__enter__()


def test_what_a_commit_writes_does_not_grow_with_the_groups_that_it_does_not_touch(
    tmp_path: Path,
) -> None:
    written = []
    for count in (1, SYMBOLS):
        folder = tmp_path / str(count)
        with LiveStore(MARKET, folder) as store:
            store.write("demo", LogBatch(entries(*minute(0)[:count])))
            before = state_bytes(folder)
            store.write("demo", LogBatch(entries(minute(1)[0])))
            written.append(state_bytes(folder) - before)
    alone, beside_others = written
    # Lengths of files have a digit more or two.
    assert alone <= beside_others < alone + 50


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (FORMAT + 1, f"format {FORMAT + 1}, this version reads {FORMAT}: a newer version of"),
        (1, f"format 1, this version reads {FORMAT}; make it again"),
    ],
)
def test_a_store_of_another_format_is_refused_with_both_formats(
    tmp_path: Path, version: int, message: str
) -> None:
    folder = tmp_path / "store"
    take(folder, 0, 6, EVENTS)
    store_checkpoint(folder, v=version, another="field")
    for opened in (StoreReader, OpenStore):
        with pytest.raises(StoreError, match=message), opened(folder):
            pass
    assert stored(folder)["v"] == version
