"""The shipped rules keep the contract that added ones keep."""

from __future__ import annotations

from tests.contract.tracker import TrackerContract


class TestSessions(TrackerContract):
    name = "sessions"
    types = ("session", "quality", "gap")


class TestDerivedBars(TrackerContract):
    name = "bars"
    types = ("derived_bar",)


class TestRanges(TrackerContract):
    name = "ranges"
    types = ("range", "touch")


class TestPairs(TrackerContract):
    name = "pairs"
    types = ("pair",)


class TestSwings(TrackerContract):
    name = "swings"
    types = ("swing",)
    # Each of the swings that may still change names the touch it links to.
    hot_bytes = 2_048
