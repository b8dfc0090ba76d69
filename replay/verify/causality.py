"""Whether a run publishes at any time only what stays true: rewritten readings, counted. Pure.

A reader at some instant has the events of the records until then: a *prefix*. What a prefix
published, and the longer run changed or took back without a correction in between, was never true
for that reader (it *repaints*). Two things are compared, for any callable that runs a prefix:

- the longer run with itself: every version of a fact with the one before it. This covers the
  prefix that ends at any record, if only prefixes publish what the longer run begins with;
- so prefixes are run on their own and compared with the beginning of the longer run, byte by byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from random import Random

from msgspec import Struct

from tapeline.replay.verify.growth import changed_fields, is_growth, is_growth_of_host
from tapeline.schemas.codec import encode
from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Event, Output, Reject, Retract, type_of
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.registry import EVENTS
from tapeline.streams.pipeline.view import fold, set_version

Published = Sequence[Output | Reject | HostEvent]
"""What one record led to, in the order of publication."""
PrefixRun = Callable[[int], Iterable[Published]]
"""Runs the first so many records from the start on, as if nothing came after them."""
Fact = Event | HostEvent
Since = tuple[int, Fact]
"""A version, and after how many records it stood."""
SHOWN = 20
DELIVERY = ("seq", "rev", "watermark_ms", "corrects")
"""What depends on when a version was published, and is no content."""


class Finding(Struct, frozen=True):
    """A rewritten reading.

    Attributes
    ----------
    read
        Records after which the old version was in the view.
    rewritten
        Records after which it did not; of a prefix that differs its length.
    fields
        What changed in its content; empty for a fact that was taken back, or never was in the
        longer run.
    old, new
        The versions; `new` is None where the longer run has none.
    """

    type: str
    id: str
    read: int
    rewritten: int
    fields: tuple[str, ...]
    old: Output | HostEvent
    new: Output | HostEvent | None


class CausalityReport(Struct, frozen=True):
    """How prefixes and the longer run differ.

    Attributes
    ----------
    records
        Length of the longer run.
    events
        What it published, dead letters included.
    ends
        Lengths of the prefixes.
    rewritten
        Rewritten readings by type, each once.
    repainted_ends
        Prefixes that had published something that was rewritten after their end.
    different
        Lengths of the prefixes whose own bytes are not the beginning of the longer run.
    findings
        The first ones, in order of the records.
    """

    records: int
    events: int
    ends: tuple[int, ...]
    rewritten: dict[str, int]
    repainted_ends: int
    different: tuple[int, ...]
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing was rewritten and every prefix is a beginning."""
        return not self.rewritten and not self.different


def random_ends(records: int, prefixes: int, seed: int) -> list[int]:
    """Ends of so many prefixes, ascending; of a short run all there are."""
    ends = range(1, records)
    return sorted(Random(seed).sample(ends, min(prefixes, len(ends))))


def check_prefixes(run: PrefixRun, records: int, ends: Sequence[int]) -> CausalityReport:
    """Run the whole and its prefixes, and compare.

    Parameters
    ----------
    run
        Every call must be a run of its own.
    records
        Length of the whole.
    ends
        Lengths of the prefixes.
    """
    comparison = PrefixComparison(list(run(records)))
    for end in ends:
        comparison.add(list(run(end)), end)
    return comparison.report()


class PrefixComparison:
    """A longer run, and the prefixes that it is compared with.

    Parameters
    ----------
    whole
        What each record of the longer run led to.
    registry
        The types of the events.
    """

    def __init__(self, whole: Sequence[Published], registry: Registry = EVENTS) -> None:
        self._whole = whole
        self._lines = [[encode(event) for event in published] for published in whole]
        self._found = {(each.id, each.old.seq): each for each in rewritings(whole, registry)}
        self._ends: list[int] = []
        self._different: list[int] = []

    def add(self, prefix: Sequence[Published], end: int) -> None:
        """Compare what a run of the first `end` records published."""
        self._ends.append(end)
        if _are_lines(prefix, self._lines[:end]):
            return
        self._different.append(end)
        for each in _contradictions(prefix, self._whole[:end], end):
            self._found.setdefault((each.id, each.old.seq), each)

    def report(self) -> CausalityReport:
        """What was found until now."""
        findings = sorted(self._found.values(), key=lambda each: (each.rewritten, each.id))
        return CausalityReport(
            len(self._whole),
            sum(map(len, self._whole)),
            tuple(self._ends),
            dict(sorted(Counter(each.type for each in findings).items())),
            sum(any(each.read <= end < each.rewritten for each in findings) for end in self._ends),
            tuple(self._different),
            tuple(findings[:SHOWN]),
        )


def rewritings(whole: Iterable[Published], registry: Registry = EVENTS) -> Iterable[Finding]:
    """Versions of one run that did not grow out of the ones before them."""
    known: dict[str, Since] = {}
    for count, published in enumerate(whole, 1):
        for event in _facts(published):
            since = known.get(event.id)
            set_version(known, event.id, _since(count, event))
            if since is not None and not _may_follow(since[1], event, registry):
                yield _finding(since[0], count, since[1], event)


def _may_follow(old: Fact, new: Output | HostEvent, registry: Registry) -> bool:
    # A corrected bar explains only what was decided after it began.
    if new.corrects is not None and new.corrects < old.event_ms:
        return True
    if isinstance(new, Retract):
        return False
    if isinstance(new, HostEvent):
        assert isinstance(old, HostEvent), f"{new.id} was another type"
        return is_growth_of_host(old, new, registry)
    assert not isinstance(old, HostEvent), f"{new.id} was another type"
    return is_growth(old, new, registry)


def _are_lines(prefix: Sequence[Published], lines: Sequence[Sequence[bytes]]) -> bool:
    return len(prefix) == len(lines) and all(
        len(published) == len(wanted) and all(map(_is_line, published, wanted))
        for published, wanted in zip(prefix, lines, strict=True)
    )


def _is_line(event: Output | Reject | HostEvent, line: bytes) -> bool:
    return encode(event) == line


def _contradictions(
    prefix: Sequence[Published], beginning: Sequence[Published], end: int
) -> Iterable[Finding]:
    """What a prefix had published and the longer run, as far as that, changed or not."""
    known: dict[str, Since] = {}
    later: dict[str, Fact] = {}
    for count, (mine, others) in enumerate(zip_longest(prefix, beginning, fillvalue=()), 1):
        for event in _facts(mine):
            set_version(known, event.id, _since(count, event))
        fold(later, _facts(others))
    for fact, (count, old) in known.items():
        new = later.get(fact)
        if new is None or encode(new) != encode(old):
            yield _finding(count, end, old, new)


def _facts(published: Published) -> Iterator[Output | HostEvent]:
    return (event for event in published if not isinstance(event, Reject))


def _since(count: int, event: Output | HostEvent) -> Since | None:
    return None if isinstance(event, Retract) else (count, event)


def _finding(read: int, rewritten: int, old: Fact, new: Output | HostEvent | None) -> Finding:
    fields: list[str] = []
    if new is not None and not isinstance(new, Retract):
        changed = changed_fields(old, new)
        fields = [name for name in changed if name not in DELIVERY] or changed
    return Finding(type_of(old), old.id, read, rewritten, tuple(fields), old, new)
