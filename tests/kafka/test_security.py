"""Every command against a broker with TLS, passwords and ACLs; a refusal is one plain message."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from tapeline import BrokerRefusalError, Subscription
from tapeline.schemas.config.model import Config
from tapeline.schemas.config.security import KafkaSecurity
from tapeline.schemas.topics import (
    changelog_topic,
    input_log,
    topic_of,
    worker_app_id,
)
from tapeline.streams.cli import main as cli
from tapeline.streams.drill.worker_process import PLAIN_PROGRAM
from tests.kafka.certificates import Authority
from tests.kafka.hosts import FOLLOWS, HostProcess, with_strategy
from tests.kafka.rights import DENIED, OF_WORKERS, PREFIX
from tests.kafka.secured import SecuredBroker
from tests.kafka.users import (
    PASSWORDS,
    ROBOT,
    USER,
    Desk,
    as_user,
    assert_no_secret,
    configured,
    desk,
)
from tests.kafka.worker_process import PATIENCE_S, WorkerProcess, until_committed

# A connection that was refused the client closes, but does not wait until it is closed.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

TOKENS = (
    "import base64, json, time\n"
    "def part(each):\n"
    "    return base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b'=').decode()\n"
    "now = time.time()\n"
    f"claims = dict(sub='{ROBOT}', iat=now, exp=now + 600)\n"
    "print(part(dict(alg='none')) + '.' + part(claims) + '.')\n"
)
COMMANDS = ("describe", "publish", "tail", "replay", "drill")


@pytest.fixture(scope="module")
def broker(secured: SecuredBroker) -> SecuredBroker:
    """The broker, with all users and what they may do."""
    return secured


def tapeline(
    capsys: pytest.CaptureFixture[str], desk: Desk, command: str, password: str | None = None
) -> tuple[int, str, str]:
    """Run a command in this process; its exit code, and what it printed."""
    with pytest.MonkeyPatch.context() as patch:
        as_user(patch, desk.user, password)
        code = cli.main(desk.words(command))
    printed = capsys.readouterr()
    assert_no_secret(printed.out + printed.err)
    return code, printed.out, printed.err


def refused(shown: tuple[int, str, str]) -> str:
    """The one line of a command that a broker refused."""
    code, out, err = shown
    assert (code, out, err.count("\n")) == (2, "", 1), shown
    return err


async def test_every_command_works_over_tls_with_a_password_and_acls(
    broker: SecuredBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(broker)
    results = {}

    async def run(**users: str) -> None:
        for command, user in users.items():
            mine = desk(tmp_path, user, config)
            results[command] = shown = await asyncio.to_thread(tapeline, capsys, mine, command)
            assert shown[0] == 0, (command, shown)

    await run(create="maker", describe="maker", publish="feeder")
    with pytest.MonkeyPatch.context() as patch:
        as_user(patch, "worker")
        with WorkerProcess(config, tmp_path / "worker") as worker:
            as_user(patch, USER)
            await until_committed(config, [30], [worker])
            assert worker.drain() == 0, worker.output()
    hosting = with_strategy(config, tmp_path, "ACME")
    with pytest.MonkeyPatch.context() as patch:
        as_user(patch, "host")
        with HostProcess(hosting, tmp_path / "host") as host:
            # Where it begins is written by then.
            await host.until(FOLLOWS)
            assert host.drain() == 0, host.output()
    followed = await first_line(desk(tmp_path, "reader", config))
    await run(tail="reader", state=USER, replay="replayer", to_topics=USER, runs=USER)
    lines = results["tail"][1].splitlines()
    assert len(lines) >= 6
    assert followed.strip() == lines[0]
    assert set(lines) <= set(results["state"][1].splitlines())
    replayed = tmp_path / "replayed" / f"{topic_of('derived_bar', PREFIX)}.jsonl"
    assert replayed.read_text("utf-8").splitlines() == lines
    assert '"one"' in results["runs"][1]
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "manifest.json" for path in left)
    for path in left:
        assert_no_secret(path.read_bytes().decode("latin-1"))


async def first_line(desk: Desk) -> str:
    """What `tail --follow` shows first; then it is ended."""
    process = await asyncio.create_subprocess_exec(
        *PLAIN_PROGRAM[:-1], *desk.words("tail"), "--follow",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **desk.environment, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        line = await process.stdout.readline()
        process.terminate()
        _, err = await process.communicate()
    assert_no_secret(err.decode())
    return line.decode()


def test_a_drill_holds_with_its_workers(
    broker: SecuredBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = tapeline(capsys, desk(tmp_path, USER, configured(broker)), "drill")
    assert code == 0, out + err


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_another_mechanism_is_taken(
    broker: SecuredBroker, tmp_path: Path, mechanism: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(broker, security=broker.security(mechanism))
    shown = tapeline(capsys, desk(tmp_path, USER, config), "create")
    assert shown[0] == 0, shown


def test_a_client_with_a_certificate_needs_no_password(
    broker: SecuredBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate, key = broker.authority.sign("client")
    security = KafkaSecurity(
        security_protocol="SSL",
        ca_file=str(broker.authority.certificate),
        cert_file=str(certificate),
        key_file=str(key),
    )
    config = at(configured(broker, security=security), broker.mutual)
    mine = desk(tmp_path, "", config)
    assert tapeline(capsys, mine, "create")[0] == 0
    assert tapeline(capsys, mine, "publish")[0] == 0
    without = replace(security, cert_file="", key_file="")
    stranger = desk(tmp_path, "", replace(config, kafka=replace(config.kafka, security=without)))
    assert "refuses our certificate" in refused(tapeline(capsys, stranger, "publish"))


def at(config: Config, address: str) -> Config:
    return replace(config, kafka=replace(config.kafka, bootstrap=address))


@pytest.fixture
def tokens(broker: SecuredBroker) -> KafkaSecurity:
    return KafkaSecurity(
        security_protocol="SASL_SSL",
        sasl_mechanism="OAUTHBEARER",
        token_command=(sys.executable, "-c", TOKENS),
        ca_file=str(broker.authority.certificate),
    )


async def test_a_worker_and_commands_get_in_with_a_token(
    broker: SecuredBroker,
    tokens: KafkaSecurity,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mine = desk(tmp_path, "", at(configured(broker, f"{PREFIX}.token", tokens), broker.token))
    for command in ("create", "publish"):
        assert (await asyncio.to_thread(tapeline, capsys, mine, command))[0] == 0
    with WorkerProcess(mine.config, tmp_path / "worker") as worker:
        await until_committed(mine.config, [30], [worker])
        assert worker.drain() == 0
    assert len((await asyncio.to_thread(tapeline, capsys, mine, "tail"))[1].splitlines()) >= 6


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("echo", "a.b.c"), "look at the token that [kafka] token_command prints"),
        (("false",), "token_command 'false' ended with exit code 1; run it by hand to see why"),
        (("not-there",), "token_command 'not-there' cannot be run: No such file or directory"),
    ],
)
def test_a_token_that_is_none_is_one_plain_message(
    broker: SecuredBroker,
    tokens: KafkaSecurity,
    tmp_path: Path,
    command: tuple[str, ...],
    expected: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    security = replace(tokens, token_command=command)
    mine = desk(tmp_path, "", at(configured(broker, security=security), broker.token))
    assert expected in refused(tapeline(capsys, mine, "describe"))


class Refusal(NamedTuple):
    """A way not to get in."""

    address: str
    security: KafkaSecurity
    password: str
    expected: str


@pytest.fixture(scope="module")
def refusals(broker: SecuredBroker, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Refusal]:
    other = Authority(tmp_path_factory.mktemp("other") / "authority")
    good = PASSWORDS[USER]
    return {
        "password": Refusal(
            broker.bootstrap,
            broker.security(),
            "wrong-7f3a9c",
            "refuses who we are (SCRAM-SHA-512); set TAPELINE_KAFKA_USER and"
            " TAPELINE_KAFKA_PASSWORD to a user that it knows",
        ),
        "expired": Refusal(
            broker.expired,
            broker.security(),
            good,
            f"the certificate of the broker at {broker.expired} has expired; its operator has to"
            " renew it",
        ),
        "authority": Refusal(
            broker.bootstrap,
            broker.security(ca_file=str(other.certificate)),
            good,
            f"is not signed by {other.certificate}; name the file of its authority by [kafka]"
            " ca_file",
        ),
        "mechanism": Refusal(
            broker.token,
            broker.security(),
            good,
            "does not take SCRAM-SHA-512 over SASL_SSL; set [kafka] sasl_mechanism",
        ),
    }


@pytest.mark.parametrize("why", ["password", "expired", "authority", "mechanism"])
def test_who_is_not_let_in_gets_the_reason_from_every_command(
    refusals: dict[str, Refusal],
    broker: SecuredBroker,
    why: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    refusal = refusals[why]
    config = at(configured(broker, security=refusal.security), refusal.address)
    mine = desk(tmp_path, USER, config)
    with pytest.MonkeyPatch.context() as patch:
        as_user(patch, USER, refusal.password)
        with WorkerProcess(config, tmp_path / "worker") as worker:
            for command in COMMANDS:
                err = refused(tapeline(capsys, mine, command, refusal.password))
                assert refusal.expected in err, command
                assert refusal.password not in err
            assert worker.wait() == 2
    assert refusal.expected in worker.last_words()
    assert_no_secret(worker.output())
    assert refusal.password not in worker.output()


async def test_a_program_that_is_not_let_in_gets_the_reason(
    refusals: dict[str, Refusal], monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = refusals["password"]
    as_user(monkeypatch, USER, refusal.password)
    events = Subscription(
        [topic_of("touch", PREFIX)], bootstrap=refusal.address, security=refusal.security
    )
    with pytest.raises(BrokerRefusalError, match="refuses who we are"):
        async with events:
            pass


def test_a_plain_client_at_a_port_with_tls_gets_the_setting_named(
    broker: SecuredBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(broker, security=KafkaSecurity())
    code, out, err = tapeline(capsys, desk(tmp_path, USER, config), "describe")
    assert (code, out, err.count("\n")) == (74, "", 1)
    assert "set [kafka] security_protocol, which is PLAINTEXT" in err


@pytest.mark.parametrize(
    ("user", "command", "named"),
    [
        ("no_read", "tail", topic_of("derived_bar", "ta")),
        ("no_read", "replay", input_log("ta")),
        ("no_write", "publish", input_log("ta")),
        ("no_create", "drill", "ta.drill."),
        ("no_create", "to_topics", "ta.run."),
        ("no_settings", "describe", "ta."),
        ("no_topic", "publish", "us the cluster, or to write to any topic"),
    ],
)
def test_a_right_that_a_command_lacks_is_one_plain_message(
    broker: SecuredBroker,
    user: str,
    command: str,
    named: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = configured(broker, DENIED[user][0])
    err = refused(tapeline(capsys, desk(tmp_path, user, config), command))
    assert f"the broker at {broker.bootstrap} refuses us " in err
    assert named in err
    assert "ask its operator for the right (docs/operations.md lists" in err


def test_a_right_that_a_worker_lacks_ends_it_with_one_plain_message(
    broker: SecuredBroker, tmp_path: Path
) -> None:
    expected = {
        "no_read": f"us a topic (TopicAuthorizationFailedError: {input_log('ta')})",
        "no_group": f"us a group (GroupAuthorizationFailedError: {worker_app_id('tb')})",
        "no_output": f"us a topic (TopicAuthorizationFailedError: {topic_of('derived_bar', 'tc')})",
        "no_changelog": f"us a topic (TopicAuthorizationFailedError: {changelog_topic('td')})",
    }
    workers = started(broker, tmp_path, OF_WORKERS)
    try:
        codes = {user: worker.wait() for user, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.kill()
    assert codes == dict.fromkeys(expected, 2)
    for user, worker in workers.items():
        assert expected[user] in worker.last_words()
        assert "ask its operator for the right" in worker.last_words()


def started(broker: SecuredBroker, folder: Path, users: Sequence[str]) -> dict[str, WorkerProcess]:
    """A worker of each user in topics of its own, all at once."""
    workers = {}
    for user in users:
        with pytest.MonkeyPatch.context() as patch:
            as_user(patch, user)
            config = configured(broker, DENIED[user][0])
            workers[user] = WorkerProcess(config, folder / user)
            workers[user].start()
    return workers
