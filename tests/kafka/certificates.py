"""Certificates of an authority of the tests' own, made by openssl."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
STAMP = "%Y%m%d%H%M%SZ"
DAY = timedelta(days=1)
CONFIGURATION = """\
[req]
distinguished_name = name
[name]
[ca]
default_ca = here
[here]
database = {folder}/index.txt
rand_serial = yes
new_certs_dir = {folder}
default_md = sha256
policy = policy
x509_extensions = extensions
unique_subject = no
[policy]
commonName = supplied
[extensions]
subjectAltName = IP:127.0.0.1,DNS:localhost
authorityKeyIdentifier = keyid
[authority]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
"""


def require_openssl() -> None:
    """Skip a test where there is no openssl; where the tests must be complete, fail it."""
    if shutil.which("openssl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("openssl was not found")
        pytest.skip("openssl was not found")


class Authority:
    """An authority in a folder of its own.

    Attributes
    ----------
    certificate
        Its own, as PEM: what a client has to trust.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._configuration = folder / "openssl.cnf"
        self._configuration.write_text(CONFIGURATION.format(folder=folder), "utf-8")
        (folder / "index.txt").touch()
        self.certificate = folder / "ca.pem"
        self._key = folder / "ca.key"
        self._openssl(
            "req", "-x509", *KEY, "-keyout", str(self._key), "-out", str(self.certificate),
            "-days", "2", "-subj", "/CN=Authority of tests", "-extensions", "authority",
        )  # fmt: skip

    def sign(self, name: str, days: int = 2) -> tuple[Path, Path]:
        """A certificate of 127.0.0.1, and its key.

        Parameters
        ----------
        name
            Common name: the user, to a broker that asks for a certificate.
        days
            From now until it expires; below 0: since it has.
        """
        request, key = self._folder / f"{name}.csr", self._folder / f"{name}.key"
        certificate = self._folder / f"{name}.pem"
        self._openssl(
            "req", "-new", *KEY, "-keyout", str(key), "-out", str(request), "-subj", f"/CN={name}"
        )
        end = datetime.now(UTC) + days * DAY
        begin = min(end, datetime.now(UTC)) - DAY
        self._openssl(
            "ca", "-batch", "-notext", "-in", str(request), "-out", str(certificate),
            "-cert", str(self.certificate), "-keyfile", str(self._key),
            "-startdate", begin.strftime(STAMP), "-enddate", end.strftime(STAMP),
        )  # fmt: skip
        key.chmod(0o600)
        return certificate, key

    def key_store(self, name: str, days: int = 2) -> Path:
        """The same as one file, the way a broker reads it."""
        certificate, key = self.sign(name, days)
        store = self._folder / f"{name}.store.pem"
        store.write_text(key.read_text("utf-8") + certificate.read_text("utf-8"), "utf-8")
        return store

    def _openssl(self, command: str, *arguments: str) -> None:
        done = subprocess.run(
            ["openssl", command, "-config", str(self._configuration), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
