"""The users of the secured broker: their passwords, their rights, and one user's place."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from tapeline.schemas.codec import encode
from tapeline.schemas.config.model import Config, built_in_config
from tapeline.schemas.config.rendering import to_toml
from tapeline.schemas.config.security import PASSWORD_VARIABLE, USER_VARIABLE, KafkaSecurity
from tapeline.schemas.topics import input_log, topic_of
from tapeline.streams.kafka.administration import create_topics
from tapeline.streams.kafka.connection import make_producer
from tests.kafka.acme import acme_log
from tests.kafka.rights import DENIED, LEAST, OF_WORKERS, PREFIX
from tests.kafka.secured import ADMIN, SecuredBroker, all_rights
from tests.unit.streams.embedded.books import row, write

USER = "desk"
ROBOT = "robot"
PASSWORDS = {name: f"secret-of-{name}-7f3a9c" for name in (ADMIN, USER)}


class Desk(NamedTuple):
    """One user's place: a folder with a configuration, a table of bars, and a password."""

    folder: Path
    user: str
    config: Config

    @property
    def environment(self) -> dict[str, str]:
        return environment_of(self.user)

    def words(self, command: str) -> list[str]:
        """The arguments of a command by its short name."""
        prefix = self.config.kafka.topic_prefix
        words = {
            "create": ["topics", "create"],
            "describe": ["topics", "describe"],
            "publish": ["publish", "--bars", f"ACME={self.folder / 'acme.csv'}"],
            "tail": ["tail", topic_of("derived_bar", prefix)],
            "state": ["state", "--json"],
            "replay": ["replay", "--out", str(self.folder / "replayed")],
            "to_topics": ["replay", "--to-topics", "--run-id", "one"],
            "runs": ["runs", "list", "--json"],
            "drill": ["drill", "--minutes", "0.1", "--kill-every", "2", "--json"],
        }
        return [*words[command], "--config", str(self.folder / "tapeline.toml")]


def environment_of(user: str, password: str | None = None) -> dict[str, str]:
    return {USER_VARIABLE: user, PASSWORD_VARIABLE: password or PASSWORDS.get(user, user)}


def as_user(patch: pytest.MonkeyPatch, user: str, password: str | None = None) -> None:
    for name, value in environment_of(user, password).items():
        patch.setenv(name, value)


def users_broker(folder: Path) -> SecuredBroker:
    """The broker, not started, that knows all users."""
    users = {**PASSWORDS, **{name: name for name in (*DENIED, *LEAST)}}
    return SecuredBroker(folder, users)


async def grant_all(broker: SecuredBroker) -> None:
    """What they may do; needs the admin's password in the environment."""
    rights = {user: all_rights(PREFIX) for user in (USER, ROBOT, "CN=client")}
    rights.update(LEAST)
    for name, (prefix, denied) in DENIED.items():
        rights[name] = [*all_rights(prefix), *denied]
    await broker.grant(rights)
    await asyncio.gather(*(begin_log(broker, DENIED[user][0]) for user in OF_WORKERS))


async def begin_log(broker: SecuredBroker, prefix: str) -> None:
    kafka = configured(broker, prefix).kafka
    await create_topics(kafka, kafka.brokers)
    async with make_producer(kafka.brokers) as producer:
        log = input_log(prefix)
        sent = [await producer.send(log, encode(each), partition=0) for each in acme_log(1)[:20]]
        # What `tail` would find, if it had the right to.
        sent.append(await producer.send(topic_of("derived_bar", prefix), b"{}", b"id", partition=0))
        await asyncio.gather(*sent)


def configured(
    broker: SecuredBroker, prefix: str = PREFIX, security: KafkaSecurity | None = None
) -> Config:
    base = built_in_config()
    kafka = replace(
        base.kafka,
        bootstrap=broker.bootstrap,
        topic_prefix=prefix,
        partitions=1,
        security=security or broker.security(),
    )
    acme = replace(base.instruments["ES"], tick="0.01", calendar="XNYS", ranges=("prior_session",))
    return replace(base, kafka=kafka, instruments={**base.instruments, "ACME": acme})


def desk(folder: Path, user: str, config: Config) -> Desk:
    folder.mkdir(exist_ok=True)
    (folder / "tapeline.toml").write_text(to_toml(config), "utf-8")
    write(folder / "acme.csv", [row(minute) for minute in range(30)])
    return Desk(folder, user, config)


def assert_no_secret(text: str) -> None:
    for password in PASSWORDS.values():
        assert password not in text
        assert base64.b64encode(password.encode()).decode().rstrip("=") not in text
