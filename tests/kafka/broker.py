"""A real Apache Kafka for tests and benchmarks: one KRaft node on loopback, started from its jars.

The jars come from Maven once and stay in a cache folder outside the tree, so nothing but a JDK and
Maven is needed. In a script::

    with Broker(folder) as broker:
        print(broker.bootstrap)
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import pytest

from tapeline.schemas.config.security import Brokers

KAFKA = "org.apache.kafka:kafka_2.13:4.1.0"
# Without it the broker's messages go nowhere, and the test cannot report why it did not start.
LOGGING = "org.slf4j:slf4j-simple:1.7.36"
COPY_DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

HEAP = ("-Xms256m", "-Xmx512m", "-XX:G1HeapRegionSize=8m")
"""A request of more than half a region makes the collector mark the whole heap; large regions are
Kafka's own advice."""
QUICK = "-XX:TieredStopAtLevel=1"
"""The second compiler costs a third of a start and pays after minutes of load: for benchmarks."""
SOON_MISSED = {"broker.session.timeout.ms": "2000", "broker.heartbeat.interval.ms": "300"}
"""For one that a test kills: it is let in again when it was missed, by default after 9 s."""
START_SECONDS = 180.0
STOP_SECONDS = 180.0
POLL_SECONDS = 0.05
STARTED = b"Kafka Server started"
QUOTED_LOG_BYTES = 4_000


class BrokerUnavailableError(RuntimeError):
    """No broker can be had on this machine; the message names what is missing."""


class BrokerFailedError(RuntimeError):
    """The broker did not start, or did not stop; the message ends with its last words."""


class Broker:
    """One node, broker and controller in one process, in a folder of its own.

    As a context it starts on entry and is gone on exit, whatever happened in between. Ports and
    data stay the same over `stop` or `kill` and the next `start`.

    Parameters
    ----------
    folder
        Data, configuration and log of the node; made if missing, not removed.
    settings
        Broker settings over those of `server_settings`.
    refusing
        Let clients connect, but allow them nothing.
    loaded
        It serves for minutes under load, so that all that compiling costs is worth it.

    Attributes
    ----------
    bootstrap
        Address for clients.
    log_file
        What the broker logs: warnings, errors, and when it has started.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str] | None = None,
        refusing: bool = False,
        loaded: bool = False,
    ) -> None:
        self.folder = folder
        self._machine = HEAP if loaded else (*HEAP, QUICK)
        self.log_file = folder / "broker.log"
        self._settings = dict(settings or {})
        self._format_options: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._port, self._controller_port, internal_port = free_ports(3)
        if refusing:
            own = refusing_settings(self._port, self._controller_port, internal_port)
            self._settings = {**own, **self._settings}

    @property
    def bootstrap(self) -> str:
        """Address for clients."""
        return f"127.0.0.1:{self._port}"

    @property
    def brokers(self) -> Brokers:
        """The same, with a plain connection."""
        return Brokers(self.bootstrap)

    @property
    def pid(self) -> int:
        """Process id of the running broker."""
        return self._running().pid

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start and wait until clients are served.

        Raises
        ------
        BrokerUnavailableError
            When there is no JDK, or no jars and no Maven.
        BrokerFailedError
            When it ends or does not answer in time.
        """
        if self._process is not None:
            raise BrokerFailedError(f"the broker already runs as process {self._process.pid}")
        java = ["java", *self._machine, "-cp", f"{kafka_jars()}/*"]
        properties = self.folder / "server.properties"
        if not properties.exists():
            self._format(java, properties)
        heard = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal is for the tests, not for the broker.
            self._process = subprocess.Popen(
                [*java, *_levels(), "kafka.Kafka", str(properties)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_started(heard)

    def _format(self, java: list[str], properties: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {
            **server_settings(self._port, self._controller_port, self.folder / "data"),
            **self._settings,
        }
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        properties.write_text("".join(lines), "utf-8")
        tool = ["kafka.tools.StorageTool", "format", "--cluster-id", _cluster_id(), "--config"]
        done = subprocess.run(
            [*java, *_levels(), *tool, str(properties), *self._format_options],
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            properties.unlink()
            printed = (done.stdout + done.stderr).decode(errors="replace")
            raise BrokerFailedError(f"the broker's storage cannot be formatted: {printed}")

    def _wait_until_started(self, heard: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        process = self._running()
        while STARTED not in self.log_file.read_bytes()[heard:]:
            if process.poll() is not None:
                self._process = None
                raise BrokerFailedError(
                    f"the broker ended with code {process.returncode}: {self.last_words()}"
                )
            if time.monotonic() > deadline:
                self.kill()
                raise BrokerFailedError(
                    f"the broker did not start in {START_SECONDS:.0f} s: {self.last_words()}"
                )
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End it in good order (SIGTERM) and wait until it is gone."""
        process = self._running()
        # A paused process does not hear the other signal.
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BrokerFailedError(
                f"the broker did not stop in {STOP_SECONDS:.0f} s: {self.last_words()}"
            ) from None
        self._process = None

    def kill(self) -> None:
        """End it at once (SIGKILL); nothing happens where none runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Freeze it (SIGSTOP): its connections stay open and nothing answers."""
        process = self._running()
        process.send_signal(signal.SIGSTOP)
        # Its threads stop one after the other: who goes on here finds all of them still.
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)

    def resume(self) -> None:
        """Let a paused one go on (SIGCONT)."""
        self._running().send_signal(signal.SIGCONT)

    def last_words(self) -> str:
        """The end of the broker's log."""
        if not self.log_file.exists():
            return "(it printed nothing)"
        return self.log_file.read_bytes()[-QUOTED_LOG_BYTES:].decode(errors="replace")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise BrokerFailedError("the broker is not running")
        return self._process


@contextmanager
def temporary_broker(settings: Mapping[str, str] | None = None) -> Iterator[Broker]:
    """A broker in a folder that is removed with it: for scripts."""
    with (
        tempfile.TemporaryDirectory(prefix="tapeline-broker-") as folder,
        Broker(Path(folder), settings, loaded=True) as broker,
    ):
        yield broker


def server_settings(port: int, controller_port: int, data: Path) -> dict[str, str]:
    """Settings of a lone node: internal topics with one copy, nothing made by accident."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "8",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "8",
        # A transaction whose producer is gone is aborted soon after its time.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        # An index is a file of this size without content, and where a disk reads far ahead its
        # first page brings megabytes of zeros: more work than all that a test writes.
        "log.index.size.max.bytes": str(1 << 20),
        # Retention and compaction work within a test's patience: what they must not delete is shown
        # to be there.
        "log.retention.check.interval.ms": "1000",
        "log.cleaner.backoff.ms": "500",
        "log.initial.task.delay.ms": "500",
    }


def refusing_settings(port: int, controller_port: int, internal_port: int) -> dict[str, str]:
    """Settings over those of `server_settings`: only the broker itself may do anything."""
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    login = f'{module} required username="admin" password="admin" user_admin="admin";'
    loopback = "127.0.0.1"
    return {
        "listeners": f"PLAINTEXT://{loopback}:{port},CONTROLLER://{loopback}:{controller_port},"
        f"INTERNAL://{loopback}:{internal_port}",
        "advertised.listeners": f"PLAINTEXT://{loopback}:{port},INTERNAL://{loopback}:{internal_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:SASL_PLAINTEXT,"
        "INTERNAL:SASL_PLAINTEXT",
        "inter.broker.listener.name": "INTERNAL",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.internal.plain.sasl.jaas.config": login,
        "listener.name.controller.plain.sasl.jaas.config": login,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:admin",
    }


def require_broker() -> None:
    """Skip a test where no broker can be had; where the tests must be complete, fail it."""
    try:
        kafka_jars()
    except BrokerUnavailableError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


def kafka_jars() -> Path:
    """Folder of the broker's jars; fetched by Maven the first time.

    Raises
    ------
    BrokerUnavailableError
        When there is no JDK, or the jars cannot be fetched.
    """
    if shutil.which("java") is None:
        raise BrokerUnavailableError("no broker: java (a JDK, 17 or newer) was not found")
    version = KAFKA.rpartition(":")[2]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tapeline"
    folder = cache / f"kafka-{version}-with-logging"
    if folder.is_dir():
        return folder
    if shutil.which("mvn") is None:
        raise BrokerUnavailableError(f"no broker: {folder} is not there, nor mvn to fetch its jars")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "fetching").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _fetch(cache, folder)
    return folder


def _fetch(cache: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache) as made:
        pom = Path(made) / "pom.xml"
        pom.write_text(_pom(), "utf-8")
        jars = Path(made) / "jars"
        done = subprocess.run(
            ["mvn", "-B", "-q", "-f", str(pom), COPY_DEPENDENCIES, f"-DoutputDirectory={jars}"],
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            printed = (done.stdout + done.stderr).decode(errors="replace")
            raise BrokerUnavailableError(f"no broker: Maven cannot fetch {KAFKA}: {printed}")
        # All jars or none: a folder that is there is complete.
        jars.rename(folder)


def _pom() -> str:
    dependencies = ""
    for coordinates in (KAFKA, LOGGING):
        group, artifact, version = coordinates.split(":")
        dependencies += (
            f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
            f"<version>{version}</version></dependency>"
        )
    return (
        "<project><modelVersion>4.0.0</modelVersion><groupId>tapeline</groupId>"
        "<artifactId>broker</artifactId><version>1</version>"
        f"<dependencies>{dependencies}</dependencies></project>"
    )


def _levels() -> list[str]:
    prefix = "-Dorg.slf4j.simpleLogger"
    return [
        f"{prefix}.defaultLogLevel=warn",
        f"{prefix}.log.kafka.server.KafkaRaftServer=info",
        f"{prefix}.showDateTime=true",
        f"{prefix}.dateTimeFormat=HH:mm:ss.SSS",
    ]


def _cluster_id() -> str:
    # 22 characters of base64: what the tool takes for 16 bytes.
    return uuid4().hex[:21] + "A"


def free_ports(count: int) -> list[int]:
    """Ports of loopback that are free now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
