"""What a user writes to read both dialects of the independent provider."""

from __future__ import annotations

from tests.live.provider import DESK, SLOW, Provider


def configuration(provider: Provider) -> str:
    """The configuration of two feeds, of a provider that has started."""
    return _INSTRUMENTS + _FEEDS.format(socket=provider.socket_port, http=provider.http_port)


_INSTRUMENTS = "".join(
    f'[instruments.{symbol}]\ntick = 0.01\ncalendar = "24/7"\nbase = "1s"\nranges = []\n\n'
    for symbol in (*DESK, *SLOW)
)
_FEEDS = """\
[feeds.desk]
kind = "websocket"
url = "ws://127.0.0.1:{socket}/live?token=${{DESK_TOKEN}}"
symbols = {{ ALPHA = "alpha.x", BETA = "beta.x" }}

[feeds.desk.session]
alive = {{ where = {{ "$[0]" = "hb" }}, every = "1s" }}

[[feeds.desk.session.open]]
send = '["login","${{DESK_KEY}}"]'
expect = {{ "[0]" = "welcome" }}
fatal = {{ "[0]" = "denied" }}

[[feeds.desk.session.open]]
send = '["sub",${{symbols}}]'
chunk = 1
expect = {{ "[0]" = "subscribed", "[1]" = "${{symbols}}" }}

[feeds.desk.bar]
each = "[2][*]"
where = {{ "$[0]" = "bar" }}
symbol = "[0]"
start = {{ path = "[1]", unit = "rfc3339" }}
prices = {{ open = "[2]", high = "[3]", low = "[4]", close = "[5]" }}
volume = "[6]"
sent = {{ path = "$[1]", unit = "rfc3339" }}
final = "sent"

[[feeds.desk.notice]]
where = {{ "[0]" = "bust" }}
means = "removed"
symbol = "[1]"
start = {{ path = "[2]", unit = "rfc3339" }}

[feeds.desk.history]
url = "http://127.0.0.1:{http}/hist/{{symbol}}?since={{from_rfc3339}}&until={{to_rfc3339}}"
headers = {{ X-Desk-Key = "${{DESK_KEY}}" }}
rows = "page[*]"
start = {{ path = "[0]", unit = "rfc3339" }}
prices = {{ open = "[1]", high = "[2]", low = "[3]", close = "[4]" }}
volume = "[5]"
next = {{ param = "cursor", path = "cursor" }}
end = "exclusive"
lag = "1s"
rate = {{ requests = 24, per = "4s" }}
reach = "600s"

[feeds.desk.truth]
silence = "canary"
revises_for = "10s"

[feeds.slow]
kind = "http"
url = "http://127.0.0.1:{http}/v1/latest?names={{symbols}}&key=${{SLOW_KEY}}"
symbols = {{ GAMMA = "gamma", DELTA = "delta" }}

[feeds.slow.session]
poll = "1s"

[feeds.slow.bar]
each = "values[*]"
symbol = "[0]"
start = {{ path = "[1]", unit = "s", stamp = "close" }}
prices = {{ open = "[5]", high = "[3]", low = "[4]", close = "[2]" }}
volume = "[6]"
final = {{ path = "[7]", equals = "done" }}

[feeds.slow.history]
url = "http://127.0.0.1:{http}/v1/range?name={{symbol}}&from={{from_s}}&to={{to_s}}&key=${{SLOW_KEY}}"
rows = "values[*]"
symbol = "[0]"
next = {{ param = "token", path = "token" }}
lag = "1s"
rate = {{ requests = 24, per = "4s" }}
reach = "600s"

[feeds.slow.truth]
silence = "history"
revises_for = "10s"
"""
