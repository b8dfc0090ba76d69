"""A broker for all tests of this folder, and names that no two of them share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.kafka.broker import Broker, require_broker
from tests.kafka.certificates import require_openssl
from tests.kafka.recording import Recording, prepare, record
from tests.kafka.secured import ADMIN, SecuredBroker
from tests.kafka.users import as_user, grant_all, users_broker

_HERE = Path(__file__).parent
_numbers = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs a broker, so no test has to declare it."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.kafka)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A running broker; a test that stops or pauses it leaves it running again."""
    require_broker()
    with Broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    """A broker with TLS, passwords and ACLs, with all users and what they may do."""
    require_broker()
    require_openssl()
    with users_broker(tmp_path_factory.mktemp("secured")) as running:
        with pytest.MonkeyPatch.context() as patch:
            as_user(patch, ADMIN)
            asyncio.run(grant_all(running))
        yield running


@pytest.fixture
def topic_prefix() -> str:
    """Prefix of topic names that no other test uses."""
    return f"test{next(_numbers)}"


@pytest.fixture(scope="session")
def recording(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A log, and what a worker published of it that nothing disturbed; not to be changed."""

    async def made() -> Recording:
        folder = tmp_path_factory.mktemp("recorded")
        return await record(await prepare(broker.bootstrap, "recorded"), folder)

    return asyncio.run(made())
