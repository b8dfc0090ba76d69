"""What a client is given to connect, and what keeps it from being made."""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tapeline.schemas.config.security import PASSWORD_VARIABLE, USER_VARIABLE, KafkaSecurity
from tapeline.streams.kafka.security import (
    CommandTokens,
    CredentialsError,
    TokenCommandError,
    security_settings,
)
from tests.kafka.certificates import Authority, require_openssl

PASSWORD = "secret-7f3a9c"


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(USER_VARIABLE, "desk")
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)


@pytest.fixture
def signed(tmp_path: Path) -> dict[str, Any]:
    """Files of a client with a certificate."""
    require_openssl()
    authority = Authority(tmp_path / "authority")
    certificate, key = authority.sign("client")
    return {
        "ca_file": str(authority.certificate),
        "cert_file": str(certificate),
        "key_file": str(key),
    }


def sasl(mechanism: Any, **others: Any) -> KafkaSecurity:
    return KafkaSecurity(
        security_protocol=others.pop("protocol", "SASL_SSL"), sasl_mechanism=mechanism, **others
    )


def test_a_plain_client_is_given_nothing_else() -> None:
    assert security_settings(KafkaSecurity()) == {"security_protocol": "PLAINTEXT"}


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_user_and_password_come_from_the_environment(mechanism: str, protocol: str) -> None:
    security = sasl(mechanism, protocol=protocol)
    given = security_settings(security)
    assert (given["sasl_plain_username"], given["sasl_plain_password"]) == ("desk", PASSWORD)
    assert (given["sasl_mechanism"], given["security_protocol"]) == (mechanism, protocol)
    assert ("ssl_context" in given) == (protocol == "SASL_SSL")


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("variable", [USER_VARIABLE, PASSWORD_VARIABLE])
def test_a_variable_that_is_missing_is_named(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable)
    with pytest.raises(
        CredentialsError, match=f"set the environment variable {variable}$"
    ) as caught:
        security_settings(sasl("PLAIN"))
    assert PASSWORD not in str(caught.value)


def test_a_client_with_a_certificate_shows_it(signed: dict[str, Any]) -> None:
    security = KafkaSecurity(security_protocol="SSL", **signed)
    given = security_settings(security)
    assert set(given) == {"security_protocol", "ssl_context"}
    assert [each["subject"] for each in given["ssl_context"].get_ca_certs()] == [
        ((("commonName", "Authority of tests"),),)
    ]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_key_that_others_may_use_is_refused(signed: dict[str, Any], mode: int) -> None:
    Path(signed["key_file"]).chmod(mode)
    with pytest.raises(CredentialsError, match=rf"mode {mode:04o}\); .*chmod 600"):
        security_settings(KafkaSecurity(security_protocol="SSL", **signed))


def test_a_key_with_a_password_is_refused_and_not_asked_for(signed: dict[str, Any]) -> None:
    key = Path(signed["key_file"])
    locked = key.with_suffix(".locked")
    command = ["openssl", "pkey", "-in", str(key), "-aes256", "-passout", "pass:x"]
    subprocess.run([*command, "-out", str(locked)], check=True, capture_output=True)
    locked.chmod(0o600)
    signed["key_file"] = str(locked)
    with pytest.raises(CredentialsError, match="the key has a password"):
        security_settings(KafkaSecurity(security_protocol="SSL", **signed))


@pytest.mark.parametrize("key", ["ca_file", "cert_file", "key_file"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_that_cannot_be_used_is_named(
    signed: dict[str, Any], tmp_path: Path, key: str, content: str | None
) -> None:
    path = tmp_path / "other.pem"
    if content is not None:
        path.write_text(content, "utf-8")
        path.chmod(0o600)
    signed[key] = str(path)
    with pytest.raises(CredentialsError) as caught:
        security_settings(KafkaSecurity(security_protocol="SSL", **signed))
    assert f"[kafka] {key} {path}" in str(caught.value).replace(", key_file", " [kafka] key_file")


@pytest.mark.usefixtures("known")
def test_a_log_at_its_finest_level_has_no_password(caplog: pytest.LogCaptureFixture) -> None:
    security_settings(sasl("PLAIN"))
    caplog.set_level(logging.DEBUG, "aiokafka.conn")
    logger = logging.getLogger("aiokafka.conn")
    logger.debug("Request to %s: %s", "127.0.0.1:9092", PASSWORD)
    logger.info("Authenticated")
    assert [each.getMessage() for each in caplog.records] == ["Authenticated"]


async def test_a_token_is_what_the_command_prints() -> None:
    assert await CommandTokens(("echo", "a.b.c")).token() == "a.b.c"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("sh", "-c", "echo secret-7f3a9c; exit 3"), "ended with exit code 3"),
        (("true",), "printed no token, or more than one"),
        (("echo", "secret-7f3a9c", "more"), "printed no token, or more than one"),
        (("printf", "\\377"), "printed no token"),
        ((os.devnull,), "cannot be run: "),
    ],
)
async def test_a_command_that_gives_no_token_is_named_without_what_it_printed(
    command: tuple[str, ...], expected: str
) -> None:
    with pytest.raises(TokenCommandError, match=expected) as caught:
        await CommandTokens(command).token()
    assert PASSWORD not in str(caught.value)
    assert caught.value.exit_code == 2


async def test_a_command_that_does_not_end_is_ended() -> None:
    with pytest.raises(TokenCommandError, match="did not end in 0 s"):
        await CommandTokens(("sleep", "60"), limit_s=0.1).token()


def test_tokens_of_a_client_come_from_the_command() -> None:
    given = security_settings(sasl("OAUTHBEARER", token_command=("echo", "a.b.c")))
    assert isinstance(given["sasl_oauth_token_provider"], CommandTokens)
    assert "sasl_plain_password" not in given
