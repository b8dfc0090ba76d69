"""The folder of one run: a file a topic, the manifest last, all of it or nothing."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import orjson

from schemas.events import Event, Reject
from schemas.topics import OUTPUT_TOPICS, topic_of

MANIFEST = "manifest.json"
FLUSH_EVENTS = 512
WRITE_BYTES = 1 << 18


class ForeignFolderError(ValueError):
    """A folder that holds other things than a run must not be replaced."""


class TopicFile:
    """Lines of one topic, in order of emission.

    Attributes
    ----------
    count
        Lines so far, waiting ones included.
    """

    def __init__(self, path: Path) -> None:
        self.count = 0
        self.waiting: list[Event | Reject] = []
        self._file: BinaryIO = path.open("wb", buffering=WRITE_BYTES)
        self._hash = hashlib.sha256()
        self._encode = msgspec.json.Encoder().encode_lines

    def flush(self) -> None:
        """Write what waits."""
        if self.waiting:
            lines = self._encode(self.waiting)
            self._hash.update(lines)
            self._file.write(lines)
            self.count += len(self.waiting)
            self.waiting.clear()

    def close(self) -> str:
        """Write the rest; returns the SHA-256 of the file."""
        self.flush()
        self._file.close()
        return self._hash.hexdigest()

    def abandon(self) -> None:
        """Close without caring for what was not written."""
        self.waiting.clear()
        try:
            self._file.close()
        except OSError:
            # The disk that could not take the data cannot take its rest either.
            return


class RunDirectory:
    """Writes a run beside its place and moves it there when it is complete.

    Parameters
    ----------
    folder
        Where the run shall lie. An earlier run there is replaced as a whole.

    Raises
    ------
    ForeignFolderError
        When there is something else.
    """

    def __init__(self, folder: Path) -> None:
        check_replaceable(folder)
        self.folder = folder
        self._part = folder.with_name(f".{folder.name}.part")
        self._old = folder.with_name(f".{folder.name}.old")
        self._files: dict[str, TopicFile] = {}
        self._of_type: dict[type, TopicFile] = {}

    def __enter__(self) -> RunDirectory:
        self._clear()
        self._part.mkdir(parents=True)
        self._files = {name: TopicFile(self._part / f"{name}.jsonl") for name in OUTPUT_TOPICS}
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        for file in self._files.values():
            file.abandon()
        self._clear()

    def _clear(self) -> None:
        for folder in (self._part, self._old):
            if folder.exists():
                shutil.rmtree(folder)

    def write(self, events: Sequence[Event | Reject]) -> None:
        """Append events to the files of their topics."""
        for event in events:
            file = self._of_type.get(type(event))
            if file is None:
                file = self._files[topic_of(str(type(event).__struct_config__.tag))]
                self._of_type[type(event)] = file
            file.waiting.append(event)
            if len(file.waiting) >= FLUSH_EVENTS:
                file.flush()

    def finish(self) -> tuple[dict[str, int], dict[str, str]]:
        """Close the files; returns lines and SHA-256 per topic. `commit` follows."""
        hashes = {name: file.close() for name, file in self._files.items()}
        return {name: file.count for name, file in self._files.items()}, hashes

    def commit(self, manifest: dict[str, Any]) -> None:
        """Write the manifest and put the run in its place."""
        options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
        (self._part / MANIFEST).write_bytes(orjson.dumps(manifest, option=options))
        if self.folder.exists():
            self.folder.rename(self._old)
        self._part.rename(self.folder)
        self._clear()


def check_replaceable(folder: Path) -> None:
    """Refuse a folder that is not empty and not a run.

    Raises
    ------
    ForeignFolderError
        Naming what else lies there.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ForeignFolderError(f"{folder}: is not a folder")
    known = {MANIFEST, *(f"{name}.jsonl" for name in OUTPUT_TOPICS)}
    others = sorted(path.name for path in folder.iterdir() if path.name not in known)
    if others:
        raise ForeignFolderError(
            f"{folder}: holds {others[0]}, which is no part of a run; name another folder"
        )
