"""Faust connects with the same security as the clients that are made here."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.schemas.config.security import PASSWORD_VARIABLE, USER_VARIABLE, KafkaSecurity
from tapeline.streams.kafka.security import CommandTokens, CredentialsError
from tapeline.streams.worker.bridge.credentials import broker_credentials

PASSWORD = "secret-7f3a9c"


def test_a_plain_connection_has_none() -> None:
    assert broker_credentials(KafkaSecurity()) is None


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_user_and_password_are_those_of_the_environment(
    mechanism: Any, protocol: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    security = KafkaSecurity(security_protocol=protocol, sasl_mechanism=mechanism)
    with pytest.raises(CredentialsError):
        broker_credentials(security)
    monkeypatch.setenv(USER_VARIABLE, "desk")
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    given = broker_credentials(security)
    assert (given.username, given.password) == ("desk", PASSWORD)
    assert (given.mechanism.value, given.protocol.value) == (mechanism, protocol)
    assert (given.ssl_context is not None) == (protocol == "SASL_SSL")
    assert PASSWORD not in repr(given)


def test_tls_alone_is_a_context() -> None:
    given = broker_credentials(KafkaSecurity(security_protocol="SSL"))
    assert given.protocol.value == "SSL"
    assert given.context.check_hostname


def test_tokens_are_asked_of_the_command() -> None:
    security = KafkaSecurity(
        security_protocol="SASL_SSL", sasl_mechanism="OAUTHBEARER", token_command=("echo", "a.b.c")
    )
    given = broker_credentials(security)
    assert isinstance(given.oauth_cb, CommandTokens)
    assert given.protocol.value == "SASL_SSL"
