"""What strategies and accounts did, counted from their events."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tapeline.schemas.registry import EVENTS
from tapeline.streams.pipeline.host_summary import HostSummary


def example(kind: str, **fields: Any) -> Any:
    return replace(EVENTS.row(kind).example, **fields)


def test_a_signal_counts_when_it_is_issued_and_each_decision_by_its_code() -> None:
    summary = HostSummary()
    issued = example("signal", strategy="a", state="issued")
    summary.add([issued, replace(issued, state="expired")])
    for code in (None, "quality", "quality", "cold"):
        summary.add([example("decision", strategy="a", code=code, approved=code is None)])
    summary.add([example("signal", strategy="b", state="issued")])
    found = summary.totals()["strategies"]
    assert (found["a"]["signals"], found["a"]["approved"]) == (1, 1)
    assert found["a"]["rejected"] == {"cold": 1, "quality": 2}
    assert (found["b"]["signals"], found["b"]["approved"], found["b"]["rejected"]) == (1, 0, {})


def test_the_last_fact_of_a_strategy_and_of_an_account_counts() -> None:
    summary = HostSummary()
    running = example("strategy", strategy="a", state="running", error=None, error_type=None)
    faulted = replace(running, state="faulted", error_type="ValueError", error="odd")
    summary.add([running, faulted])
    account = example("account", account="x", strategy=None, equity=1.0)
    summary.add([account, replace(account, equity=2.0)])
    found = summary.totals()
    assert (found["strategies"]["a"]["state"], found["strategies"]["a"]["error"]) == (
        "faulted",
        "odd",
    )
    assert found["accounts"]["x"]["equity"] == 2.0
