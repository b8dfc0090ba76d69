"""The state table: Faust recovers it from the changelog, the committer writes it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import faust
import rocksdict
from faust.stores.rocksdb import Store
from faust.types import TP

from tapeline.streams.kafka.log_digest import RecordDigest
from tapeline.streams.worker.bridge.store_errors import opening, reading, writing
from tapeline.streams.worker.state.changelog import LocalState, foreign
from tapeline.streams.worker.state.records import (
    CHECKPOINT_KEY,
    IDENTITY_KEY,
    ForeignRecordError,
    Pair,
    StoredPartition,
    check_record,
    identity_of,
    offset_of,
    read_checkpoint,
    read_partition,
)

SET_ASIDE = ".other"
"""After the name of a store that is not of this changelog."""
MEGABYTE = 1 << 20
STORE_OPTIONS = {
    # The defaults take 2 GiB of cache for each partition.
    "write_buffer_size": 2 * MEGABYTE,
    "max_write_buffer_number": 2,
    "target_file_size_base": 4 * MEGABYTE,
    "block_cache_size": 8 * MEGABYTE,
}


class StateStore(Store):  # type: ignore[misc]
    """The local store, with a plain message where it cannot be opened or read."""

    def _open_for_partition(self, partition: int) -> Any:
        with opening(self.partition_path(partition)):
            return super()._open_for_partition(partition)

    def persisted_offset(self, tp: TP) -> int | None:
        """Offset of the last changelog record that a partition's store holds."""
        offset = self.value(tp.partition, self.offset_key)
        return None if offset is None else int(offset)

    def value(self, partition: int, key: bytes) -> bytes | None:
        """What is stored under a key of a partition."""
        db = self._db_for_partition(partition)
        with reading(self.partition_path(partition)):
            found: bytes | None = db.get(key)
        return found

    def pairs(self, partition: int) -> Iterator[Pair]:
        """All that is stored of a partition, in the order of the keys.

        Raises
        ------
        LocalStoreDamagedError
            At the latest when the last pair was taken: until then they may be a part.
        """
        db = self._db_for_partition(partition)
        with reading(self.partition_path(partition)):
            cursor = db.iter()
            cursor.seek_to_first()
            while cursor.valid():
                yield cursor.key(), cursor.value()
                cursor.next()
            # At a block that cannot be read it ends as at the end: only its status shows which.
            cursor.status()

    def is_open(self, partition: int) -> bool:
        """Whether a partition's store is in use by this process."""
        return partition in self._dbs

    async def open(self, partition: int, generation_id: int) -> bool:
        """Open a partition's store; False when the partitions are dealt out again meanwhile."""
        return (
            await self._try_open_db_for_partition(partition, generation_id=generation_id)
            is not None
        )

    def set_aside(self, partition: int) -> Path:
        """Rename a partition's store, and delete one that was set aside before; its new path."""
        path: Path = self.partition_path(partition)
        other = path.with_name(f"{path.name}{SET_ASIDE}")
        with writing(path):
            self._dbs.pop(partition).close()
            if other.exists():
                shutil.rmtree(other)
            path.rename(other)
        return other

    def write_pairs(self, partition: int, pairs: Iterable[Pair]) -> None:
        """Write pairs at once."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in pairs:
            batch.put(key, value)
        db = self._db_for_partition(partition)
        with writing(self.partition_path(partition)):
            db.write(batch)


class StateTable(faust.Table):  # type: ignore[misc]
    """State records of all partitions of this worker.

    Attributes
    ----------
    stale
        States that recovery left out because a later one was loaded before: what a process wrote
        that had slept past its session.
    """

    def __init__(self, app: Any, name: str) -> None:
        super().__init__(
            app, name=name, key_type=bytes, value_type=bytes, options=dict(STORE_OPTIONS)
        )
        self.stale = 0

    def _new_store_by_url(self, url: Any) -> StateStore:
        return StateStore(
            url,
            self.app,
            self,
            table_name=self.name,
            key_type=self.key_type,
            key_serializer=self.key_serializer,
            value_serializer=self.value_serializer,
            value_type=self.value_type,
            loop=self.loop,
            options=dict(STORE_OPTIONS),
        )

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Take records of the changelog into the local store, in recovery.

        Faust logs and swallows what is raised here, which would leave a hole in the state.
        """
        try:
            self._apply(batch)
        except Exception as error:
            self.app.crash_with(error)

    def _apply(self, batch: Iterable[Any]) -> None:
        by_partition: dict[int, list[Any]] = {}
        for event in batch:
            by_partition.setdefault(event.message.partition, []).append(event.message)
        for partition, messages in by_partition.items():
            latest: dict[bytes, bytes] = {}
            for message in messages:
                self._check(message)
                known = latest.get(message.key) or self.data.value(partition, message.key)
                # A second identity is that of a worker that was ended for it: the first one holds.
                if known is not None and (
                    offset_of(known) > offset_of(message.value) or message.key == IDENTITY_KEY
                ):
                    self.stale += 1
                    continue
                latest[message.key] = message.value
            self._write(partition, latest.items(), messages[-1].offset)

    def _check(self, message: Any) -> None:
        try:
            check_record(message.key, message.value)
        except ForeignRecordError as error:
            name = f"{message.topic} partition {message.partition}"
            raise foreign(name, message.offset, error) from error

    def local_state(self, partition: int) -> LocalState:
        """What the open store of a partition holds about the changelog that it follows."""
        data = self.data
        identity = data.value(partition, IDENTITY_KEY)
        return LocalState(
            path=data.partition_path(partition),
            empty=next(data.pairs(partition), None) is None,
            identity=None if identity is None else identity_of(identity),
            offset=data.persisted_offset(TP(self.changelog_topic_name, partition)),
        )

    def write(self, partition: int, pairs: Iterable[Pair], changelog_offset: int) -> None:
        """Write records at once with the offset of the last of them in the changelog."""
        self._write(partition, pairs, changelog_offset)

    def _write(self, partition: int, pairs: Iterable[Pair], changelog_offset: int) -> None:
        offset = self.data.offset_key, b"%d" % changelog_offset
        self.data.write_pairs(partition, [*pairs, offset])

    def read(self, partition: int) -> StoredPartition:
        """All that is stored of a partition."""
        return read_partition(self._items(partition))

    def checkpoint(self, partition: int) -> int | None:
        """Next source offset of a partition; None where nothing was ever written."""
        value = self.data.value(partition, CHECKPOINT_KEY)
        return None if value is None else offset_of(value)

    def last_record(self, partition: int) -> RecordDigest | None:
        """The last record of the log that the state of a partition includes."""
        value = self.data.value(partition, CHECKPOINT_KEY)
        return None if value is None else read_checkpoint(value).last

    def next_changelog_offset(self, partition: int) -> int:
        """Where the changelog ended when the table was recovered."""
        ends: dict[TP, int] = dict(self.app.tables.recovery.active_highwaters)
        # Not of the counter itself, which would take an unknown end for 0.
        return ends[TP(self.changelog_topic_name, partition)] + 1

    def _items(self, partition: int) -> Iterator[Pair]:
        offset_key = self.data.offset_key
        for key, value in self.data.pairs(partition):
            if key != offset_key:
                yield key, value
