"""Bounds of filled minutes and of their sums, from a calibration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lsm2.channels import Channel
from lsm2.days import Windows
from lsm2.intervals.calibration import Calibration
from lsm2.intervals.correlation import spread_of_sum
from lsm2.intervals.surroundings import Cells, surround
from lsm2.intervals.tables import Minutes, Table, Where

_AT_ONCE = 200_000  # minutes


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Missing minutes of a recording, what a model answers for them, and a calibration to read."""

    calibration: Calibration
    channels: tuple[Channel, ...]
    mean: np.ndarray
    """float32 (days, channels, 1440), the answers ``point="mean"``; NaN: none."""
    cells: Cells
    """Of the answers."""

    @classmethod
    def of(cls, calibration: Calibration, windows: Windows, mean: np.ndarray) -> Calibrated:
        """Look up what surrounds the answers (days, channels, 1440)."""
        cells = surround(windows, ~np.isnan(mean))
        return cls(calibration, windows.days.schema.channels, mean, cells)

    def uncalibrated(self) -> list[str]:
        """Names of the channels with answers of which the calibration knows nothing."""
        names = (self.channels[position].name for position in np.unique(self.cells.channel))
        return [name for name in names if name not in self.calibration.tables]

    def parts(self) -> Iterator[tuple[int, Table, Where, np.ndarray]]:
        """Channel, table, places in it and positions among the cells, a part of a channel at a time."""
        for position in np.unique(self.cells.channel).tolist():
            table = self.calibration.tables.get(self.channels[position].name)
            if table is not None:
                rows = np.flatnonzero(self.cells.channel == position)
                answers = self.mean[self.cells.day[rows], position, self.cells.minute[rows]]
                for first in range(0, len(rows), _AT_ONCE):
                    some = rows[first : first + _AT_ONCE]
                    minutes = Minutes(
                        answers[first : first + _AT_ONCE],
                        self.cells.distance[some],
                        self.cells.company[some],
                        self.cells.restless[some],
                    )
                    yield position, table, table.where(minutes), some

    def place(self, array: np.ndarray, position: int, rows: np.ndarray, values: np.ndarray) -> None:
        """Write values of cells into an array (days, channels, 1440)."""
        array[self.cells.day[rows], position, self.cells.minute[rows]] = values

    def minutes(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds of each answered minute, float32 (days, channels, 1440) each; else NaN."""
        lower, upper = (np.full(self.mean.shape, np.nan, np.float32) for _ in range(2))
        for position, table, where, rows in self.parts():
            low, high = table.interval(level, where)
            self.place(lower, position, rows, low)
            self.place(upper, position, rows, high)
        return lower, upper

    def spread(self) -> np.ndarray:
        """Root mean square error to expect of each answer, float32 (days, channels, 1440); else NaN."""
        result = np.full(self.mean.shape, np.nan, np.float32)
        for position, table, where, rows in self.parts():
            if self.calibration.channel(self.channels[position].name).binary:
                probability = table.scale.out_of(where.base)
                self.place(result, position, rows, np.sqrt(np.maximum(probability * (1 - probability), 1e-6)))
            else:
                self.place(result, position, rows, where.mix(table.spread))
        return result

    def sum_errors(
        self, position: int, spread: np.ndarray, filled: np.ndarray, level: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the error of each day's sum over filled minutes of a channel, canonical unit, (days,).

        Args:
            position: Of the channel.
            spread: From :meth:`spread`.
            filled: bool (days, 1440), the minutes that count.
            level: Of the interval.
        """
        name = self.channels[position].name
        count = filled.sum(axis=1)
        if name not in self.calibration.totals:
            unknown = np.where(count > 0, np.nan, 0.0)
            return unknown, unknown
        weights = self.calibration.channel(name).error_correlation
        expected = spread_of_sum(np.where(filled, spread[:, position], 0.0), weights)
        totals = self.calibration.totals[name]
        tail = (1 - level) / 2
        return expected * totals.quantile(tail, count), expected * totals.quantile(1 - tail, count)
