"""Workers on a broker give slots to symbols that are not configured as any other driver does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tapeline.schemas.config.loading import read_config
from tapeline.schemas.config.rendering import to_toml
from tapeline.schemas.topics import topic_of
from tapeline.streams.kafka.administration import create_topics
from tests.kafka.broker import Broker
from tests.kafka.expectation import embedded_run, read_outputs
from tests.kafka.worker_process import WorkerProcess, append, read, until_committed, with_kafka
from tests.unit.streams.pipeline.test_admission import CODES, LOG, TOML

CUTS = (4, 9, 20, len(LOG))


async def test_a_worker_that_is_started_again_and_wiped_refuses_the_same_symbols(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    config = with_kafka(read_config(TOML, "test"), broker.bootstrap, topic_prefix, 1)
    await create_topics(config.kafka, broker.brokers)
    first = 0
    for number, end in enumerate(CUTS):
        await append(config, 0, LOG[first:end])
        with WorkerProcess(config, tmp_path / "worker") as worker:
            await until_committed(config, [end], [worker])
            assert worker.drain() == 0
            if number % 2:
                shutil.rmtree(worker.store)
        first = end
    assert await read_outputs(config, 0) == embedded_run(config, tmp_path / "run", LOG)
    rejects = topic_of("reject", topic_prefix)
    letters = [json.loads(each.value) for each in await read(broker.bootstrap, rejects, 0)]
    found = {int(each["source"].rpartition("/")[2]): each["code"] for each in letters}
    assert found == CODES
    (tmp_path / "tapeline.toml").write_text(to_toml(config))
    for start in (0, 20, 30):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "tapeline.streams.cli.main",
                "replay",
                f"--from-offset={start}",
                "--symbols=F",
                "--out=x",
                "--json",
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        due = [at for at in CODES if at >= start and LOG[at].symbol == "F"]
        assert json.loads(done.stdout)["rejects"]["too_many_symbols"]["count"] == len(due)
