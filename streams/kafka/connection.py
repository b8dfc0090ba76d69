"""The only place where clients of the broker are made, and what it means when it refuses them."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NodeNotReadyError,
    NoError,
    RequestTimedOutError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.admin import ApiVersionRequest

from tapeline.schemas.config.model import KafkaConfig
from tapeline.schemas.config.security import (
    PASSWORD_VARIABLE,
    TOKEN,
    USER_VARIABLE,
    Brokers,
    KafkaSecurity,
)
from tapeline.schemas.config.values import ConfigKey, read_bootstrap
from tapeline.streams.errors import BrokerError, BrokerRefusalError
from tapeline.streams.kafka.security import TokenCommandError, security_settings

ADMIN_TIMEOUT_MS = 15_000
PROBE_TIMEOUT_MS = 5_000
COMMITTED = "read_committed"
"""Isolation level of every consumer: what a transaction wrote that is open or was aborted is no
record, the end of a partition is that of what is committed, and offsets may have gaps."""
DENIALS = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)
"""What this user may not do."""
SASL_FAULTS = (
    AuthenticationFailedError,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
REFUSALS = (*DENIALS, *SASL_FAULTS, ssl.SSLError)
NO_ANSWERS = (KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError, RequestTimedOutError)
EXPIRED, NOT_YET_VALID = 10, 9
UNTRUSTED = (2, 18, 19, 20, 21)
OTHER_HOST = (62, 64)
"""Numbers of OpenSSL for what is wrong with a certificate."""


def brokers_of(kafka: KafkaConfig, option: str | None) -> Brokers:
    """The brokers of the option ``--bootstrap``, else those of the configuration.

    Raises
    ------
    ConfigError
        When the option is no such address.
    """
    if option is None:
        return kafka.brokers
    address = read_bootstrap(option, ConfigKey("the command line", "--bootstrap"))
    return Brokers(address, kafka.security)


def quiet_client() -> None:
    """Keep the client's own messages off the terminal: what matters comes as an error."""
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())


def client_settings(brokers: Brokers) -> dict[str, Any]:
    """Arguments of every client of aiokafka.

    Raises
    ------
    CredentialsError
        When user or password are not in the environment, or a file cannot be used.
    """
    return {"bootstrap_servers": brokers.bootstrap, **security_settings(brokers.security)}


def make_consumer(brokers: Brokers, *topics: str, **settings: Any) -> AIOKafkaConsumer:
    """A consumer, not started: it reads what is committed, and commits nothing by itself."""
    return AIOKafkaConsumer(
        *topics,
        enable_auto_commit=False,
        isolation_level=COMMITTED,
        **client_settings(brokers),
        **settings,
    )


def make_producer(brokers: Brokers, **settings: Any) -> AIOKafkaProducer:
    """A producer, not started, that repeats and loses nothing: idempotent, all copies acknowledge.

    It does not wait for more to fill a batch.
    """
    return AIOKafkaProducer(
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        **client_settings(brokers),
        **settings,
    )


@asynccontextmanager
async def admin_client(brokers: Brokers) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client for administration, closed at the end."""
    admin = AIOKafkaAdminClient(request_timeout_ms=ADMIN_TIMEOUT_MS, **client_settings(brokers))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def administered(brokers: Brokers, doing: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client for administration, whose errors are one sentence; see `plain_errors`."""
    async with plain_errors(brokers, doing), admin_client(brokers) as admin:
        yield admin


@asynccontextmanager
async def plain_errors(brokers: Brokers, doing: str) -> AsyncIterator[None]:
    """Turn what the client raises into one sentence.

    Parameters
    ----------
    doing
        What goes on, such as ``making topics``.

    Raises
    ------
    BrokerRefusalError
        When the broker, or this client, refuses the other: a right, a password, a certificate.
    BrokerError
        Instead of any other error of the client, of the network or of a time limit.
    """
    try:
        yield
    except (KafkaError, OSError) as error:
        raise await plain_error(brokers, doing, error) from error


async def plain_error(brokers: Brokers, doing: str, error: Exception) -> BrokerError:
    """The error that names in one sentence what a client's error means.

    A client that cannot connect does not name the cause: one more connection is made to find it.
    """
    refused = refusal_error(brokers, doing, error)
    if refused is None and isinstance(error, (TimeoutError, *NO_ANSWERS, OSError)):
        reachable, cause = await connection_fault(brokers, error)
        refused = refusal_error(brokers, doing, cause)
        if refused is None:
            return BrokerError(
                f"{doing}: no answer from a broker at {brokers} ({error_text(error)});"
                f" {_silence(brokers, reachable)}"
            )
    if refused is None:
        return BrokerError(f"{doing}: the broker at {brokers} failed: {error_text(error)}")
    return refused


def refusal_error(
    brokers: Brokers, doing: str, error: BaseException | None
) -> BrokerRefusalError | None:
    """The error that names in one sentence what was refused; None where an error is no refusal."""
    cause = refusal_of(error)
    return None if cause is None else BrokerRefusalError(f"{doing}: {_refusal(brokers, cause)}")


def refusal_of(error: BaseException | None) -> BaseException | None:
    """The refusal that an error is, or comes from; None where it is none."""
    while error is not None and not isinstance(error, REFUSALS):
        error = error.__cause__
    return error


async def connection_fault(brokers: Brokers, error: Exception) -> tuple[bool, BaseException | None]:
    """Connect to each of the brokers to begin with, until one refuses.

    Not after a client's `error` that tells enough: a plain one that was not answered in time.

    Returns
    -------
    tuple[bool, BaseException | None]
        Whether something listens at one of the addresses, and what it refuses for.
    """
    reachable = False
    if brokers.security == KafkaSecurity() and not isinstance(error, KafkaConnectionError):
        return reachable, None
    settings = client_settings(brokers)
    for host, port, _ in collect_hosts(settings.pop("bootstrap_servers")):
        try:
            connection = await create_conn(
                host, port, request_timeout_ms=PROBE_TIMEOUT_MS, **settings
            )
        except (KafkaError, OSError) as found:
            cause = refusal_of(found)
            if cause is not None:
                return True, cause
            # A closed connection was one.
            reachable = reachable or isinstance(found, KafkaConnectionError)
            continue
        reachable = True
        try:
            # A refused token is answered in a way that the client passes over; the broker then
            # answers the next request with an error.
            answer = await connection.send(ApiVersionRequest())
            if answer.error_code != NoError.errno and brokers.security.sasl_mechanism == TOKEN:
                return True, AuthenticationFailedError()
        except (KafkaError, OSError):
            continue
        finally:
            connection.close()
    return reachable, None


def error_text(error: BaseException) -> str:
    """Name of a client's error and its text, without its tuple."""
    name = type(error).__name__
    text = ": ".join(str(part) for part in error.args if part)
    if isinstance(error, BrokerResponseError) and not text:
        text = str(error.description)
    return f"{name}: {text}" if text else name


def _silence(brokers: Brokers, reachable: bool) -> str:
    if reachable:
        return (
            "a server is there and hangs up: if that port asks for TLS or a password, set [kafka]"
            f" security_protocol, which is {brokers.security.security_protocol}"
        )
    return "start it, or name another by --bootstrap or [kafka] bootstrap"


def _refusal(brokers: Brokers, cause: BaseException) -> str:
    security = brokers.security
    if isinstance(cause, TokenCommandError):
        return f"{cause.args[0]}; run it by hand to see why"
    if isinstance(cause, SaslAuthenticationFailed | AuthenticationFailedError):
        what = f"the broker at {brokers} refuses who we are ({security.sasl_mechanism}); "
        if security.sasl_mechanism == TOKEN:
            return f"{what}look at the token that [kafka] token_command prints"
        return f"{what}set {USER_VARIABLE} and {PASSWORD_VARIABLE} to a user that it knows"
    if isinstance(cause, SASL_FAULTS):
        return (
            f"the broker at {brokers} does not take {security.sasl_mechanism} over"
            f" {security.security_protocol}; set [kafka] sasl_mechanism and security_protocol to"
            " what that port takes"
        )
    if isinstance(cause, ssl.SSLError):
        return _tls_refusal(brokers, cause)
    return (
        f"the broker at {brokers} refuses {_denied(cause)};"
        " ask its operator for the right (docs/operations.md lists those of each command)"
    )


def _denied(cause: BaseException) -> str:
    if isinstance(cause, ClusterAuthorizationFailedError):
        # A producer is refused so that may write to no topic at all.
        return f"us the cluster, or to write to any topic ({type(cause).__name__})"
    what = "group" if isinstance(cause, GroupAuthorizationFailedError) else "topic"
    return f"us a {what} ({error_text(cause)})"


def _tls_refusal(brokers: Brokers, cause: ssl.SSLError) -> str:
    authority = brokers.security.ca_file or "the authorities of the system"
    certificate = f"the certificate of the broker at {brokers}"
    code = cause.verify_code if isinstance(cause, ssl.SSLCertVerificationError) else None
    if code == EXPIRED:
        return f"{certificate} has expired; its operator has to renew it"
    if code == NOT_YET_VALID:
        return f"{certificate} is not valid yet; look at the clock of this machine"
    if code in UNTRUSTED:
        return (
            f"{certificate} is not signed by {authority};"
            " name the file of its authority by [kafka] ca_file"
        )
    if code in OTHER_HOST:
        return f"{certificate} is of another host; name the broker by --bootstrap as it does"
    reason = (cause.reason or str(cause)).replace("_", " ").lower()
    if "alert" in reason and "protocol" not in reason:
        return (
            f"the broker at {brokers} refuses our certificate ({reason});"
            " name one that it trusts by [kafka] cert_file and key_file"
        )
    return (
        f"no TLS with the broker at {brokers} ({reason});"
        f" is [kafka] security_protocol {brokers.security.security_protocol} right for that port?"
    )
