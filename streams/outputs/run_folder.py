"""The folder of one run: a file a topic, the manifest last, all of it or nothing."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from tapeline.schemas.codec import encode_lines
from tapeline.schemas.errors import UnusableError
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Output, Reject, Retract
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.topics import DEFAULT_PREFIX, host_topics, output_topics, topic_of
from tapeline.streams.errors import naming
from tapeline.streams.outputs.hashed_file import HashedFile
from tapeline.streams.outputs.run_bars import BARS_FILE, BARS_SHA256, BarsFile
from tapeline.streams.pipeline.manifest import OUTPUT_SHA256, WrittenTopics

TOPICS_FOLDER = "topics"
"""Of a store: one file a topic."""
LOCK_FILE = "lock"
"""Of a store: held while a process writes."""
MANIFEST = "manifest.json"
FLUSH_EVENTS = 128
LARGE_LETTER = 1 << 12


class ForeignFolderError(UnusableError, ValueError):
    """A folder that cannot become a run: it holds other things, or something is going on there."""


class TopicFile:
    """Lines of one topic, in order of emission.

    Parameters
    ----------
    path
        File to write.
    counted
        Called with the events of each batch that is written.

    Attributes
    ----------
    count
        Lines written.
    waiting
        Events that the next `flush` writes.
    """

    def __init__(self, path: Path, counted: Callable[[Sequence[Any]], None]) -> None:
        self.count = 0
        self.waiting: list[Output | Reject | HostEvent] = []
        self._counted = counted
        self._file = HashedFile(path)

    def flush(self) -> None:
        """Write what waits."""
        if self.waiting:
            self._file.write(encode_lines(self.waiting))
            self.count += len(self.waiting)
            self._counted(self.waiting)
            self.waiting.clear()

    def close(self) -> str:
        """Write the rest; returns the SHA-256 of the file."""
        self.flush()
        return self._file.close()

    def abandon(self) -> None:
        """Close without caring for what was not written."""
        self.waiting.clear()
        self._file.abandon()


class TopicFiles:
    """The files of all output topics.

    Parameters
    ----------
    folder
        Where they lie; None: their lines are counted and hashed, and kept nowhere.
    count
        Called with every batch of events of one topic that is written.
    registry
        The types of the events: every topic that a fold writes has a file.
    hosted
        Whether strategies run: the topics of their hosts have files, too.
    """

    def __init__(
        self,
        folder: Path | None,
        count: Callable[[Sequence[Any]], None],
        registry: Registry = EVENTS,
        hosted: bool = False,
    ) -> None:
        self._registry = registry
        names = output_topics(registry=registry)
        if hosted:
            names += host_topics(registry=registry)
        self._files = {
            name: TopicFile(Path(os.devnull) if folder is None else folder / f"{name}.jsonl", count)
            for name in names
        }
        self._of_type: dict[type, TopicFile] = {}

    def file(self, kind: type) -> TopicFile:
        """File of a type of events."""
        file = self._of_type.get(kind)
        if file is None:
            tag = str(kind.__struct_config__.tag)  # type: ignore[attr-defined]
            file = self._files[topic_of(tag, DEFAULT_PREFIX, self._registry)]
            self._of_type[kind] = file
        return file

    def write(self, events: Sequence[Output | HostEvent]) -> None:
        """Append events to the files of their topics."""
        of_type = self._of_type
        for event in events:
            if type(event) is Retract:
                file = self._files[topic_of(event.type, DEFAULT_PREFIX, self._registry)]
            else:
                file = of_type.get(type(event)) or self.file(type(event))
            waiting = file.waiting
            waiting.append(event)
            if len(waiting) >= FLUSH_EVENTS:
                file.flush()

    def flush(self) -> None:
        """Write, and count, what waits."""
        for file in self._files.values():
            file.flush()

    def write_letter(self, letter: Reject) -> None:
        """Append a dead letter; a large one does not wait for company."""
        file = self.file(Reject)
        file.waiting.append(letter)
        if len(letter.raw) >= LARGE_LETTER or len(file.waiting) >= FLUSH_EVENTS:
            file.flush()

    def finish(self) -> WrittenTopics:
        """Close the files; returns what is in them."""
        hashes = {name: file.close() for name, file in self._files.items()}
        return WrittenTopics({name: file.count for name, file in self._files.items()}, hashes)

    def abandon(self) -> None:
        """Close them without caring for what was not written."""
        for file in self._files.values():
            file.abandon()


class RunDirectory:
    """Writes a run beside its folder and moves it there when it is complete.

    A context: whatever ends it before `commit` leaves the earlier run as it was, and nothing of the
    new one. What a killed process left is removed by the next run to the same folder.

    Parameters
    ----------
    folder
        Folder of the run. An earlier run there is replaced as a whole.
    count
        Called with every batch of events of one topic that is written.
    registry
        The types of the events.
    hosted
        Whether strategies run; see `TopicFiles`.

    Raises
    ------
    ForeignFolderError
        When something else lies there, or when another run is being written to it.
    """

    def __init__(
        self,
        folder: Path,
        count: Callable[[Sequence[Any]], None],
        registry: Registry = EVENTS,
        hosted: bool = False,
    ) -> None:
        # Through links: what is renamed must be the folder itself.
        self._target = Path(os.path.realpath(folder))
        check_replaceable(folder, self._target)
        self._registry = registry
        self._hosted = hosted
        self._shown = folder
        self._count = count
        self._part, self._old = _beside(self._target)
        self._made: list[Path] = []
        self._lock = -1
        self._committed = False
        self._files: TopicFiles | None = None
        self._bars: BarsFile | None = None

    @property
    def files(self) -> TopicFiles:
        """The files of a run under way; finish them before `commit`."""
        assert self._files is not None, "the run has not begun"
        return self._files

    @property
    def bars(self) -> BarsFile:
        """The bars of a run under way; `finish` closes them."""
        assert self._bars is not None, "the run has not begun"
        return self._bars

    def finish(self) -> dict[str, Any]:
        """Close all files; returns what the manifest says of them."""
        return {**self.files.finish().parts(), **self.bars.close()}

    def __enter__(self) -> RunDirectory:
        try:
            self._make_parents()
            self._part.mkdir(exist_ok=True)
            self._take_lock()
            self._repair()
            self._files = TopicFiles(self._part, self._count, self._registry, self._hosted)
            self._bars = BarsFile(self._part / BARS_FILE)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for written in (self._files, self._bars):
            if written is not None:
                written.abandon()
        if self._lock >= 0:
            if not self._committed:
                shutil.rmtree(self._part, ignore_errors=True)
            os.close(self._lock)
        for parent in self._made:
            try:
                parent.rmdir()
            except OSError:
                # The run lies in it, or another program has put something there.
                return

    def _make_parents(self) -> None:
        missing = [path for path in self._target.parents if not path.exists()]
        for parent in reversed(missing):
            parent.mkdir()
            self._made.insert(0, parent)

    def _take_lock(self) -> None:
        """Hold the folder, so that a second run to the same folder cannot mix its files in."""
        lock = os.open(self._part, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise ForeignFolderError(f"{self._shown}: another run is being written to it") from None
        self._lock = lock

    def _repair(self) -> None:
        """Undo what a process that was killed has left."""
        for path in self._part.iterdir():
            path.unlink()
        if self._old.exists():
            if self._target.exists():
                shutil.rmtree(self._old)
            else:
                self._old.rename(self._target)

    def commit(self, manifest: dict[str, Any]) -> None:
        """Write the manifest and move the run to its folder."""
        options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
        with naming(self._part / MANIFEST):
            (self._part / MANIFEST).write_bytes(orjson.dumps(manifest, option=options))
        # Something may have been put there during a long run.
        check_replaceable(self._shown, self._target)
        replaced = self._target.exists()
        if replaced:
            self._target.rename(self._old)
        try:
            self._part.rename(self._target)
        except BaseException:
            if replaced:
                self._old.rename(self._target)
            raise
        self._committed = True
        if replaced:
            shutil.rmtree(self._old)


def check_replaceable(shown: Path, folder: Path) -> None:
    """Refuse a folder that is not empty and not a run.

    Parameters
    ----------
    shown
        The folder as it was named, for messages.
    folder
        The folder itself, behind all links.

    Raises
    ------
    ForeignFolderError
        Naming what else lies there, or why the folder cannot be replaced.
    """
    for path in (folder, *folder.parents):
        if path.exists():
            if not path.is_dir():
                raise ForeignFolderError(f"{shown}: {path} is not a folder")
            break
    if not folder.exists():
        return
    known = {MANIFEST, *(f"{name}.jsonl" for name in output_topics())}
    manifest = _run_manifest(folder / MANIFEST)
    if manifest is not None:
        # Another version may know other types of events.
        known.update(f"{name}.jsonl" for name in manifest.get(OUTPUT_SHA256, ()))
        if BARS_SHA256 in manifest:
            # Where no manifest names it, a file of that name is a user's log.
            known.add(BARS_FILE)
    others = sorted(path.name for path in folder.iterdir() if path.name not in known)
    if not others and manifest is None:
        others = [MANIFEST]
    if others:
        raise ForeignFolderError(
            f"{shown}: holds {others[0]}, which is no part of a run; name another folder"
        )
    if folder.name == TOPICS_FOLDER and (folder.parent / LOCK_FILE).exists():
        raise ForeignFolderError(f"{shown}: holds the topics of a store; name another folder")
    if Path.cwd().is_relative_to(folder) or os.path.ismount(folder):
        raise ForeignFolderError(
            f"{shown}: a folder that is the current one or a mount cannot be replaced;"
            " name a folder inside it"
        )


def check_outside(folder: Path, inputs: Iterable[str]) -> None:
    """Refuse a folder that cannot be replaced, or that an input lies in, which would be lost.

    Parameters
    ----------
    folder
        Folder of the run.
    inputs
        Paths of files and folders that it reads.

    Raises
    ------
    ForeignFolderError
        Naming the input, or as `check_replaceable`.
    """
    target = Path(os.path.realpath(folder))
    check_replaceable(folder, target)
    replaced = (target, *_beside(target))
    for path in inputs:
        file = Path(os.path.realpath(path))
        # The link itself, too, may lie there.
        link = Path(os.path.realpath(Path(path).parent), Path(path).name)
        if any(file.is_relative_to(each) or link.is_relative_to(each) for each in replaced):
            raise ForeignFolderError(
                f"{folder}: the input {path} lies in it and would be lost; name another folder"
            )


def _beside(folder: Path) -> tuple[Path, Path]:
    """Where a run is written, and where the earlier one waits until it is replaced."""
    return (
        folder.with_name(f".{folder.name}.tapeline-part"),
        folder.with_name(f".{folder.name}.tapeline-old"),
    )


def _run_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest of a run, empty where there is none; None: another program's of that name."""
    if not path.exists():
        return {}
    try:
        found = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError:
        return None
    ours = isinstance(found, dict) and isinstance(found.get(OUTPUT_SHA256), dict)
    return found if ours else None
