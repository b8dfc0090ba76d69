"""The lines of a topic of a store, read on from look to look.

The bytes that an earlier look has read are not read again: their checksum goes on into that of the
new ones, and the whole must be the one in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tapeline.streams.outputs.run_folder import TOPICS_FOLDER
from tapeline.streams.store.checkpoint import StoreCheckpoint
from tapeline.streams.store.files import check_file
from tapeline.streams.store.layout import StoreDamagedError, StoreError, rebuild_way


class TopicReader:
    """The committed lines of a topic, from where the last look ended.

    Parameters
    ----------
    folder
        Of the store.
    topic
        Full name.
    """

    def __init__(self, folder: Path, topic: str) -> None:
        self._folder = folder
        self._topic = topic
        self._path = folder / TOPICS_FOLDER / f"{topic}.jsonl"
        self._known = (0, 0)

    def lines(self, checkpoint: StoreCheckpoint) -> Iterator[bytes]:
        """Lines that were committed since the last call, without their ends.

        They are new again to the next call unless all of them were taken.

        Raises
        ------
        StoreError
            When the store was made again from its log meanwhile, and this topic is another one.
        StoreDamagedError
            When the file is not what was written.
        """
        length, crc = checkpoint.topics[self._topic], checkpoint.crcs[self._topic]
        self._check(length, crc)
        first = self._known[0]
        if first < length:
            with self._path.open("rb") as file:
                file.seek(first)
                while first < length:
                    line = file.readline()
                    first += len(line)
                    yield line.rstrip(b"\n")
        self._known = (length, crc)

    def _check(self, length: int, crc: int) -> None:
        way = rebuild_way(self._folder)
        try:
            if length < self._known[0]:
                raise StoreDamagedError(f"{self._path}: is shorter than before; {way}")
            check_file(self._path, length, crc, way, self._known)
        except StoreDamagedError:
            if not self._known[0]:
                raise
            # What was read before may be what the checkpoint no longer knows.
            check_file(self._path, length, crc, way)
            raise StoreError(
                f"{self._folder}: was made again from its log while it was followed; begin anew"
            ) from None
