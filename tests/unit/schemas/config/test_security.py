"""Security settings that go together, and those that do not."""

from __future__ import annotations

import pickle
from pathlib import Path

import msgspec
import pytest

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.model import ConfigError, built_in_config, config_hash
from tapeline.schemas.config.rendering import to_toml
from tapeline.schemas.config.security import Brokers, KafkaSecurity, KafkaSecurityError

SASL = "[kafka]\nsecurity_protocol = 'SASL_SSL'\n"
ALL = (
    f"{SASL}sasl_mechanism = 'OAUTHBEARER'\ntoken_command = ['get-token', '']\n"
    "ca_file = 'ca.pem'\ncert_file = '../client.pem'\nkey_file = '/etc/desk/client.key'"
)


def test_a_client_is_plain_unless_the_file_says_otherwise() -> None:
    kafka = built_in_config().kafka
    assert kafka.brokers == Brokers("127.0.0.1:9092", KafkaSecurity())
    assert not kafka.security.by_tls
    assert not kafka.security.by_sasl
    assert str(kafka.brokers) == "127.0.0.1:9092"


def test_files_are_found_from_the_folder_of_the_configuration() -> None:
    security = read_config(ALL, "desk/tapeline.toml").kafka.security
    here = Path.cwd()
    assert security.ca_file == str(here / "desk" / "ca.pem")
    assert security.cert_file == str(here / "desk" / ".." / "client.pem")
    assert security.key_file == "/etc/desk/client.key"
    assert security.token_command == ("get-token", "")


def test_printed_settings_read_back_from_any_folder() -> None:
    config = read_config(ALL, "desk/tapeline.toml")
    assert read_config(to_toml(config), "other/tapeline.toml") == config


def test_security_is_in_no_hash_of_the_configuration() -> None:
    assert config_hash(read_config(ALL, "tapeline.toml")) == config_hash(built_in_config())


def test_no_field_holds_a_secret() -> None:
    fields = {each.name for each in msgspec.structs.fields(KafkaSecurity)}
    assert fields == {
        *("security_protocol", "sasl_mechanism", "token_command"),
        *("ca_file", "cert_file", "key_file"),
    }


@pytest.mark.parametrize("key", ["user", "password", "sasl_plain_password"])
def test_a_user_or_password_in_the_file_is_refused(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(f"[kafka]\n{key} = 'x'", "tapeline.toml")
    assert caught.value.key == f"kafka.{key}"


FAULTS = [
    (SASL, "sasl_mechanism", '"PLAIN" or "SCRAM-SHA-256" or'),
    ("[kafka]\nsasl_mechanism = 'PLAIN'", "security_protocol", "(sasl_mechanism is given)"),
    (f"{SASL}sasl_mechanism = 'OAUTHBEARER'", "token_command", "program and arguments"),
    (f"{SASL}sasl_mechanism = 'PLAIN'\ntoken_command = ['x']", "sasl_mechanism", "OAUTHBEARER"),
    ("[kafka]\nca_file = 'ca.pem'", "security_protocol", "(ca_file is given)"),
    (
        "[kafka]\nsecurity_protocol = 'SSL'\ncert_file = 'c.pem'",
        "key_file",
        "a file (cert_file is given)",
    ),
    (
        "[kafka]\nsecurity_protocol = 'SSL'\nkey_file = 'c.key'",
        "cert_file",
        "a file (key_file is given)",
    ),
]


@pytest.mark.parametrize(("text", "key", "allowed"), FAULTS)
def test_settings_that_do_not_go_together_name_the_one_to_change(
    text: str, key: str, allowed: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(text, "tapeline.toml")
    assert caught.value.key == f"kafka.{key}"
    assert allowed in caught.value.allowed


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"security_protocol": "TLS"}, "security_protocol"),
        ({"security_protocol": "SASL_SSL", "sasl_mechanism": "GSSAPI"}, "sasl_mechanism"),
        ({"security_protocol": "SASL_SSL"}, "sasl_mechanism"),
    ],
)
def test_a_program_gets_the_same_errors(given: dict[str, str], key: str) -> None:
    with pytest.raises(KafkaSecurityError) as caught:
        KafkaSecurity(**given)  # type: ignore[arg-type]
    assert caught.value.key == key
    assert str(caught.value).startswith(f"[kafka] {key}: allowed is ")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("key", "written"),
    [
        *(("security_protocol", value) for value in ('"ssl"', '""', "true")),
        *(("sasl_mechanism", value) for value in ('"GSSAPI"', '"plain"', "1")),
        *(("token_command", value) for value in ('"get-token"', "[1]", '[""]')),
        *(("ca_file", value) for value in ("1", "[]", '"a\\u0000b"')),
    ],
)
def test_a_wrong_value_is_named(key: str, written: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(f"[kafka]\n{key} = {written}", "tapeline.toml")
    assert caught.value.key.startswith(f"kafka.{key}")
