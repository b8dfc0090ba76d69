"""One family of errors: the exit code belongs to the class, and nothing lists the classes."""

from __future__ import annotations

import pickle
from importlib import import_module
from pathlib import Path

import pytest

from tapeline.schemas.config.model import ConfigFileError
from tapeline.schemas.errors import BROKEN, DIFFERENT, IO_FAILURE, UNUSABLE, TapelineError
from tapeline.streams.consuming.received import UnreadableEventError
from tapeline.streams.errors import BrokerError, InputError, LostRowError, exit_code_of
from tapeline.streams.feeds.items import FeedBroken
from tapeline.streams.pipeline.refusals import RowsRefusedError
from tapeline.streams.worker.bridge.store_errors import LocalStoreDamagedError, StoreWriteError
from tests.house.errors import error_classes, error_faults
from tests.house.source_tree import PACKAGES, ROOT, module_name, modules

pytestmark = pytest.mark.source_tree

MODULES = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in modules(*PACKAGES)]
CLASSES = {
    (module_name(path), name)
    for path in modules(*PACKAGES)
    for name in error_classes(path.read_text("utf-8"))
}
OWN = frozenset(name for _, name in CLASSES)


@pytest.mark.parametrize(("module", "name"), sorted(CLASSES))
def test_an_error_that_is_raised_on_purpose_has_its_exit_code_on_its_class(
    module: str, name: str
) -> None:
    kind = getattr(import_module(f"tapeline.{module}"), name)
    assert issubclass(kind, TapelineError)
    assert kind.exit_code in {DIFFERENT, UNUSABLE, BROKEN, IO_FAILURE}


@pytest.mark.parametrize("path", MODULES)
def test_no_module_lists_error_classes(path: Path) -> None:
    assert error_faults(path.read_text("utf-8"), OWN) == []


def test_the_family_has_members() -> None:
    assert len(OWN) > 40


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RowsRefusedError("3 of 4 rows are refused"), 1),
        (InputError("bars.csv: is not there"), 2),
        (LostRowError("4 rows, 3 counted"), 70),
        (LocalStoreDamagedError("a block is damaged"), 70),
        (StoreWriteError("no room"), 74),
        (BrokerError("no answer"), 74),
        (FeedBroken("bars.csv: reading failed"), 74),
        (PermissionError(13, "denied"), 74),
        (ZeroDivisionError("a bug"), 70),
    ],
)
def test_a_process_ends_with_the_code_of_its_error(error: BaseException, code: int) -> None:
    assert exit_code_of(error) == code


@pytest.mark.parametrize(
    "error",
    [
        ConfigFileError("tapeline.toml", "is not there"),
        FeedBroken("bars.csv: reading failed"),
        OSError(28, "no room", "run"),
        UnreadableEventError("tape.touches.v1/0/7", "no JSON"),
    ],
)
def test_a_child_hands_on_its_error_with_the_whole_message(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    f()\nexcept (AError, BError, CError):\n    pass",
        "KINDS = (AError, a.BError, CError)",
        "KINDS = AError | BError | CError",
        "raise RuntimeError('lost')",
    ],
)
def test_a_list_of_classes_and_an_error_without_a_code_are_noticed(source: str) -> None:
    assert len(error_faults(source, {"AError", "BError", "CError"})) == 1


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    f()\nexcept (AError, OSError, ValueError, BError):\n    pass",
        "raise AError('bars.csv: is not there')",
        "raise ValueError('speed 0')",
    ],
)
def test_a_pair_of_classes_passes(source: str) -> None:
    assert error_faults(source, {"AError", "BError", "CError"}) == []


def test_error_classes_are_found_by_what_they_inherit() -> None:
    source = (
        "class A(ValueError):\n    pass\nclass B(A):\n    pass\nclass CError(b.XError):\n    pass"
    )
    assert error_classes(source) == ["A", "CError"]
