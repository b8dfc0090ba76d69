"""Charts hold what they are given, escaped, in few points."""

from __future__ import annotations

from random import Random
from xml.etree import ElementTree

import pytest

from tapeline.replay.report.charts import MOST_POINTS, Axis, DrawnLine, Mark, chart, thinned


def test_a_chart_is_well_formed_and_escapes_names() -> None:
    text = chart(
        "<Equity> & more",
        Axis(3, "<first>", "last"),
        [DrawnLine("<one>", [1.0, 3.0, 2.0], "lived")],
        [Mark(1, 3.0, "buy", "<bought>")],
    )
    figure = ElementTree.fromstring(text)
    assert figure.tag == "figure"
    assert "<one>" in "".join(figure.itertext())
    assert "<script" not in text


@pytest.mark.parametrize("values", [[5.0], [5.0, 5.0], [0.0, 0.0], [-1e9, 1e9], [1e-7, 3e-7]])
@pytest.mark.parametrize("area", [False, True])
def test_any_values_can_be_drawn(values: list[float], area: bool) -> None:
    text = chart("x", Axis(len(values), "a", "b"), [DrawnLine("", values, "lived")], area=area)
    ElementTree.fromstring(text)
    assert "nan" not in text
    assert 'class="axis"' in text


def test_no_values_make_no_chart() -> None:
    assert chart("x", Axis(0, "", ""), [DrawnLine("", [], "lived")]) == ""


def test_many_values_keep_their_extremes() -> None:
    draw = Random(3)
    values = [draw.random() for _ in range(50_000)]
    values[17], values[-1] = 9.0, -9.0
    found = thinned(values)
    assert len(found) <= MOST_POINTS
    assert (17, 9.0) in found
    assert found[-1] == (49_999, -9.0)
    assert [at for at, _ in found] == sorted({at for at, _ in found})
    assert all(values[at] == value for at, value in found)


def test_few_values_are_all_drawn() -> None:
    assert thinned([3.0, 1.0]) == [(0, 3.0), (1, 1.0)]
