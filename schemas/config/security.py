"""How a client of the broker shows who it is and whom it trusts, and where the brokers are."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from tapeline.schemas.errors import UnusableError

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

SECURITY_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
SASL_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
TOKEN = "OAUTHBEARER"
USER_VARIABLE = "TAPELINE_KAFKA_USER"
PASSWORD_VARIABLE = "TAPELINE_KAFKA_PASSWORD"


class KafkaSecurityError(UnusableError, ValueError):
    """Security settings that do not go together.

    Attributes
    ----------
    key
        The setting to change.
    allowed
        What may stand there instead, and why.
    """

    def __init__(self, key: str, allowed: str) -> None:
        super().__init__(f"[kafka] {key}: allowed is {allowed}")
        self.key = key
        self.allowed = allowed

    def __reduce__(self) -> tuple[type[KafkaSecurityError], tuple[str, str]]:
        return (type(self), (self.key, self.allowed))


class KafkaSecurity(Struct, frozen=True, kw_only=True):
    """Security of the connection to the brokers, the same for every client.

    There is no secret in it: user and password are read from the environment variables
    ``TAPELINE_KAFKA_USER`` and ``TAPELINE_KAFKA_PASSWORD`` when a client is made.

    Attributes
    ----------
    sasl_mechanism
        Required with SASL_PLAINTEXT and SASL_SSL; "" without.
    token_command
        Program and arguments; for OAUTHBEARER, whose token it prints.
    ca_file
        PEM certificates of the authorities that sign the brokers'; "": those of the system.
    cert_file, key_file
        PEM certificate of this client and its private key, readable by its owner alone; "": none.

    Raises
    ------
    KafkaSecurityError
        When they do not go together.
    """

    security_protocol: SecurityProtocol = "PLAINTEXT"
    sasl_mechanism: SaslMechanism = ""
    token_command: tuple[str, ...] = ()
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    @property
    def by_sasl(self) -> bool:
        """Whether the client names itself by SASL."""
        return self.security_protocol.startswith("SASL_")

    @property
    def by_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.security_protocol.endswith("SSL")

    def __post_init__(self) -> None:
        if self.security_protocol not in SECURITY_PROTOCOLS:
            raise KafkaSecurityError("security_protocol", _one_of(SECURITY_PROTOCOLS))
        if self.sasl_mechanism not in ("", *SASL_MECHANISMS):
            raise KafkaSecurityError("sasl_mechanism", _one_of(SASL_MECHANISMS))
        if self.by_sasl and not self.sasl_mechanism:
            why = f"(security_protocol is {self.security_protocol})"
            raise KafkaSecurityError("sasl_mechanism", f"{_one_of(SASL_MECHANISMS)} {why}")
        if self.sasl_mechanism and not self.by_sasl:
            why = "(sasl_mechanism is given)"
            raise KafkaSecurityError("security_protocol", f'"SASL_SSL" or "SASL_PLAINTEXT" {why}')
        if self.sasl_mechanism == TOKEN and not self.token_command:
            raise KafkaSecurityError(
                "token_command", f'program and arguments (sasl_mechanism is "{TOKEN}")'
            )
        if self.token_command and self.sasl_mechanism != TOKEN:
            raise KafkaSecurityError("sasl_mechanism", f'"{TOKEN}" (token_command is given)')
        for key in ("ca_file", "cert_file", "key_file"):
            if getattr(self, key) and not self.by_tls:
                allowed = f'"SASL_SSL" or "SSL" ({key} is given)'
                raise KafkaSecurityError("security_protocol", allowed)
        for key, other in (("key_file", "cert_file"), ("cert_file", "key_file")):
            if getattr(self, other) and not getattr(self, key):
                raise KafkaSecurityError(key, f"a file ({other} is given)")


class Brokers(Struct, frozen=True):
    """Brokers to begin with, and the security of every connection to them."""

    bootstrap: str
    security: KafkaSecurity = KafkaSecurity()

    def __str__(self) -> str:
        return self.bootstrap


def _one_of(choices: tuple[str, ...]) -> str:
    return " or ".join(f'"{choice}"' for choice in choices)
