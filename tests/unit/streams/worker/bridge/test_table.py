"""The state table: all that is stored or an error, and nothing that no worker wrote."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest
from faust.types import TP

from tapeline.schemas.config.model import built_in_config
from tapeline.streams.kafka.log_digest import RecordDigest
from tapeline.streams.worker.app import WorkerApp, WorkerOptions, make_app
from tapeline.streams.worker.bridge.store_errors import LocalStoreDamagedError, StoreLockedError
from tapeline.streams.worker.state.records import (
    Checkpoint,
    ForeignRecordError,
    Pair,
    StoredPartition,
    checkpoint_pair,
    group_change,
    identity_of,
    new_identity,
    read_partition,
)
from tests.unit.streams.worker.current_loop import current_loop

GROUPS = 60
LAST = RecordDigest(GROUPS - 1, 1_764_000_060_000, "0123456789abcdef")
WRITES = 12
FLIPPED = 8
"""Bytes."""
TRIED = 80
"""Positions over the length of a file, and of its last bytes, where index and footer lie."""


def stop(error: BaseException) -> NoReturn:
    raise error


def app_in(folder: Path) -> WorkerApp:
    """An application that is never started, with its store in a folder."""
    options = WorkerOptions(
        data_dir=folder, partitions=1, instance=None, session_s=10.0, chunk_records=10
    )
    return make_app(built_in_config(), options, on_crash=stop)


@contextmanager
def opened(folder: Path) -> Iterator[WorkerApp]:
    """The same, whose store is closed at the end."""
    with current_loop():
        app = app_in(folder)
        try:
            yield app
        finally:
            for db in app.table.data._dbs.values():
                db.close()


def state() -> list[Pair]:
    """State of some groups, each of which takes a block of a file or more."""
    pairs: list[Pair] = []
    for number in range(GROUPS):
        content = [f"{number}.{each}" for each in range(700)]
        pairs += group_change(f"G{number:02}", number, {"hot": content}).pairs
    return [*pairs, checkpoint_pair(Checkpoint(GROUPS, LAST))]


def stored_in(folder: Path) -> tuple[StoredPartition, Path]:
    """Write the state into a store; what it holds, and its only file of data."""
    with opened(folder) as app:
        app.table.write(0, state(), 2 * GROUPS)
        app.table.data._db_for_partition(0).flush()
        whole = app.table.read(0)
    (file,) = folder.rglob("*.sst")
    return whole, file


def damaged_copy(folder: Path, file: Path, copy: Path, start: int) -> None:
    """A copy of a folder, some bytes of one of its files flipped."""
    shutil.copytree(folder, copy)
    target = copy / file.relative_to(folder)
    content = bytearray(target.read_bytes())
    for each in range(start, min(start + FLIPPED, len(content))):
        content[each] ^= 0xFF
    target.write_bytes(content)


def read_or_damage(folder: Path) -> StoredPartition | str:
    """All that a store holds, or its error of damage."""
    with opened(folder) as app:
        try:
            return app.table.read(0)
        except LocalStoreDamagedError as error:
            return str(error)


def test_a_store_is_read_whole(tmp_path: Path) -> None:
    whole, _ = stored_in(tmp_path)
    assert whole.checkpoint == GROUPS
    assert sorted(whole.groups) == [f"G{number:02}" for number in range(GROUPS)]
    with opened(tmp_path) as app:
        assert app.table.read(0) == whole
        assert (app.table.checkpoint(0), app.table.last_record(0)) == (GROUPS, LAST)
        assert (app.table.checkpoint(1), app.table.last_record(1)) == (None, None)
        assert app.table.data.persisted_offset(TP("changelog", 0)) == 2 * GROUPS


def test_wherever_a_file_is_damaged_a_part_of_the_state_never_passes_for_the_whole(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "sound"
    whole, file = stored_in(folder)
    size = file.stat().st_size
    starts = [size * each // TRIED for each in range(TRIED)]
    starts += range(size - TRIED * FLIPPED, size, FLIPPED)
    unharmed = 0
    for number, start in enumerate(starts):
        copy = tmp_path / f"damaged-{number}"
        damaged_copy(folder, file, copy, start)
        printed = read_or_damage(copy)
        if isinstance(printed, str):
            (store,) = copy.rglob("state-0.db")
            assert printed.startswith(f"the local state {store} is damaged (Corruption: ")
            assert printed.endswith("Delete the folder: it is made again from the changelog")
        else:
            # What describes a file is no part of the state.
            assert printed == whole, start
            unharmed += 1
    assert unharmed < len(starts) // 4


def test_a_damaged_journal_leaves_a_state_of_before_with_its_offset_in_the_changelog(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "killed"
    with opened(tmp_path / "running") as app:
        for number in range(WRITES):
            pairs = group_change("G", number, {"hot": [number] * 900}).pairs
            app.table.write(0, [*pairs, checkpoint_pair(Checkpoint(number))], number)
        shutil.copytree(tmp_path / "running", folder)
    (journal,) = [each for each in folder.rglob("*.log") if each.stat().st_size]
    size = journal.stat().st_size
    for number in range(WRITES):
        copy = tmp_path / f"damaged-{number}"
        damaged_copy(folder, journal, copy, size * number // WRITES)
        with opened(copy) as app:
            read = app.table.read(0)
            offset = app.table.data.persisted_offset(TP("changelog", 0))
        # What is missing comes back from the changelog, which goes on after that offset.
        assert offset == read.checkpoint
        assert offset is None or read.groups["G"].records == {"hot": [offset] * 900}


def test_a_damaged_block_is_named_by_its_first_reader(tmp_path: Path) -> None:
    folder = tmp_path / "sound"
    _, file = stored_in(folder)
    key, value = state()[0]
    records = file.read_bytes()
    copy = tmp_path / "first"
    damaged_copy(folder, file, copy, records.index(b"G00|hot"))
    with opened(copy) as app, pytest.raises(LocalStoreDamagedError, match="is damaged"):
        app.table.apply_changelog_batch([event(2 * GROUPS + 1, key, value)])
    copy = tmp_path / "last"
    damaged_copy(folder, file, copy, records.index(b"|checkpoint"))
    with opened(copy) as app:
        with pytest.raises(LocalStoreDamagedError, match="is damaged"):
            app.table.checkpoint(0)
        with pytest.raises(LocalStoreDamagedError, match="is damaged"):
            app.table.data.persisted_offset(TP("changelog", 0))


def test_faust_waits_for_a_store_in_use_and_for_no_damaged_one(tmp_path: Path) -> None:
    folder = tmp_path / "sound"
    _, file = stored_in(folder)
    with opened(folder) as user, opened(folder) as other:
        user.table.read(0)
        with pytest.raises(StoreLockedError, match="If no other worker uses it") as locked:
            other.table.read(0)
    # The word by which it decides.
    assert "lock" in repr(locked.value)
    copy = tmp_path / "damaged"
    damaged_copy(folder, file, copy, 0)
    with (
        opened(copy) as app,
        pytest.raises(LocalStoreDamagedError, match="block checksum") as damaged,
    ):
        app.table.read(0)
    assert "lock" not in repr(damaged.value)


def event(offset: int, key: bytes | None, value: bytes | None) -> SimpleNamespace:
    """A record of the changelog as Faust hands it over in recovery."""
    return SimpleNamespace(
        message=SimpleNamespace(
            topic="tape-worker-state-changelog", partition=0, offset=offset, key=key, value=value
        )
    )


def test_a_record_of_the_changelog_that_no_worker_wrote_is_named_and_not_stored(
    tmp_path: Path,
) -> None:
    pairs = state()
    batch = [event(offset, *pair) for offset, pair in enumerate(pairs)]
    with opened(tmp_path) as app:
        with pytest.raises(ForeignRecordError) as refused:
            app.table.apply_changelog_batch([*batch, event(len(pairs), b"foo", b"bar")])
        printed = str(refused.value)
        assert printed.startswith(
            f"tape-worker-state-changelog partition 0 offset {len(pairs)}: the record of key "
            "b'foo' is no state of a worker (keys of a worker are group|name). "
        )
        assert "use another topic prefix, or delete the topics of this one" in printed
        # Nothing of the batch: the next start meets it again, whether the folder is kept or not.
        assert app.table.data.persisted_offset(TP("changelog", 0)) is None
        app.table.apply_changelog_batch(batch)
        assert (app.table.checkpoint(0), app.table.last_record(0)) == (GROUPS, LAST)
        assert (app.table.checkpoint(1), app.table.last_record(1)) == (None, None)


def test_of_two_identities_in_a_changelog_the_first_is_that_of_the_store(tmp_path: Path) -> None:
    first, second = new_identity(), new_identity()
    for batches in (
        [[first, checkpoint_pair(Checkpoint(1)), second]],
        [[first, checkpoint_pair(Checkpoint(1))], [second]],
    ):
        with opened(tmp_path / str(len(batches))) as app:
            offset = 0
            for batch in batches:
                messages = [
                    SimpleNamespace(
                        topic="changelog", partition=0, key=key, value=value, offset=offset + number
                    )
                    for number, (key, value) in enumerate(batch)
                ]
                offset += len(batch)
                app.table.apply_changelog_batch(
                    [SimpleNamespace(message=each) for each in messages]
                )
            local = app.table.local_state(0)
            assert local.identity == identity_of(first[1])
            assert (local.empty, local.offset, app.table.stale) == (False, 2, 1)


def test_a_store_that_is_set_aside_leaves_an_empty_one_and_replaces_an_older_one(
    tmp_path: Path,
) -> None:
    identities = []
    with opened(tmp_path) as app:
        for number in range(3):
            assert app.table.local_state(0).empty
            identity = new_identity()
            identities.append(identity_of(identity[1]))
            app.table.write(0, [identity, checkpoint_pair(Checkpoint(number))], 1)
            assert app.table.local_state(0).identity == identities[-1]
            other = app.table.data.set_aside(0)
            assert not app.table.data.is_open(0)
        assert [each.name for each in other.parent.glob("state-0*")] == ["state-0.db.other"]
    other.rename(other.with_name("state-0.db"))
    with opened(tmp_path) as app:
        assert app.table.local_state(0).identity == identities[-1]
        assert app.table.checkpoint(0) == 2


WITHOUT_ROOM = """
import json, resource, sys
from pathlib import Path
from tapeline.streams.worker.state.records import Checkpoint, checkpoint_pair, group_change
from tapeline.streams.worker.bridge.store_errors import LocalStoreError
from tests.unit.streams.worker.bridge.test_table import app_in, changed_at

def fill(table):
    table.local_state(0)
    yield "opened"
    for number in range(60):
        table.write(0, changed_at(number), number)
        yield "written"
    table.data.set_aside(0)

for size in map(int, sys.argv[2:]):
    table, done = app_in(Path(sys.argv[1]) / str(size)).table, "nothing"
    # Files that grow beyond a size: to a store the same as a full disk. Only what is soft is set.
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        for done in fill(table):
            pass
        failure = None
    except Exception as error:
        failure = type(error).__name__, str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    print(json.dumps([size, done, failure]), flush=True)
"""
"""Writes states into a store for each size, and prints how far it came and why not further."""
SIZES = (0, 1, 100, 1_000, 4_000, 8_000, 20_000, 50_000, 120_000, 300_000, 700_000, 1_100_000)


def changed_at(number: int) -> list[Pair]:
    """What a step changes: twenty kilobytes of one of some groups, and the checkpoint."""
    content = [str(number * 7_919 + each) for each in range(2_500)]
    return [
        *group_change(f"G{number % 20}", number, {"hot": content}).pairs,
        checkpoint_pair(Checkpoint(number)),
    ]


def test_wherever_the_disk_is_full_a_store_reports_it_and_holds_a_state_of_before(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_ROOM, str(tmp_path), *map(str, SIZES)],
        cwd=Path(__file__).parents[5],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
    )
    came: Counter[str] = Counter()
    for line in done.stdout.splitlines():
        size, reached, failure = json.loads(line)
        came[reached] += 1
        assert failure is not None, size
        (store,) = (tmp_path / str(size)).rglob("state-0.db")
        assert failure[0] == "StoreWriteError"
        assert failure[1].startswith(f"the local state {store} cannot be written (")
        assert "Make room" in failure[1]
        with opened(tmp_path / str(size)) as app:
            read, local = app.table.read(0), app.table.local_state(0)
        # With room again: whole steps, and their offset in the changelog.
        assert read.checkpoint == local.offset
        if local.offset is not None:
            last = read_partition(changed_at(local.offset)).groups
            assert {group: read.groups[group] for group in last} == last
    assert set(came) == {"nothing", "opened", "written"}, "it fails at every kind of step"
