"""docs/configuration.md: every key, and nothing on it that is not so."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tapeline.schemas.config import feed_keys, host_loading, indicator_loading
from tapeline.schemas.config.accounts import AccountConfig
from tapeline.schemas.config.feeds import HistoryConfig, SessionConfig, TruthConfig
from tapeline.schemas.config.loading import (
    DERIVED_READERS,
    INSTRUMENT_READERS,
    KAFKA_READERS,
    LIMITS_READERS,
    SECTIONS,
    TIME_READERS,
    read_config,
)
from tapeline.schemas.config.model import ConfigError, built_in_config
from tapeline.schemas.config.strategies import StrategyConfig
from tapeline.schemas.config.templates import KIND_READERS
from tapeline.schemas.config.values import ALLOWED, ConfigKey
from tapeline.schemas.config.windows import WINDOW_READERS
from tapeline.schemas.templates import RangeKind
from tapeline.schemas.windows import WindowSpec

pytestmark = pytest.mark.source_tree

HEADINGS = {
    "instruments": "## `[instruments.<symbol>]`",
    "derived": "## `[derived]`",
    "time": "## `[time]`",
    "limits": "## `[limits]`",
    "host": "## `[host]`",
    "kafka": "## `[kafka]`",
    "templates": "## `[templates.<name>]`",
}
READERS = {
    "instruments": INSTRUMENT_READERS,
    "derived": DERIVED_READERS,
    "time": TIME_READERS,
    "limits": LIMITS_READERS,
    "host": host_loading.HOST_READERS,
    "kafka": KAFKA_READERS,
    "templates": KIND_READERS,
}
DAILY = {"kind": '"P"', "label": '"p"', "period": '"day"', "minutes": "30"}
# Settings of security that an example needs beside it.
TLS = 'security_protocol = "SSL"\n'
SASL = 'security_protocol = "SASL_SSL"\n'
BESIDE = {
    "sasl_mechanism": SASL,
    "token_command": f'{SASL}sasl_mechanism = "OAUTHBEARER"\n',
    "ca_file": TLS,
    "cert_file": f'{TLS}key_file = "client.key"\n',
    "key_file": f'{TLS}cert_file = "client.pem"\n',
}
# An example of a kind's key that belongs to another window than `DAILY`.
INSTEAD = {"until": ("minutes",), "machine": (), "levels": ()}


@pytest.fixture(scope="module")
def page() -> str:
    return (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")


def rows(page: str, section: str) -> dict[str, dict[str, str]]:
    """Rows of a section's table by key; backticks of a cell that is code alone are gone."""
    return table_rows(page.split(HEADINGS[section])[1].split("\n## ")[0])


def table_rows(text: str) -> dict[str, dict[str, str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    names = [cell.strip() for cell in lines[0].strip("|").split("|")]
    found = {}
    for line in lines[2:]:
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        row = dict(zip(names, (re.sub(r"^`([^`]*)`$", r"\1", cell) for cell in cells), strict=True))
        found[row["key"]] = row
    return found


def toml(value: str) -> Any:
    return tomllib.loads(f"value = {value}", parse_float=Decimal)["value"]


ALL_KEYS = [(section, key) for section, readers in READERS.items() for key in readers]


@pytest.mark.parametrize("section", READERS)
def test_every_key_has_one_row(page: str, section: str) -> None:
    assert set(rows(page, section)) == set(READERS[section])


def test_every_section_has_a_heading(page: str) -> None:
    for section in SECTIONS:
        assert re.search(rf"^## `\[{section}", page, re.MULTILINE), section


@pytest.mark.parametrize(("section", "key"), ALL_KEYS)
def test_the_default_of_a_row_is_the_default(page: str, section: str, key: str) -> None:
    config = built_in_config()
    shown = rows(page, section)[key]["default"]
    if section == "templates":
        fields = {field.name: field for field in msgspec.structs.fields(RangeKind)}
        if shown in ("required", "none", "of the machine"):
            assert key not in fields or fields[key].default in (msgspec.NODEFAULT, None)
        else:
            assert toml(shown) == fields[key].default
        return
    owner = {
        "instruments": config.default,
        "derived": config.derived,
        "time": config.time,
        "limits": config.limits,
        "host": config.host,
        "kafka": config.kafka,
    }
    text = f"[instruments.X]\n{key} = {shown}" if section == "instruments" else ""
    text = text or f"[{section}]\n{key} = {shown}"
    assert shown
    assert owner[section] is not None
    read = read_config(text, "page")
    if section == "instruments":
        assert read.instruments["X"] == config.default
    else:
        assert getattr(read, section) == getattr(config, section)


@pytest.mark.parametrize(("section", "key"), ALL_KEYS)
def test_the_example_of_a_row_is_allowed(page: str, section: str, key: str) -> None:
    example = rows(page, section)[key]["example"]
    if section == "templates":
        kind = {**DAILY, key: example}
        for other in INSTEAD.get(key, ()):
            del kind[other]
        inline = ", ".join(f"{name} = {value}" for name, value in kind.items())
        text = f"[templates.m]\nzone = 'UTC'\nkinds = [{{{inline}}}]"
    elif section == "instruments":
        text = f"[instruments.X]\n{key} = {example}"
    else:
        text = f"[{section}]\n{BESIDE.get(key, '')}{key} = {example}"
    assert toml(example) is not None
    assert read_config(text, "page") != built_in_config()


@pytest.mark.parametrize(("section", "key"), ALL_KEYS)
def test_what_a_row_allows_is_what_the_error_names(page: str, section: str, key: str) -> None:
    nonsense = "{ nonsense = 1 }"
    if section == "templates":
        text = f"[templates.m]\nzone = 'UTC'\nkinds = [{{{key} = {nonsense}}}]"
    elif section == "instruments":
        text = f"[instruments.X]\n{key} = {nonsense}"
    else:
        text = f"[{section}]\n{key} = {nonsense}"
    with pytest.raises(ConfigError) as caught:
        read_config(text, "page")
    shown = rows(page, section)[key]["allowed"].replace("\\|", "|")
    assert caught.value.allowed == shown
    if section != "templates":
        assert ALLOWED[key] == shown


def test_every_file_on_the_page_can_be_used(page: str) -> None:
    files = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len(files) >= 3
    for text in files:
        assert read_config(text, "page") != built_in_config()


def test_the_error_on_the_page_is_what_is_printed(page: str) -> None:
    (shown,) = re.findall(r"```text\n(.*?)\n```", page, re.DOTALL)
    with pytest.raises(ConfigError) as caught:
        read_config('[instruments.ES]\ntick = "a quarter"', "tapeline.toml")
    assert str(caught.value) == shown


FEED_HEADINGS = {
    "## `[indicators.<set>]`": indicator_loading.READERS,
    "## `[feeds.<name>]`": feed_keys.FEED_READERS,
    "### `[feeds.<name>.session]`": feed_keys.SESSION_READERS,
    "### `[feeds.<name>.bar]`": feed_keys.BAR_READERS,
    "### `[[feeds.<name>.notice]]`": feed_keys.NOTICE_READERS,
    "### `[feeds.<name>.history]`": feed_keys.HISTORY_READERS,
    "### `[feeds.<name>.truth]`": feed_keys.TRUTH_READERS,
    "## `[strategies.<name>]`": host_loading.STRATEGY_READERS,
    "## `[accounts.<name>]`": host_loading.ACCOUNT_READERS,
}
FEED_KEYS = [(heading, key) for heading, readers in FEED_HEADINGS.items() for key in readers]


def feed_rows(page: str, heading: str) -> dict[str, dict[str, str]]:
    text = page.split(f"\n{heading}\n")[1].split("\n## ")[0].split("\n### ")[0]
    return table_rows(text)


@pytest.mark.parametrize("heading", FEED_HEADINGS)
def test_every_key_of_a_feed_or_set_has_one_row(page: str, heading: str) -> None:
    assert set(feed_rows(page, heading)) == set(FEED_HEADINGS[heading])


@pytest.mark.parametrize(("heading", "key"), FEED_KEYS)
def test_what_a_row_of_a_feed_or_set_allows_is_what_the_error_says(
    page: str, heading: str, key: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        FEED_HEADINGS[heading][key]([[1]], ConfigKey("page", key))
    assert caught.value.allowed == feed_rows(page, heading)[key]["allowed"].replace("\\|", "|")


@pytest.mark.parametrize(("heading", "key"), FEED_KEYS)
def test_the_example_of_a_row_of_a_feed_or_set_is_allowed(
    page: str, heading: str, key: str
) -> None:
    example = toml(feed_rows(page, heading)[key]["example"])
    assert FEED_HEADINGS[heading][key](example, ConfigKey("page", key)) is not None


@pytest.mark.parametrize(
    ("table", "struct"),
    [("session", SessionConfig()), ("history", HistoryConfig()), ("truth", TruthConfig())],
)
def test_the_default_of_a_row_of_a_feed_is_the_default(page: str, table: str, struct: Any) -> None:
    heading = f"### `[feeds.<name>.{table}]`"
    compared = 0
    for key, row in feed_rows(page, heading).items():
        name = next((name for name in (key, f"{key}_ms") if hasattr(struct, name)), None)
        if name is None:
            continue
        value = getattr(struct, name)
        if value in (None, ""):
            assert "`" not in row["default"], key
        else:
            shown = FEED_HEADINGS[heading][key](toml(row["default"]), ConfigKey("page", key))
            assert shown == value, key
        compared += 1
    assert compared >= 4


@pytest.mark.parametrize(
    ("heading", "struct"),
    [
        ("## `[strategies.<name>]`", StrategyConfig(module="", symbols=())),
        ("## `[accounts.<name>]`", AccountConfig()),
    ],
)
def test_the_default_of_a_row_of_a_strategy_or_account_is_the_default(
    page: str, heading: str, struct: Any
) -> None:
    for key, row in feed_rows(page, heading).items():
        if row["default"] == "required":
            continue
        value = getattr(struct, key)
        if row["default"] == "none":
            assert value is None, key
        else:
            default = toml(row["default"])
            assert FEED_HEADINGS[heading][key](default, ConfigKey("page", key)) == value, key
        example = FEED_HEADINGS[heading][key](toml(row["example"]), ConfigKey("page", key))
        assert example != value, key


WINDOWS = "## `[windows.<name>]`"


def test_every_key_of_a_window_has_one_row(page: str) -> None:
    assert set(feed_rows(page, WINDOWS)) == set(WINDOW_READERS)


@pytest.mark.parametrize("key", WINDOW_READERS)
def test_the_row_of_a_key_of_a_window_is_so(page: str, key: str) -> None:
    row = feed_rows(page, WINDOWS)[key]
    with pytest.raises(ConfigError) as caught:
        WINDOW_READERS[key]([[1]] if key != "symbols" else 1, ConfigKey("page", key))
    assert caught.value.allowed == row["allowed"]
    at = ConfigKey("page", key)
    plain = WindowSpec(kind="sum", field="low", period="1d")
    example = WINDOW_READERS[key](toml(row["example"]), at)
    assert example != getattr(plain, key)
    if row["default"] != "required":
        assert WINDOW_READERS[key](toml(row["default"]), at) == getattr(plain, key)
