"""Two runs compared: a live recording and its replay, two code versions, two configurations."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from functools import reduce
from pathlib import Path
from typing import Any

import orjson
from msgspec import Struct, to_builtins

from tapeline.replay.compare.events import (
    DEFAULT_LIMIT,
    Difference,
    Differences,
    Piece,
    TypeComparison,
    TypeResult,
)
from tapeline.replay.compare.recorded import (
    Coverage,
    Entry,
    Recorded,
    RecordedError,
    plain,
    without,
)
from tapeline.replay.compare.recorded_files import BLOCK_BYTES
from tapeline.replay.compare.surroundings import Surroundings, surroundings
from tapeline.schemas.config.model import Config
from tapeline.schemas.errors import UnusableError
from tapeline.schemas.event_types import Registry
from tapeline.schemas.ids import ids_of
from tapeline.schemas.registry import EVENTS
from tapeline.schemas.symbols import names_of
from tapeline.streams.pipeline.view import set_version

DIGEST_BYTES = 16


class NothingToCompareError(UnusableError, ValueError):
    """Two runs have events, and none of them is in what was to be compared."""


class ParityOptions(Struct, frozen=True, kw_only=True):
    """What is compared.

    Attributes
    ----------
    types
        None: all.
    symbols
        Symbols and groups; None: all.
    ignored
        Fields that may differ.
    stretch
        Which records.
    view
        Compare what the events leave, folded by id, without the fields of delivery. Events of
        hosts of strategies are always compared so.
    limit
        Most differences listed.
    around
        Records shown before and after the first difference.
    registry
        The types of the events.
    """

    types: tuple[str, ...] | None = None
    symbols: frozenset[str] | None = None
    ignored: frozenset[str] = frozenset()
    stretch: Coverage = Coverage()
    view: bool = False
    limit: int = DEFAULT_LIMIT
    around: int = 3
    registry: Registry = EVENTS

    def __post_init__(self) -> None:
        # A text is a collection, too: of its letters, or of all texts that lie in it.
        for name in ("types", "symbols", "ignored"):
            given = getattr(self, name)
            if given is not None:
                names_of(name, given)


class ParityReport(Struct, frozen=True):
    """What came out.

    Attributes
    ----------
    stretch
        The records that both cover.
    first
        The first difference in order of publication, None where there is none.
    around
        The log around it, on each side.
    notes
        What else a reader must know.
    """

    a: str
    b: str
    equal: bool
    stretch: Coverage
    types: dict[str, TypeResult]
    differences: list[Difference]
    first: Difference | None
    around: Surroundings | None
    notes: list[str]


async def parity(
    a: Recorded, b: Recorded, config: Config, options: ParityOptions | None = None
) -> ParityReport:
    """Compare what two runs left, type by type; both are opened.

    Raises
    ------
    RecordedError
        When a side holds what is no event, or no offset shows what of one is in the other.
    NothingToCompareError
        When bounds and names leave nothing of either side. Sides without any event are equal.
    """
    chosen = ParityOptions() if options is None else options
    stretch, cuts = _cuts(a, b, chosen.stretch)
    work = _Work(a, b, config, chosen, cuts)
    types = {}
    for kind in chosen.registry.folded:
        if chosen.types is None or kind in chosen.types:
            if chosen.view and kind in chosen.registry.facts:
                types[kind] = await work.views(kind)
            else:
                types[kind] = await work.events(kind)
    for kind in chosen.registry.hosted:
        if chosen.types is None or kind in chosen.types:
            found = await work.views(kind)
            # Without strategies there are none, and no word of them.
            if chosen.types is not None or found.a or found.b:
                types[kind] = found
    if work.held and not work.compared:
        raise NothingToCompareError(_nothing(a, b, chosen, stretch))
    listed = work.differences.listed()
    around = None
    if listed:
        around = await surroundings(a, b, listed[0], stretch, chosen.around)
    return ParityReport(
        a.name,
        b.name,
        all(result.same for result in types.values()),
        stretch,
        types,
        listed[: chosen.limit],
        listed[0] if listed else None,
        around,
        _notes(a, b, work),
    )


def _cuts(a: Recorded, b: Recorded, chosen: Coverage) -> tuple[Coverage, tuple[Coverage, Coverage]]:
    """What both cover, and which events of each side that are.

    The events of sorted bars are known by positions in the sorted sequence: offsets of the log that
    was read cut the other side, never these.
    """
    sides = (a, b)
    for side, other in (sides, sides[::-1]):
        if side.stretch.sorted and not other.corrected:
            raise RecordedError(
                f"{side.name}: a stretch as corrected begins and ends at positions of sorted bars,"
                f" and {other.name} has offsets of a log; compare replays of one mode, or a replay"
                " as corrected of everything"
            )
    if a.corrected and b.corrected:
        names = Coverage(symbols=a.stretch.both(b.stretch).symbols)
        positions = [side.stretch for side in sides if side.stretch.sorted]
        stretch = reduce(Coverage.both, positions, names).both(chosen)
        return stretch, (stretch, stretch)
    for side, other in (sides, sides[::-1]):
        if side.corrected and _covers_less(other.stretch, side.stretch):
            raise RecordedError(
                f"{other.name} covers less of the log than {side.name}, whose sorted bars no offset"
                " of a log cuts; compare replays of one mode"
            )
    stretch = a.stretch.both(b.stretch).both(chosen)
    uncut = Coverage(symbols=stretch.symbols).both(chosen)
    first, second = (uncut if side.corrected else stretch for side in sides)
    return stretch, (first, second)


def _covers_less(one: Coverage, other: Coverage) -> bool:
    """Whether a stretch is known to begin or end inside another one."""
    begins = any(start > other.starts.get(each, 0) for each, start in one.starts.items())
    # What the other one does not bound, it may have ended at the same offset.
    return begins or any(stop < other.stops.get(each, 0) for each, stop in one.stops.items())


def _nothing(a: Recorded, b: Recorded, options: ParityOptions, stretch: Coverage) -> str:
    """Why no event of two runs was compared."""
    kinds = "event" if options.types is None else " or ".join(options.types)
    found = f"{a.name} and {b.name}: nothing to compare: neither has any {kinds}"
    if options.symbols is not None:
        found += f" of {', '.join(sorted(options.symbols))}"
    if stretch.symbols is not None:
        found += " of the symbols that both cover"
    spans = [
        f"{each}:[{stretch.starts.get(each, 0)}, {stretch.stops.get(each, 'end')})"
        for each in sorted({*stretch.starts, *stretch.stops})
    ]
    if spans:
        found += f" at the offsets that both cover: {', '.join(spans)}"
    return found


def _notes(a: Recorded, b: Recorded, work: _Work) -> list[str]:
    found = []
    if not work.held:
        found.append("neither side has an event")
    inputs = [side.inputs for side in (a, b)]
    if None not in inputs and inputs[0] != inputs[1]:
        found.append("the inputs are not the same: other SHA-256 in the manifests")
    hashes = [side.configuration for side in (a, b)]
    if None not in hashes and hashes[0] != hashes[1]:
        first, second = (str(each)[:12] for each in hashes)
        found.append(f"the configurations are not the same: hash {first} of A, {second} of B")
    for side in (a, b):
        found += side.remarks()
    if work.partition_unknown:
        found.append(
            f"{work.partition_unknown} dead letters of files were left out: they name no offset"
        )
    return found


class _Work:
    """One comparison, type by type.

    Attributes
    ----------
    held, compared
        Events that the sides have of the types compared, and those of them that were compared.
    partition_unknown
        Dead letters that were left out because they name no offset.
    """

    def __init__(
        self,
        a: Recorded,
        b: Recorded,
        config: Config,
        options: ParityOptions,
        cuts: tuple[Coverage, Coverage],
    ) -> None:
        self.differences = Differences(options.limit)
        self.held = 0
        self.compared = 0
        self.partition_unknown = 0
        self._sides = (a, b)
        self._config = config
        self._options = options
        named = Coverage(symbols=options.symbols)
        self._cuts = [
            cut.both(named) if side.spread_over == 1 else cut.both(named).spread(side.spread_over)
            for side, cut in zip(self._sides, cuts, strict=True)
        ]

    async def events(self, kind: str) -> TypeResult:
        """Event by event."""
        equal = self._equal_bytes(kind)
        if equal is not None:
            return equal
        a, b = self._sides
        comparison = TypeComparison(
            kind,
            self.differences,
            self._options.ignored,
            (a.compacted, b.compacted),
            self._config.group_of,
            partitions_known=a.partitions_known and b.partitions_known,
        )
        pieces = (Piece(), Piece())
        batches = [side.batches(kind).__aiter__() for side in self._sides]
        while not all(piece.ended and piece.at >= len(piece.items) for piece in pieces):
            for number, piece in enumerate(pieces):
                if piece.at >= len(piece.items) and not piece.ended:
                    found = await anext(batches[number], None)
                    piece.ended = found is None
                    piece.items = self._inside(number, found or [], comparison)
                    piece.at = 0
            comparison.run(*pieces)
        return comparison.finish()

    def _inside(self, side: int, entries: list[Entry], comparison: TypeComparison) -> list[Entry]:
        stretch = self._cuts[side]
        self.held += len(entries)
        if stretch.whole:
            self.compared += len(entries)
            return entries
        kept = []
        for entry in entries:
            if stretch.holds(entry):
                kept.append(entry)
                continue
            if stretch.beyond(entry):
                comparison.later(side, entry)
            self.partition_unknown += stretch.partition_unknown(entry)
        self.compared += len(kept)
        return kept

    def _equal_bytes(self, kind: str) -> TypeResult | None:
        """The result where both have files that are equal to the byte, else None."""
        files = [side.file(kind) for side in self._sides]
        first, second = files
        whole = all(cut.whole for cut in self._cuts)
        if first is None or second is None or not whole or first[1] != second[1]:
            return None
        lines = _equal_lines(first[0], second[0], first[1])
        if lines is None:
            return None
        self.held += lines
        self.compared += lines
        return TypeResult(lines, lines, lines)

    async def views(self, kind: str) -> TypeResult:
        """Fact by fact: what the events leave."""
        ignored = self._options.registry.row(kind).delivery | self._options.ignored
        folds = [await self._folded(side, kind, ignored) for side in range(len(self._sides))]
        first, second = folds
        wanted = {
            fact_id
            for fact_id in first.keys() | second.keys()
            if first.get(fact_id) != second.get(fact_id)
        }
        result = TypeResult(len(first), len(second), len(first.keys() & second.keys()))
        result.equal -= len(wanted & first.keys() & second.keys())
        if wanted:
            await self._view_differences(kind, wanted, ignored, result)
        return result

    async def _folded(self, side: int, kind: str, ignored: frozenset[str]) -> dict[str, bytes]:
        """Digest of the content of every fact that is left."""
        found: dict[str, bytes] = {}
        async for entry in self._entries(side, kind):
            set_version(found, entry.id, None if entry.gone else _digest(entry, ignored))
        return found

    async def _entries(self, side: int, kind: str) -> AsyncIterator[Entry]:
        async for batch in self._of_kind(side, kind):
            self.held += len(batch)
            for entry in batch:
                if self._cuts[side].holds(entry):
                    self.compared += 1
                    yield entry

    async def _of_kind(self, side: int, kind: str) -> AsyncIterator[list[Entry]]:
        """Events of a type; topics of hosts hold several."""
        shared = kind in self._options.registry.hosted
        beginning = ids_of(kind)
        async for batch in self._sides[side].batches(kind):
            yield [each for each in batch if each.id.startswith(beginning)] if shared else batch

    async def _view_differences(
        self, kind: str, wanted: set[str], ignored: frozenset[str], result: TypeResult
    ) -> None:
        """Report what differs: the facts are read again, all others are passed over."""
        last: list[dict[str, Entry]] = []
        later: list[set[str]] = []
        for number, (side, cut) in enumerate(zip(self._sides, self._cuts, strict=True)):
            kept: dict[str, Entry] = {}
            gone_on: set[str] = set()
            async for batch in self._of_kind(number, kind):
                for entry in batch:
                    if entry.id not in wanted:
                        continue
                    if cut.holds(entry):
                        set_version(kept, entry.id, None if entry.gone else entry)
                    elif side.compacted and cut.beyond(entry):
                        gone_on.add(entry.id)
            last.append(kept)
            later.append(gone_on)
        comparison = TypeComparison(kind, self.differences, ignored | {"seq", "rev"})
        for fact_id in sorted(wanted):
            versions = (last[0].get(fact_id), last[1].get(fact_id))
            if any(
                version is None and fact_id in beyond
                for version, beyond in zip(versions, later, strict=True)
            ):
                result.superseded += 1
                continue
            for number, version in enumerate(versions):
                if version is not None:
                    comparison.take(number, version)
        found = comparison.finish()
        result.missing, result.added = found.missing, found.added
        result.changed, result.fields = found.changed, found.fields


def _digest(entry: Entry, ignored: frozenset[str]) -> bytes:
    content = without(plain(entry), ignored)
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest()


def _equal_lines(first: Path, second: Path, length: int) -> int | None:
    """Number of lines of two files whose first `length` bytes are equal, None if they are not."""
    lines = 0
    with first.open("rb") as left, second.open("rb") as right:
        while length > 0:
            size = min(BLOCK_BYTES, length)
            block = left.read(size)
            if block != right.read(size) or len(block) != size:
                return None
            lines += block.count(b"\n")
            length -= size
    return lines


def report_data(report: ParityReport) -> dict[str, Any]:
    """The report as plain data, for JSON."""
    found: dict[str, Any] = {
        "equal": report.equal,
        "a": report.a,
        "b": report.b,
        "stretch": {
            "start": {str(each): at for each, at in report.stretch.starts.items()},
            "stop": {str(each): at for each, at in report.stretch.stops.items()},
            "symbols": None if report.stretch.symbols is None else sorted(report.stretch.symbols),
        },
        "types": {kind: _plain_struct(result) for kind, result in report.types.items()},
        "differences": [_plain_struct(each) for each in report.differences],
        "first": None if report.first is None else _plain_struct(report.first),
        "around": None if report.around is None else _plain_struct(report.around),
        "notes": report.notes,
    }
    return found


def _plain_struct(value: Struct) -> Any:
    return to_builtins(value)
