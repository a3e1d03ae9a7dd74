"""Ridge regression of a channel on the other families of the same day, learnt from train people.

For each channel and each set of other channels that a day holds, a model of its own is fitted on the minutes
of train days that hold them all (scikit-learn). It sees of each other channel the value, what came just
before and after it, slower means around it and the day's mean, each plain and as a logarithm; of the channel
itself the mean over the person's other days and over the same time of those days (else of train people); and
the clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from lsm2.channels import Channel
from lsm2.days import DAY

from .baselines import Baseline, minute_means
from .recordings import BoolArray, FloatArray, Recordings

LEAST_MINUTES = 60
"""A channel tells something about a day with so many minutes of it."""
TRAIN_MINUTES = 40_000
"""Minutes that a model is fitted on, at most, as many of each person as can be."""
PENALTIES = (1.0, 30.0, 1e3, 3e4)
"""Penalties tried, on people held out, over standardised features."""
_WINDOWS = (5, 15, 61, 241)

Float64Array = npt.NDArray[np.float64]


def ridge(train: Sequence[Recordings], *, other_days: bool = True) -> Baseline:
    """Prepare the regressions; each is fitted when it is first asked for.

    A day without any other channel of train people is filled from the person's other days alone.

    Args:
        train: Recordings of train people.
        other_days: Use the channel itself on the person's other days. Without, a day is filled from its other
            families alone, as by a model that reads one day.
    """
    fitter = _Fitter(train, other_days)

    def fill(visible: Recordings, hidden: BoolArray, fallback: FloatArray) -> FloatArray:
        filled = np.full(hidden.shape, np.nan)
        for day in _person_days(visible):
            for channel in np.flatnonzero(hidden[day.position].any(axis=1)):
                target = visible.channels[channel]
                others = fitter.known(target, day.others(target))
                features = day.features(target, others, fitter.profile(target), other_days)
                model = fitter.model(target, others)
                asked = hidden[day.position, channel]
                if model is None:
                    filled[day.position, channel, asked] = fallback[channel]
                else:
                    filled[day.position, channel, asked] = model(features[asked])
        return filled[hidden]

    return fill


@dataclass(frozen=True)
class _Regression:
    """A fitted model, kept within what the train people showed."""

    pipeline: Pipeline
    lowest: float
    highest: float

    def __call__(self, features: Float64Array) -> Float64Array:
        return np.clip(self.pipeline.predict(features), self.lowest, self.highest)


@dataclass(frozen=True)
class _Day:
    """One day of a person, and what the person's other days hold."""

    recordings: Recordings
    position: int
    count: npt.NDArray[np.int64]
    """(channels, 1440) of the person's days with a value at the minute."""
    total: Float64Array
    """(channels, 1440) their sum."""

    def others(self, target: Channel) -> tuple[str, ...]:
        """Names of the channels of other families that the day holds, sorted."""
        seen = (~np.isnan(self.recordings.values[self.position])).sum(axis=1)
        return tuple(
            sorted(
                channel.name
                for channel, minutes in zip(self.recordings.channels, seen, strict=True)
                if channel.family != target.family and minutes >= LEAST_MINUTES
            )
        )

    def features(
        self, target: Channel, others: Sequence[str], profile: Float64Array, other_days: bool
    ) -> Float64Array:
        """(1440, features) what is known of each minute without the target's own day."""
        clock = np.arange(DAY) / DAY * 2 * np.pi
        columns = [wave(k * clock) for k in (1, 2) for wave in (np.sin, np.cos)]
        columns += self._of_other_days(target, profile) if other_days else [profile]
        minute = np.arange(DAY)
        for name in others:
            values = self.recordings.values[self.position, self.recordings.names.index(name)]
            seen = ~np.isnan(values)
            line = np.interp(minute, minute[seen], values[seen].astype(np.float64))
            for plain in (line, np.sign(line) * np.log1p(np.abs(line))):
                columns += [plain, np.full(DAY, plain[seen].mean())]
                for length in _WINDOWS:
                    columns.append(uniform_filter1d(plain, length, mode="nearest"))
                for length in (5, 15):
                    # the heart follows effort by minutes: what came before, and what comes after
                    columns.append(uniform_filter1d(plain, length, mode="nearest", origin=length // 2))
                    columns.append(uniform_filter1d(plain, length, mode="nearest", origin=-(length // 2)))
        return np.stack(columns, axis=1)

    def _of_other_days(self, target: Channel, profile: Float64Array) -> list[Float64Array]:
        """The target's level and its time course on the person's other days; else those of train people."""
        level, course = np.full(DAY, profile.mean()), profile
        there = 0.0
        if target.name in self.recordings.names:
            channel = self.recordings.names.index(target.name)
            own = self.recordings.values[self.position, channel]
            seen = ~np.isnan(own)
            count = self.count[channel] - seen
            total = self.total[channel] - np.where(seen, own, 0)
            if count.sum() >= LEAST_MINUTES:
                there = 1.0
                level = np.full(DAY, total.sum() / count.sum())
                # An hour around the same time; the level counts as one more day, so that few days weigh less.
                around = [
                    uniform_filter1d(part.astype(np.float64), 61, mode="wrap") for part in (total, count)
                ]
                course = (around[0] + level) / (around[1] + 1)
        return [level, course, np.full(DAY, there)]


def _person_days(recordings: Recordings) -> Iterator[_Day]:
    for _, days in recordings.people():
        values = recordings.values[days]
        count = (~np.isnan(values)).sum(axis=0)
        total = np.asarray(np.nansum(values, axis=0, dtype=np.float64))
        for position in range(days.start, days.stop):
            yield _Day(recordings, position, count, total)


class _Fitter:
    """The regressions fitted so far."""

    def __init__(self, train: Sequence[Recordings], other_days: bool) -> None:
        self.other_days = other_days
        self.days = [day for part in train for day in _person_days(part)]
        self.held = [  # names of the channels that each day holds
            {
                name
                for name, minutes in zip(
                    day.recordings.names,
                    (~np.isnan(day.recordings.values[day.position])).sum(axis=1),
                    strict=True,
                )
                if minutes >= LEAST_MINUTES
            }
            for day in self.days
        ]
        self.profiles = minute_means(train)
        self.models: dict[tuple[str, tuple[str, ...]], _Regression | None] = {}

    def profile(self, target: Channel) -> Float64Array:
        """(1440,) mean of each minute over train people, smoothed over an hour."""
        mean = self.profiles.get(target.name, np.zeros(DAY))
        seen = ~np.isnan(mean)
        if not seen.any():
            return np.zeros(DAY)
        minute = np.arange(DAY)
        return np.asarray(uniform_filter1d(np.interp(minute, minute[seen], mean[seen]), 61, mode="wrap"))

    def known(self, target: Channel, others: tuple[str, ...]) -> tuple[str, ...]:
        """As many of the other channels as some train people have together with the target."""
        wanted = {target.name, *others}
        counts: dict[tuple[str, ...], int] = {}
        for held in self.held:
            if target.name in held:
                shared = tuple(sorted((held & wanted) - {target.name}))
                counts[shared] = counts.get(shared, 0) + 1
        return max(counts, key=lambda shared: (len(shared), counts[shared]), default=())

    def model(self, target: Channel, others: tuple[str, ...]) -> _Regression | None:
        """The regression of a channel on others; None where no train person has it."""
        key = (target.name, others)
        if key not in self.models:
            self.models[key] = self._fit(target, others)
        return self.models[key]

    def _fit(self, target: Channel, others: tuple[str, ...]) -> _Regression | None:
        needed = {target.name, *others}
        chosen = [day for day, held in zip(self.days, self.held, strict=True) if needed <= held]
        if not chosen:
            return None
        groups = [(id(day.recordings), int(day.recordings.person[day.position])) for day in chosen]
        people = {person: number for number, person in enumerate(dict.fromkeys(groups))}
        days_of = {person: groups.count(person) for person in people}
        random = np.random.default_rng(0)
        features, truth, group = [], [], []
        for day, person in zip(chosen, groups, strict=True):
            own = day.recordings.values[day.position, day.recordings.names.index(target.name)]
            seen = np.flatnonzero(~np.isnan(own))
            most = max(TRAIN_MINUTES // len(people) // days_of[person], 10)
            picked = random.permutation(seen)[:most]
            features.append(day.features(target, others, self.profile(target), self.other_days)[picked])
            truth.append(own[picked].astype(np.float64))
            group += [people[person]] * len(picked)
        folds = min(3, len(people))
        if folds > 1:
            splits = list(GroupKFold(folds).split(group, groups=group))
            regression = RidgeCV(PENALTIES, cv=splits)
        else:
            regression = RidgeCV(PENALTIES)
        every = np.concatenate(truth)
        pipeline = make_pipeline(StandardScaler(), regression).fit(np.concatenate(features), every)
        return _Regression(pipeline, float(every.min()), float(every.max()))
