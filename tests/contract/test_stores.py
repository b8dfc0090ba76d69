"""The stores of keys and values that there are keep the contract of stores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tapeline.streams.store.database import Database
from tapeline.streams.worker.bridge.table import StateStore
from tests.contract.store import StoreContract
from tests.unit.streams.worker.bridge.test_table import opened

PARTITION = 0


class EmbeddedStore:
    """The database of a durable store."""

    def __init__(self, database: Database) -> None:
        self.get = database.get
        self.write = database.write
        self._scan = database.scan

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        return self._scan(b"")


class WorkerStore:
    """One partition of a worker's local state."""

    def __init__(self, store: StateStore) -> None:
        self._store = store

    def get(self, key: bytes) -> bytes | None:
        return self._store.value(PARTITION, key)

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        return self._store.pairs(PARTITION)

    def write(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._store.write_pairs(PARTITION, pairs)


class TestEmbeddedStore(StoreContract):
    @contextmanager
    def open(self, folder: Path) -> Iterator[EmbeddedStore]:
        database = Database(folder / "state")
        try:
            yield EmbeddedStore(database)
        finally:
            database.close()


class TestWorkerTable(StoreContract):
    @contextmanager
    def open(self, folder: Path) -> Iterator[WorkerStore]:
        with opened(folder) as app:
            yield WorkerStore(app.table.data)
