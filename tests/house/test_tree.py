"""Tests of units lie where their modules do, and a module without one is listed with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.source_tree import PACKAGES, ROOT, modules

pytestmark = pytest.mark.source_tree

UNIT = ROOT / "tests" / "unit"

WITHOUT: dict[str, str] = {
    "a client of a broker: tests/kafka": (
        "replay/compare/recorded_topics replay/sources/topic streams/cli/topics "
        "streams/consuming/subscription streams/consuming/topics "
        "streams/kafka/administration streams/kafka/connection streams/kafka/feed_log "
        "streams/feeds/live/transports/kafka_topic streams/kafka/intake "
        "streams/kafka/lease streams/kafka/log_check "
        "streams/kafka/publishing streams/kafka/reading streams/kafka/stamp_survey "
        "streams/kafka/status "
        "streams/kafka/tails streams/kafka/topics streams/kafka/writer "
    ),
    "a worker or a drill as a whole: tests/kafka": (
        "streams/cli/drill streams/drill/drill streams/drill/feeding streams/drill/messages "
        "streams/drill/ragged_worker streams/drill/worker_process "
        "streams/worker/group_state streams/worker/runner "
    ),
    "a host as a whole: tests/kafka": (
        "streams/cli/host streams/hosting/beginning streams/hosting/book_run "
        "streams/hosting/group streams/hosting/process "
    ),
    "a part of the fold: tests/unit/streams/core, tests/properties": (
        "streams/core/bars/windows streams/core/correct/rebuild streams/core/due_times "
        "streams/core/history/blocks streams/core/indicators/board "
        "streams/core/history/symbol_history streams/core/last_bars "
        "streams/core/outcome streams/core/plan "
        "streams/core/ranges/events streams/core/ranges/filling streams/core/ranges/journal "
        "streams/core/ranges/stored "
        "streams/core/ranges/windows streams/core/rejection streams/core/sessions/events "
        "streams/core/sessions/facts streams/core/stamp "
        "streams/core/swings/sides "
        "streams/core/tracks streams/core/windows/tiles "
    ),
    "a process of live feeds, which its own tests run: tests/unit/streams/ingest": (
        "streams/cli/ingest streams/ingest/broker streams/ingest/ingest "
        "streams/ingest/file_view streams/cli/show/reconciling "
    ),
    "what every rule is called by: tests/contract": (
        "streams/core/rules streams/core/tracker streams/core/tracker_list "
    ),
    "a part of the store, which its runs, kills and damage show: tests/unit/streams/store": (
        "streams/store/again "
        "streams/store/database streams/store/keeper streams/store/layout "
        "streams/store/log_provenance streams/ingest/store_log "
        "streams/store/opened streams/store/rebuild streams/store/recovery "
        "streams/store/settings streams/store/spans streams/store/step "
        "streams/pipeline/additions "
    ),
    "a part of replay, which its runs show: tests/unit/replay": (
        "replay/bounds replay/compare/recorded_files replay/compare/surroundings "
        "replay/explain/chain replay/explain/look_back replay/fold replay/processes/child "
        "replay/processes/job replay/results/catalogue "
        "replay/results/release_messages replay/results/repetition replay/results/results "
        "replay/results/topics replay/sources/items replay/sources/opening "
        "replay/sources/protocol "
    ),
    "a part of the host: tests/unit/streams/host": (
        "streams/host/errors streams/host/lanes streams/host/market streams/host/needs "
        "streams/host/notes "
        "streams/host/now streams/host/plan streams/host/running streams/host/session_dates "
        "streams/host/signal streams/host/signals streams/host/strategy streams/host/trading "
    ),
    "a part of paper accounts: tests/unit/streams/host/accounts": (
        "streams/host/accounts/decisions streams/host/accounts/ledger "
        "streams/host/accounts/model streams/host/accounts/orders "
    ),
    "a part of every report: tests/unit/replay/report": (
        "replay/report/book replay/report/figures replay/report/tables "
    ),
    "options and tables of the commands: tests/unit/streams/cli": (
        "streams/cli/options streams/cli/recording streams/cli/replay_options "
        "streams/cli/show/correction streams/cli/show/feeds streams/cli/show/log_text "
        "streams/cli/show/feed_drill streams/cli/show/hosted streams/cli/show/parity "
        "streams/cli/show/progress streams/cli/show/run streams/cli/show/status "
        "streams/cli/show/store "
        "streams/cli/show/why streams/cli/show/why_hosted streams/cli/strategy_options "
    ),
    "what status and gaps show of a run: tests/unit/streams/cli/test_status.py": (
        "streams/outputs/run_reading streams/pipeline/run_ends "
    ),
    "a part of every run over files: tests/unit/streams/embedded": (
        "streams/feeds/items streams/feeds/opening streams/feeds/spool "
        "streams/pipeline/collector streams/pipeline/final_bars streams/pipeline/routing "
        "streams/pipeline/slots "
        "streams/pipeline/state_values "
    ),
    "a part of every drill of a feed: tests/unit/streams/ingest/drill": (
        "streams/ingest/drill/checks streams/ingest/drill/needs streams/ingest/drill/provider "
        "streams/ingest/drill/scene "
        "streams/ingest/drill/scripts "
    ),
    "declarations, read by tests/unit/schemas and tests/docs/test_events_page.py": (
        "schemas/documents/page schemas/event_rows/bars "
        "schemas/event_rows/accounts "
        "schemas/event_rows/feeds schemas/event_rows/indicators schemas/event_rows/ranges "
        "schemas/event_rows/rejects schemas/event_rows/sessions schemas/event_rows/signals "
        "schemas/event_rows/strategies schemas/event_rows/swings schemas/event_rows/windows "
        "schemas/events schemas/feed_events schemas/host_events schemas/packing "
        "schemas/config/feeds "
        "schemas/indicators/averages schemas/indicators/kinds schemas/indicators/momentum "
        "schemas/indicators/trends schemas/indicators/volatility schemas/indicators/volumes "
        "schemas/config/feed_keys schemas/config/feed_mapping "
        "streams/feeds/live/engine/signals streams/feeds/live/model "
        "schemas/records schemas/topic_settings "
    ),
    "a part of the connection side: tests/unit/streams/feeds/live/engine/connection": (
        "streams/feeds/live/engine/connection_outbox streams/feeds/live/engine/link"
    ),
    "a part of every mapping: tests/unit/streams/feeds/live/mapping": (
        "streams/feeds/live/mapping/rows streams/feeds/live/mapping/texts "
    ),
    "what every transport is called by: tests/unit/streams/feeds/live/transports": (
        "streams/feeds/live/transports/links streams/feeds/live/transports/port "
    ),
    "parts of the content side of a feed: tests/unit/streams/feeds/live/engine/content": (
        "streams/feeds/live/engine/answers streams/feeds/live/engine/coverage "
        "streams/feeds/live/engine/evidence streams/feeds/live/engine/finality "
        "streams/feeds/live/engine/history streams/feeds/live/engine/holes "
        "streams/feeds/live/engine/notices streams/feeds/live/engine/parts "
        "streams/feeds/live/engine/quiet streams/feeds/live/engine/seam "
        "streams/feeds/live/engine/session_end "
        "streams/feeds/live/engine/silences streams/feeds/live/engine/statements "
        "streams/feeds/live/engine/symbol"
    ),
    "a part of every indicator: tests/unit/streams/core/indicators, tests/properties": (
        "streams/core/indicators/extremes streams/core/indicators/making "
        "streams/core/indicators/true_range streams/core/indicators/unit "
    ),
    "classes of errors: tests/house/test_errors.py": ("schemas/errors streams/errors "),
}
"""Modules without a test file of their own, by what shows that they work."""


def product() -> set[Path]:
    """Modules of the product below the root, without their suffix."""
    return {
        path.relative_to(ROOT).with_suffix("")
        for path in modules(*PACKAGES)
        if path.name != "__init__.py"
    }


def module_of(test: Path, known: set[Path]) -> Path | None:
    """The module of a test file: that of its path, or of its folder where one file is too few."""
    folder = test.relative_to(UNIT).parent
    for module in (folder / test.stem.removeprefix("test_"), folder):
        if module in known:
            return module
    return None


def test_each_test_file_has_its_module_in_the_same_folder() -> None:
    known = product()
    tests = sorted(UNIT.rglob("test_*.py"))
    assert len(tests) > 100
    assert [str(test.relative_to(UNIT)) for test in tests if module_of(test, known) is None] == []


def test_a_module_has_a_test_file_or_a_folder_of_them_but_not_both() -> None:
    known = product()
    both = [
        str(module)
        for module in sorted(known)
        if (UNIT / module).is_dir() and (UNIT / module.parent / f"test_{module.name}.py").exists()
    ]
    assert both == []


def test_each_module_has_its_tests_or_a_reason_why_not() -> None:
    known = product()
    covered = {module_of(test, known) for test in UNIT.rglob("test_*.py")}
    without = {str(module) for module in known - covered}
    listed = [module for each in WITHOUT.values() for module in each.split()]
    assert sorted(without - set(listed)) == [], "no test file in tests/unit, no reason here"
    assert [each for each in listed if each not in without] == [], "tested, or gone"


@pytest.mark.parametrize("reason", WITHOUT)
def test_a_reason_names_tests_that_exist(reason: str) -> None:
    named = [word.strip(",") for word in reason.split() if word.startswith("tests/")]
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
