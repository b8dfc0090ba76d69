"""Volumes; a bar without one counts as 0, and a row says how many there were."""

from __future__ import annotations

from tapeline.schemas.indicators.kinds import ANCHOR, IndicatorKind, period

ROWS = (
    IndicatorKind(
        name="obv",
        parameters=(ANCHOR,),
        formula="sum of v where c > c1, of -v where c < c1, from 0 at the first bar since the"
        " anchor",
        first="1",
        state="one sum",
        warm="the first session",
        differs="TA-Lib, talipp and pandas-ta begin at the volume of the first bar",
        volume="anchored",
    ),
    IndicatorKind(
        name="pvt",
        parameters=(ANCHOR,),
        arithmetic="R",
        formula="sum of v (c - c1) / c1, from 0 at the first bar since the anchor",
        first="1",
        state="one sum",
        warm="the first session",
        neutral="a step of 0 where c1 = 0",
        differs="TA-Lib begins at the volume of the first bar; pandas-ta is 100 times as large",
        volume="anchored",
    ),
    IndicatorKind(
        name="volume_sma",
        parameters=(period("n"),),
        formula="S(v) / n",
        state="one sum",
        volume="window",
    ),
    IndicatorKind(
        name="volume_ratio",
        parameters=(period("n", 20),),
        formula="v n / S(v), this bar included",
        state="one sum",
        neutral="1 where S(v) = 0",
        volume="window",
    ),
    IndicatorKind(
        name="avg_volume",
        parameters=(period("n"),),
        formula="S(v) / n: of the last n days that have bars, one without volume as 0. A window"
        " avg_volume_10d instead is of sessions, and leaves out what is missing",
        state="one sum",
        on="days",
        volume="window",
    ),
    IndicatorKind(
        name="rvol",
        parameters=(period("n", 10),),
        formula="volume of the session so far / its mean at the same time after the open, over"
        " those of the n sessions before that have a known volume and are as long",
        first="1",
        state="volumes by slot of n sessions",
        warm="n sessions behind the first",
        neutral="1 where that mean is 0; null where none of the n sessions counts; cold until an"
        " earlier session has a bar",
        on="below_weeks",
        volume="anchored",
        gaps=True,
    ),
)
