"""Secrets come from the environment or from a file of their owner, and are shown nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.config.loading import read_config
from tapeline.streams.feeds.live.secrets import (
    SecretError,
    Secrets,
    needed_secrets,
    read_secrets,
    secrets_set,
)

NAMES = {"ALPACA_KEY": "key-of-mine", "ALPACA_SECRET": "secret/of+mine"}


def alpaca(more: str = "", file: str = "desk.toml") -> FeedConfig:
    text = f"[feeds.us]\nuse = 'alpaca'\nsymbols = ['ACME']\n{more}"
    return read_config(text, file).feeds["us"]


@pytest.mark.parametrize(
    ("preset", "names"),
    [
        ("alpaca", ("ALPACA_KEY", "ALPACA_SECRET")),
        ("massive", ("MASSIVE_KEY",)),
        ("binance", ()),
        ("binance_usdm", ()),
        ("kraken", ()),
        ("tradingview", ("TRADINGVIEW_SECRET",)),
    ],
)
def test_a_preset_names_its_secrets(preset: str, names: tuple[str, ...]) -> None:
    text = f"[feeds.x]\nuse = '{preset}'\nsymbols = ['ACME']"
    assert needed_secrets(read_config(text, "desk.toml").feeds["x"]) == names


def test_a_missing_secret_is_named_and_no_other_is_shown() -> None:
    with pytest.raises(SecretError, match="us: ALPACA_SECRET is not set") as caught:
        read_secrets(alpaca(), {"ALPACA_KEY": "key-of-mine"})
    assert "key-of-mine" not in str(caught.value)


def secrets_file(folder: Path, text: str, mode: int = 0o600) -> FeedConfig:
    file = folder / "feeds.env"
    file.write_text(text)
    file.chmod(mode)
    return alpaca("secrets_file = 'feeds.env'", str(folder / "desk.toml"))


FILE = "# keys\nALPACA_KEY = of-the-file\nexport ALPACA_SECRET='in quotes'\n"


def test_a_file_gives_what_the_environment_lacks(tmp_path: Path) -> None:
    feed = secrets_file(tmp_path, FILE)
    secrets = read_secrets(feed, {"ALPACA_KEY": "of-the-environment"})
    assert secrets.value("ALPACA_KEY") == "of-the-environment"
    assert secrets.value("ALPACA_SECRET") == "in quotes"
    assert secrets_set(feed, {}) == {"ALPACA_KEY": True, "ALPACA_SECRET": True}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606, 0o620])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    feed = secrets_file(tmp_path, FILE, mode)
    with pytest.raises(SecretError, match=f"mode {mode:04o}.*chmod 600"):
        read_secrets(feed, {})


def test_a_line_that_is_none_is_named_by_its_number_alone(tmp_path: Path) -> None:
    feed = secrets_file(tmp_path, "ALPACA_KEY=a\nmy-secret-without-name\n")
    with pytest.raises(SecretError, match="line 2") as caught:
        read_secrets(feed, {})
    assert "my-secret" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    feed = alpaca("secrets_file = 'absent.env'", str(tmp_path / "desk.toml"))
    with pytest.raises(SecretError, match=r"absent\.env: No such file"):
        read_secrets(feed, NAMES)


def test_a_secret_that_would_end_a_header_is_refused() -> None:
    with pytest.raises(SecretError, match="cannot be sent"):
        read_secrets(alpaca(), {**NAMES, "ALPACA_KEY": "a\r\nX: b"})


def test_texts_are_shown_without_secrets() -> None:
    secrets = Secrets({"A": "key-of-mine", "B": "key-of-mine-too", "C": "a/b+c"})
    assert secrets.hide("x key-of-mine-too y key-of-mine, a%2Fb%2Bc") == "x *** y ***, ***"
    assert "key-of" not in repr(secrets)
    quoted = Secrets({"A": 'a"b'})
    assert quoted.hide_bytes(b'\xff {"k":"a\\"b"} a"b a%22b') == b'\xff {"k":"***"} *** ***'
