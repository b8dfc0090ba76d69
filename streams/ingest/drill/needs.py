"""What a feed must have so that a script can be played: why it lacks it, "" where it has it."""

from __future__ import annotations

from tapeline.streams.ingest.drill.dialect import StatedBar
from tapeline.streams.ingest.drill.scene import Scene


def anything(scene: Scene) -> str:
    """Every feed can."""
    return ""


def connected(scene: Scene) -> str:
    """Connections that stay open."""
    return "" if scene.feed.kind == "websocket" else "the provider keeps no connection"


def asked(scene: Scene) -> str:
    """Connections that we open."""
    return "" if scene.feed.kind in ("websocket", "http") else "the provider comes to us"


def history(scene: Scene) -> str:
    """A history."""
    if scene.history is None:
        return "there is no history"
    return asked(scene)


def pushes(scene: Scene) -> str:
    """Messages that can come at any time."""
    return "the latest bars are asked for" if scene.feed.kind == "http" else ""


def cuts(scene: Scene) -> str:
    """Cuts that are announced, and a plan with two connections."""
    if scene.dialect.notice_table("shutdown") is None:
        return "cuts are not announced"
    return "" if scene.feed.session.two_connections else "the plan has one connection"


def refusals(scene: Scene) -> str:
    """A step that knows what refuses for good."""
    if any(step.fatal and step.send for step in scene.dialect.tables.steps):
        return connected(scene)
    return "no step says what refuses for good"


def revisions(scene: Scene) -> str:
    """Bars that are revised, and a history of them."""
    if scene.feed.truth.revises_for_ms < 2 * scene.base_ms:
        return "bars are not revised"
    return history(scene)


def several(scene: Scene) -> str:
    """Several symbols."""
    return "" if len(scene.feed.symbols) > 1 else "there is one symbol"


def halts(scene: Scene) -> str:
    """Halts that are announced."""
    known = all(scene.dialect.notice_table(means) is not None for means in ("halt", "resume"))
    return "" if known else "halts are not announced"


def removals(scene: Scene) -> str:
    """Bars that are taken back."""
    known = scene.dialect.notice_table("removed") is not None
    return "" if known else "bars are not taken back"


def named(scene: Scene) -> str:
    """Bars that have the name of their symbol."""
    bar = scene.market.bar(next(iter(scene.feed.symbols)), scene.labels[3])
    known = scene.dialect.foreign(StatedBar(bar, True, scene.now_ms)) is not None
    return pushes(scene) if known else "bars have no name of a symbol"


def sent_times(scene: Scene) -> str:
    """Messages with a time of sending."""
    tables = scene.dialect.tables
    stated = tables.bar.sent is not None or (
        tables.alive is not None and tables.alive.sent is not None
    )
    return pushes(scene) if stated else "messages have no time of sending"


def webhook(scene: Scene) -> str:
    """Posts to us."""
    return "" if scene.feed.kind == "webhook" else "nothing is posted to us"
