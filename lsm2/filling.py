"""What a model makes of missing minutes: means, medians, bounds, completions, totals of days."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from torch import Tensor

from lsm2 import midnight, sensors
from lsm2.channels import Schema
from lsm2.days import (
    DAY,
    Days,
    Layout,
    Windows,
    crosses_midnight,
    lay_out,
    make_windows,
    read_days,
    round_counts,
)
from lsm2.engine import Engine
from lsm2.intervals import Calibrated, Calibration, complete
from lsm2.summaries import by_day
from lsm2.usual import UsualDays, read_history


def propose(
    engine: Engine,
    windows: Windows,
    wanted: np.ndarray,
    points: Sequence[str],
    *,
    history: Days | None = None,
    **options: Any,
) -> list[np.ndarray]:
    """Values for the minutes wanted, for each point float32 (days, channels, 1440) in canonical units; NaN
    elsewhere and in windows without an observed token. Corrected by what gaps tell of sensors.

    Args:
        engine: Computes.
        windows: The recording.
        wanted: bool (days, channels, 1440), missing minutes.
        points: ``mean``, ``median`` or both.
        history: Other days of the same participants, for networks that see a person's other days.
        **options: ``batch_size``, ``progress``.
    """
    days, network = windows.days, engine.network.config
    usual = UsualDays(engine, days, history) if network.usual_day else None
    options["points"] = points
    others: Callable[[np.ndarray], Tensor] | None = None if usual is None else usual.without
    answers = engine.reconstruct(windows.values, windows.join(wanted), usual=others, **options)
    fills = [windows.cut(answer) for answer in answers]
    if network.clock and windows.length == 1:  # else a window must begin at midnight
        across = midnight.windows(days, crosses_midnight(days) & wanted)
        half = network.slots // 2
        if usual is not None:
            others = partial(_around_midnight, usual, across, half)
        shifted = engine.reconstruct(across.values, across.wanted, start_slot=half, usual=others, **options)
        for own, joined in zip(fills, shifted, strict=True):
            midnight.blend(own, across, joined)
    sensors.correct(days, wanted, fills)
    return fills


def _around_midnight(usual: UsualDays, across: midnight.Across, half: int, pairs: np.ndarray) -> Tensor:
    return usual.without(across.first[pairs], across.second[pairs], turn=half)


@dataclass(frozen=True, eq=False, repr=False)
class Filling:
    """The missing minutes of a recording and what a model makes of them; computed when asked for."""

    windows: Windows
    layout: Layout
    points: tuple[str, ...]
    """Which of ``mean`` and ``median`` will be asked for; computed in one pass."""
    propose: Callable[[Sequence[str]], list[np.ndarray]]
    """Points -> float32 (days, channels, 1440) for each."""
    calibration: Calibration | None

    @cached_property
    def proposed(self) -> dict[str, np.ndarray]:
        """What the model proposes, by point."""
        return dict(zip(self.points, self.propose(self.points), strict=True))

    @property
    def predicted(self) -> list[str]:
        """Labels of the columns without any observed value."""
        return [str(column.label) for column in self.layout.columns if np.isnan(column.values).all()]

    @property
    def mean(self) -> np.ndarray:
        """Conditional means, float32 (days, channels, 1440), canonical units."""
        return self.proposed["mean"]

    @cached_property
    def median(self) -> np.ndarray:
        """Conditional medians likewise, in whole numbers for channels whose devices write such."""
        fills = self.proposed["median"]
        round_counts(self.windows.days, fills, self.layout.columns)
        return fills

    @cached_property
    def calibrated(self) -> Calibrated:
        """The means beside the calibration, which must be there; one warning names channels it lacks."""
        if self.calibration is None:
            raise ValueError("the model has no calibration; make one with lsm2.calibrate")
        calibrated = Calibrated.of(self.calibration, self.windows, self.mean)
        unknown = calibrated.uncalibrated()
        if unknown:
            warnings.warn(
                f"the model is not calibrated for {', '.join(unknown)}: their bounds and samples are NaN. "
                "lsm2.calibrate with recordings of two people or more that hold these channels",
                UserWarning,
                stacklevel=5,
            )
        return calibrated

    def table(
        self,
        point: str,
        *,
        interval: float | None = None,
        summary: str | None = None,
        return_median: bool = False,
        return_filled: bool = False,
    ) -> pd.DataFrame:
        """The filled recording, or its days' totals and means."""
        fills = self.mean if point == "mean" else self.median
        if summary == "day":
            calibrated = None if interval is None else self.calibrated
            return by_day(self.layout, fills, calibrated=calibrated, level=interval)
        bounds = None if interval is None else self.bounds(interval, fills)
        medians = self.median if return_median else None
        return self.layout.frame(fills, bounds=bounds, medians=medians, return_filled=return_filled)

    def bounds(self, level: float, fills: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of each minute at a level, widened where a fill lies outside of them."""
        lower, upper = self.calibrated.minutes(level)
        return np.minimum(lower, fills), np.maximum(upper, fills)  # NaN stays NaN

    def samples(self, count: int, seed: int, *, summary: str | None, return_filled: bool) -> pd.DataFrame:
        """Plausible completions of the recording, or their days' totals and means, one below the other."""
        tables = {}
        for sample in range(count):
            drawn = complete(self.calibrated, self.windows.days, sample=sample, seed=seed)
            round_counts(self.windows.days, drawn, self.layout.columns)
            if summary == "day":
                tables[sample] = by_day(self.layout, drawn)
            else:
                tables[sample] = self.layout.frame(drawn, return_filled=return_filled)
        attrs = tables[0].attrs
        for table in tables.values():
            table.attrs = {}
        together = pd.concat(tables, names=["sample"])
        together.attrs = attrs
        return together


def read_filling(
    engine: Engine,
    schema: Schema,
    data: pd.DataFrame,
    points: tuple[str, ...],
    calibration: Calibration | None,
    *,
    minutes: bool = True,
    channels: Any = None,
    grid: Literal["days", "full"] = "days",
    max_gap: Any = None,
    history: pd.DataFrame | None = None,
    batch_size: int | None = None,
    progress: bool | None = None,
    **reading: Any,
) -> Filling:
    """Read a recording and lay out what will be filled.

    Args:
        engine: Computes.
        schema: The channels to read.
        data: The recording.
        points: Which of ``mean`` and ``median`` will be asked for.
        calibration: For bounds and completions; None where none will be asked for.
        minutes: Whether minutes will be asked for, not days.
        channels, grid, max_gap, history, batch_size, progress: As for `lsm2.reconstruct`.
        **reading: How to read the frames, as for `lsm2.days.read_days`.
    """

    def read(frame: pd.DataFrame) -> Days:
        return read_days(frame, schema, **reading)

    days, network = read(data), engine.network.config
    other = None
    if history is not None and network.usual_day:
        other = read_history(history, read, days)
    windows = make_windows(days, network.window_minutes // DAY)
    has_token = np.asarray(windows.cut(engine.observed_tokens(windows.observed)).any((1, 2)))
    if len(days) and not has_token.any():
        warnings.warn(
            f"none of {len(days)} days has an observed token: there is nothing to fill from, and no row",
            UserWarning,
            stacklevel=4,
        )
    elif minutes and grid == "days" and not has_token.all():
        warnings.warn(
            f"{int((~has_token).sum())} of {len(days)} days have no observed token and are not returned; "
            "grid='full' returns them, unfilled",
            UserWarning,
            stacklevel=4,
        )
    layout = lay_out(days, channels=channels, grid=grid, max_gap=max_gap, has_token=has_token)
    wanted = np.zeros(days.values.shape, dtype=bool)
    positions = [column.position for column in layout.columns]
    wanted[:, positions] = ~days.observed[:, positions]
    options: dict[str, Any] = {"history": other, "batch_size": batch_size, "progress": progress}
    return Filling(windows, layout, points, partial(propose, engine, windows, wanted, **options), calibration)
