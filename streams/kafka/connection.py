"""Where the broker is, and what it means when it does not answer or refuses."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    AuthenticationFailedError,
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NodeNotReadyError,
    RequestTimedOutError,
    TopicAuthorizationFailedError,
)

from tapeline.schemas.config.model import KafkaConfig
from tapeline.schemas.config.values import ConfigKey, read_bootstrap
from tapeline.streams.errors import BrokerError

ADMIN_TIMEOUT_MS = 15_000
COMMITTED = "read_committed"
"""Isolation level of every consumer: what a transaction wrote that is open or was aborted is no
record, the end of a partition is that of what is committed, and offsets may have gaps."""
REFUSALS = (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)
NO_ANSWERS = (KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError, RequestTimedOutError)


def broker_address(kafka: KafkaConfig, option: str | None) -> str:
    """Bootstrap servers: those of the option ``--bootstrap``, else those of the configuration.

    Raises
    ------
    ConfigError
        When the option is no such address.
    """
    if option is None:
        return kafka.bootstrap
    return read_bootstrap(option, ConfigKey("the command line", "--bootstrap"))


def quiet_client() -> None:
    """Keep the client's own messages off the terminal: what matters comes as an error."""
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())


@contextmanager
def plain_errors(bootstrap: str, doing: str) -> Iterator[None]:
    """Turn what the client raises into one sentence.

    Parameters
    ----------
    doing
        What goes on, such as ``making topics``.

    Raises
    ------
    BrokerError
        Instead of any error of the client, of the network or of a time limit.
    """
    try:
        yield
    except REFUSALS as error:
        raise BrokerError(
            f"{doing}: the broker at {bootstrap} refuses: {error_text(error)};"
            " ask its operator for the right"
        ) from error
    except (TimeoutError, *NO_ANSWERS, OSError) as error:
        raise BrokerError(
            f"{doing}: no answer from a broker at {bootstrap} ({error_text(error)});"
            " start it, or name another by --bootstrap or [kafka] bootstrap"
        ) from error
    except KafkaError as error:
        raise BrokerError(
            f"{doing}: the broker at {bootstrap} failed: {error_text(error)}"
        ) from error


def error_text(error: BaseException) -> str:
    """Name of a client's error and its text, without its tuple."""
    name = type(error).__name__
    text = ": ".join(str(part) for part in error.args if part)
    if isinstance(error, BrokerResponseError) and not text:
        text = str(error.description)
    return f"{name}: {text}" if text else name


@asynccontextmanager
async def admin_client(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client for administration, closed at the end."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=ADMIN_TIMEOUT_MS)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def administered(bootstrap: str, doing: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client for administration, whose errors are one sentence; see `plain_errors`."""
    with plain_errors(bootstrap, doing):
        async with admin_client(bootstrap) as admin:
            yield admin
