"""A broker that asks every client who it is and lets it do what it has the right to, no more."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from aiokafka.protocol.admin import CreateAclsRequest

from tapeline.schemas.config.security import Brokers, KafkaSecurity
from tapeline.streams.kafka.connection import admin_client
from tests.kafka.broker import Broker, free_ports
from tests.kafka.certificates import Authority

LOOPBACK = "127.0.0.1"
ADMIN = "admin"
# Numbers of the protocol.
TOPIC, GROUP, CLUSTER = 2, 3, 4
LITERAL, PREFIXED = 3, 4
DENY, ALLOW = 2, 3
ALL, READ, WRITE, CREATE, DELETE, DESCRIBE = 2, 3, 4, 5, 6, 8
DESCRIBE_CONFIGS = 10
CLUSTER_NAME = "kafka-cluster"
OF_TOPICS = (READ, WRITE, CREATE, DELETE, DESCRIBE, DESCRIBE_CONFIGS)

Acl = tuple[int, str, int, int, int]
"""Kind and name of the resource, whether the name is a prefix, operation, permission."""


class SecuredBroker(Broker):
    """One node with a listener for each way to get in.

    Parameters
    ----------
    users
        Passwords by user of PLAIN and SCRAM; the admin's is one of them.

    Attributes
    ----------
    authority
        Of all its certificates.
    mutual, token, expired
        Addresses of the listeners that ask for a certificate, for a token, and that show a
        certificate which has expired. `bootstrap` is that for users.
    """

    def __init__(self, folder: Path, users: Mapping[str, str]) -> None:
        super().__init__(folder / "broker")
        self.authority = Authority(folder / "authority")
        self._users = dict(users)
        internal, expired, mutual, token = free_ports(4)
        self.mutual = f"{LOOPBACK}:{mutual}"
        self.token = f"{LOOPBACK}:{token}"
        self.expired = f"{LOOPBACK}:{expired}"
        ports = {
            "USERS": self._port,
            "INTERNAL": internal,
            "EXPIRED": expired,
            "MUTUAL": mutual,
            "TOKEN": token,
        }
        self._settings = self._secured(ports)
        for user, password in users.items():
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                self._format_options += [
                    "--add-scram",
                    f"{mechanism}=[name={user},password={password}]",
                ]

    def security(self, mechanism: str = "SCRAM-SHA-512", **others: str) -> KafkaSecurity:
        """What a client of the listener for users is given."""
        given = {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": mechanism,
            "ca_file": str(self.authority.certificate),
            **others,
        }
        return KafkaSecurity(**given)  # type: ignore[arg-type]

    async def grant(self, rights: Mapping[str, Sequence[Acl]]) -> None:
        """Give users rights, or take them away; needs the admin's password in the environment."""
        async with admin_client(Brokers(self.bootstrap, self.security())) as admin:
            client = admin._client
            sent = [
                client.send(
                    client.get_random_node(),
                    CreateAclsRequest(
                        kind, name, pattern, f"User:{user}", "*", operation, permission
                    ),
                )
                for user, acls in rights.items()
                for kind, name, pattern, operation, permission in acls
            ]
            for answer in await asyncio.gather(*sent):
                assert answer.creation_responses[0][0] == 0, answer

    def _secured(self, ports: Mapping[str, int]) -> dict[str, str]:
        package = "org.apache.kafka.common.security"
        known = " ".join(f'user_{user}="{word}"' for user, word in self._users.items())
        own = f'username="{ADMIN}" password="{self._users[ADMIN]}"'
        plain = f"{package}.plain.PlainLoginModule required {own} {known};"
        scram = f"{package}.scram.ScramLoginModule required;"
        module = f"{package}.oauthbearer.OAuthBearerLoginModule"
        bearer = f'{module} required unsecuredLoginStringClaim_sub="x";'
        addresses = [f"{name}://{LOOPBACK}:{port}" for name, port in ports.items()]
        controller = f"CONTROLLER://{LOOPBACK}:{self._controller_port}"
        good, old = self.authority.key_store("broker"), self.authority.key_store("old", days=-1)
        settings = {
            "listeners": ",".join([*addresses, controller]),
            "advertised.listeners": ",".join(addresses),
            "listener.security.protocol.map": "USERS:SASL_SSL,EXPIRED:SASL_SSL,TOKEN:SASL_SSL,"
            "MUTUAL:SSL,INTERNAL:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
            "inter.broker.listener.name": "INTERNAL",
            "sasl.enabled.mechanisms": "PLAIN",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "sasl.mechanism.controller.protocol": "PLAIN",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{ADMIN}",
            "listener.name.internal.plain.sasl.jaas.config": plain,
            "listener.name.controller.plain.sasl.jaas.config": plain,
            "listener.name.token.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.token.oauthbearer.sasl.jaas.config": bearer,
            "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.mutual.ssl.truststore.type": "PEM",
            "listener.name.mutual.ssl.truststore.location": str(self.authority.certificate),
        }
        for name in ("users", "expired"):
            of = f"listener.name.{name}"
            settings[f"{of}.sasl.enabled.mechanisms"] = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
            settings[f"{of}.plain.sasl.jaas.config"] = plain
            settings[f"{of}.scram-sha-256.sasl.jaas.config"] = scram
            settings[f"{of}.scram-sha-512.sasl.jaas.config"] = scram
        stores = {"users": good, "token": good, "mutual": good, "expired": old}
        for name, store in stores.items():
            settings[f"listener.name.{name}.ssl.keystore.type"] = "PEM"
            settings[f"listener.name.{name}.ssl.keystore.location"] = str(store)
        return settings


def all_rights(prefix: str) -> list[Acl]:
    """What every command together needs of topics and groups whose names begin with a prefix."""
    topics = [(TOPIC, prefix, PREFIXED, operation, ALLOW) for operation in OF_TOPICS]
    groups = [(GROUP, prefix, PREFIXED, operation, ALLOW) for operation in (READ, DESCRIBE)]
    return [*topics, *groups]
