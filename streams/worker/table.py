"""The state table: Faust recovers it from the changelog, the committer writes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import faust
import rocksdict
from faust.stores.rocksdb import Store
from faust.types import TP

from streams.worker.exits import StoreWriteError
from streams.worker.state_records import (
    CHECKPOINT_KEY,
    Pair,
    StoredPartition,
    offset_of,
    read_partition,
)

MEGABYTE = 1 << 20
STORE_OPTIONS = {
    # The defaults take 2 GiB of cache for each partition.
    "write_buffer_size": 2 * MEGABYTE,
    "max_write_buffer_number": 2,
    "target_file_size_base": 4 * MEGABYTE,
    "block_cache_size": 8 * MEGABYTE,
}


class StoreBrokenError(RuntimeError):
    """The local store cannot be used; the message names its folder and the way out."""


class StateStore(Store):  # type: ignore[misc]
    """The local store, with a plain message where it cannot be opened."""

    def _open_for_partition(self, partition: int) -> Any:
        try:
            return super()._open_for_partition(partition)
        except Exception as error:
            # Faust waits for the lock of a worker that is still going, by this word.
            raise StoreBrokenError(
                f"the local state {self.partition_path(partition)} cannot be opened ({error}). "
                "If no other worker uses it, delete the folder: it is made again from the changelog"
            ) from error


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
        self.on_broken: Any = None

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
            db = self._db(partition)
            latest: dict[bytes, bytes] = {}
            for message in messages:
                known = latest.get(message.key) or db.get(message.key)
                if known is not None and offset_of(known) > offset_of(message.value):
                    self.stale += 1
                    continue
                latest[message.key] = message.value
            self._write(partition, latest.items(), messages[-1].offset)

    def write(self, partition: int, pairs: Iterable[Pair], changelog_offset: int) -> None:
        """Write records at once with the offset of the last of them in the changelog."""
        self._write(partition, pairs, changelog_offset)

    def _write(self, partition: int, pairs: Iterable[Pair], changelog_offset: int) -> None:
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in pairs:
            batch.put(key, value)
        batch.put(self.data.offset_key, b"%d" % changelog_offset)
        try:
            self._db(partition).write(batch)
        except Exception as error:
            path = self.data.partition_path(partition)
            raise StoreWriteError(
                f"the local state {path} cannot be written ({error}). Make room, or mend what the "
                "message names, and start again: what is missing comes back from the changelog"
            ) from error

    def read(self, partition: int) -> StoredPartition:
        """All that is stored of a partition."""
        return read_partition(self._items(partition))

    def checkpoint(self, partition: int) -> int | None:
        """Next source offset of a partition; None where nothing was ever written."""
        value = self._db(partition).get(CHECKPOINT_KEY)
        return None if value is None else offset_of(value)

    def next_changelog_offset(self, partition: int) -> int:
        """Where the changelog ended when the table was recovered."""
        ends: dict[TP, int] = dict(self.app.tables.recovery.active_highwaters)
        # Not of the counter itself, which would take an unknown end for 0.
        return ends[TP(self.changelog_topic_name, partition)] + 1

    def _items(self, partition: int) -> Iterator[Pair]:
        offset_key = self.data.offset_key
        for key, value in self._db(partition).items():
            if key != offset_key:
                yield key, value

    def _db(self, partition: int) -> Any:
        return self.data._db_for_partition(partition)
