"""Clients of the broker are made in one place, so that all of them have the same security."""

from __future__ import annotations

import ast

import pytest

from tests.house.source_tree import PACKAGES, ROOT, modules

pytestmark = pytest.mark.source_tree

CLIENTS = {
    "AIOKafkaAdminClient",
    "AIOKafkaClient",
    "AIOKafkaConsumer",
    "AIOKafkaProducer",
    "create_conn",
}
FACTORY = "streams/kafka/connection.py"
# The client of the worker's group is made by Faust, with what this module gives it.
OF_FAUST = "streams/worker/bridge/credentials.py"
# A program without Tapeline.
WITHOUT_TAPELINE = "examples/plain_consumer.py"


def made_clients(source: str) -> list[str]:
    """Clients of aiokafka that a module makes or inherits from, in their order."""
    found = []
    for node in ast.walk(ast.parse(source)):
        named: list[ast.expr] = []
        if isinstance(node, ast.Call):
            named = [node.func]
        elif isinstance(node, ast.ClassDef):
            named = node.bases
        for each in named:
            name = each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "")
            if name in CLIENTS:
                found.append(name)
    return found


def test_no_other_module_makes_a_client_of_the_broker() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): made
        for path in modules(*PACKAGES, "examples")
        if (made := made_clients(path.read_text("utf-8")))
    }
    assert sorted(found.pop(FACTORY)) == sorted(CLIENTS - {"AIOKafkaClient"})
    assert found == {WITHOUT_TAPELINE: ["AIOKafkaConsumer"]}


def test_every_consumer_reads_what_is_committed() -> None:
    for name in (FACTORY, WITHOUT_TAPELINE):
        calls = [
            node
            for node in ast.walk(ast.parse((ROOT / name).read_text("utf-8")))
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "AIOKafkaConsumer"
        ]
        given = [{each.arg for each in call.keywords} for call in calls]
        assert [each & {"isolation_level"} for each in given] == [{"isolation_level"}], name


def test_faust_is_given_the_same_security() -> None:
    assert "security_settings(" in (ROOT / OF_FAUST).read_text("utf-8")
    assert "broker_credentials(" in (ROOT / "streams/worker/app.py").read_text("utf-8")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("consumer = AIOKafkaConsumer(bootstrap_servers=a)", ["AIOKafkaConsumer"]),
        ("import aiokafka\nproducer = aiokafka.AIOKafkaProducer()", ["AIOKafkaProducer"]),
        ("async with AIOKafkaAdminClient(**settings) as admin: ...", ["AIOKafkaAdminClient"]),
        ("class Mine(AIOKafkaConsumer): ...", ["AIOKafkaConsumer"]),
        ("def read(consumer: AIOKafkaConsumer) -> None: ...", []),
        ("consumer = make_consumer(brokers)", []),
    ],
)
def test_a_client_that_is_made_elsewhere_is_noticed(source: str, expected: list[str]) -> None:
    if source.startswith("async"):
        source = f"async def f():\n    {source}"
    assert made_clients(source) == expected
