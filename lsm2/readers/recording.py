"""What several devices recorded, merged minute by minute: which of them answers, and where zero means zero.

Three rules keep sums right. A device that recorded a channel answers for the quarter of an hour around each
of its samples, so that another device's longer intervals do not count the same steps again. And a count is 0
only where a device that records it was evidently worn: a sample of any kind within the surrounding quarter of
an hour; else it is missing. A dense channel, which a device writes every minute whether worn or not, is the
other way round: no zero is added, and what was written while the device was off is missing (see `worn`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from lsm2.days.clock import DAY
from lsm2.days.nonwear import STILL, run_lengths
from lsm2.readers.minutes import WORN, Block, average, holds, near, spread
from lsm2.readers.samples import Samples

ASLEEP, AWAKE, INBED = "sleep_asleep", "sleep_awake", "sleep_inbed"
UNKNOWN = "sleep_unknown"  # within a night, but neither asleep nor awake
WORKOUT = "workout_"
RESTING = ("calories", "mets")  # what a device goes on writing above 0 when nobody wears it


class Recording:
    """Samples by channel, and which class of device each source is.

    Args:
        streams: {channel: samples of each source}; sleep as sleep_asleep, sleep_awake, sleep_unknown and
            sleep_inbed.
        devices: The class of device of each source.
        order: Classes of devices, the most trusted first.
        wearable: Those whose sleep records prove that they were worn.
        dense: (channel, class of device) of amounts that are written every minute, also while the device is
            off: zeros, resting calories, 1 MET.
        believed: Those of them that are not written while it is off.
        together: Whether all are one device for the question of when it was worn.
    """

    def __init__(
        self,
        streams: Mapping[str, Sequence[Samples]],
        devices: Sequence[str],
        order: Sequence[str],
        wearable: Iterable[str],
        dense: Collection[tuple[str, str]] = (),
        believed: Collection[tuple[str, str]] = (),
        together: bool = False,
    ) -> None:
        self.believed, self.together = frozenset(believed), together
        self.order, self.wearable, self.dense = tuple(order), frozenset(wearable), frozenset(dense)
        self._streams: dict[str, dict[str, list[Samples]]] = {}
        for channel, samples in streams.items():
            by_device: dict[str, list[Samples]] = {}
            for one in sorted(samples, key=len, reverse=True):  # the fullest source of a class comes first
                by_device.setdefault(devices[one.source], []).append(one)
            self._streams[channel] = {name: by_device[name] for name in self.order if name in by_device}

    def has(self, channel: str, device: str | None = None) -> bool:
        """Say whether the channel was recorded, by a class of devices or by any."""
        found = self._streams.get(channel, {})
        return bool(found) if device is None else device in found

    def samples(self, channel: str, device: str | None = None) -> list[Samples]:
        """Return the samples of a channel, of a class of devices or of all, in order of trust."""
        found = self._streams.get(channel, {})
        return [one for name, some in found.items() if device in (None, name) for one in some]

    @property
    def all_samples(self) -> Iterator[Samples]:
        """Every source's samples of every channel."""
        return (one for found in self._streams.values() for some in found.values() for one in some)

    @cached_property
    def workouts(self) -> list[str]:
        """The kinds of workout that were recorded."""
        return [channel for channel in self._streams if channel.startswith(WORKOUT)]

    @cached_property
    def evidence(self) -> dict[str, list[Samples]]:
        """The samples that prove that a class of devices was worn or carried."""
        found: dict[str, list[Samples]] = {name: [] for name in self.order}
        for channel, by_device in self._streams.items():
            for name, samples in by_device.items():
                # A phone beside the bed, or a plan to be in it, proves nothing.
                if channel == INBED or (channel in (ASLEEP, AWAKE, UNKNOWN) and name not in self.wearable):
                    continue
                if (channel, name) not in self.dense or (channel, name) in self.believed:
                    found[name] += samples
                elif channel not in RESTING:
                    found[name] += [one.above(0) for one in samples]
        if self.together:
            every = [one for samples in found.values() for one in samples]
            return dict.fromkeys(found, every)
        return found

    @cached_property
    def spans(self) -> dict[tuple[str, str], tuple[int, int]]:
        """By channel and class of devices: from a day before the first record to a day after the last."""
        spans = {}
        for channel, by_device in self._streams.items():
            for name, samples in by_device.items():
                first, last = zip(*(one.span for one in samples), strict=True)
                spans[channel, name] = (min(first) - DAY, max(last) + DAY)
        return spans


class Minutes:
    """The channels of a recording in one block of minutes, float64 (minutes,) each, NaN where unknown."""

    def __init__(self, recording: Recording, block: Block) -> None:
        self._recording, self._block = recording, block
        self._worn: dict[str, np.ndarray] = {}

    def rate(self, channel: str, device: str | None = None) -> np.ndarray:
        """Return the mean of each minute's samples, of the most trusted source that has any."""
        devices = [name for name in self._recording.order if device in (None, name)]
        return self._first(
            self._while_worn(average(one, self._block), channel, name)
            for name in devices
            for one in self._recording.samples(channel, name)
        )

    def amount(self, channel: str, device: str) -> np.ndarray:
        """Return the amount of each minute by one class of devices: 0 while it was worn."""
        return self._with_zeros(self._recorded(channel, device), channel, [device])

    def merged_amount(self, channel: str) -> np.ndarray:
        """Return the amount of each minute by the most trusted device that has something to say of it."""
        devices = [name for name in self._recording.order if self._recording.has(channel, name)]
        answers = []
        for device in devices:
            own = self._recorded(channel, device)
            if (channel, device) in self._recording.dense:
                answers.append(own)
                continue
            answering = near(self._recording.samples(channel, device), self._block, WORN)
            answers.append(np.where(np.isnan(own) & answering, 0.0, own))
        return self._with_zeros(self._first(answers), channel, devices)

    def asleep(self) -> np.ndarray:
        """Return sleep, 0 or 1.

        A source that says asleep, awake, or in bed without being asleep though it also records sleep, is
        believed before a device that was only worn, which counts where its class recorded sleep within a day.
        Where a source says that it does not know, nothing is but what another source says.
        """
        said = self._first(self._sleep_by_source())
        unknown = np.zeros(self._block.count, bool)
        for one in self._recording.samples(UNKNOWN):
            unknown |= holds(one, self._block)
        for device in self._recording.order:
            sleep = self._recording.samples(ASLEEP, device) + self._recording.samples(AWAKE, device)
            if sleep:
                idle = np.isnan(said) & self._is_worn(device) & near(sleep, self._block, DAY)
                said = np.where(idle & ~unknown, 0.0, said)
        return said

    def in_bed(self) -> np.ndarray:
        """Return time in bed: 1 only where a source says so, 0 while worn and not in a sleep session."""
        said = np.full(self._block.count, np.nan)
        for one in self._recording.samples(INBED):
            said[holds(one, self._block)] = 1.0
        session = np.zeros(self._block.count, bool)
        for one in self._recording.samples(ASLEEP) + self._recording.samples(AWAKE):
            session |= holds(one, self._block)
        for device in self._recording.order:
            inbed = self._recording.samples(INBED, device)
            if inbed:
                idle = np.isnan(said) & ~session & self._is_worn(device) & near(inbed, self._block, DAY)
                said = np.where(idle, 0.0, said)
        return said

    def workout(self, channel: str) -> np.ndarray:
        """Return a kind of workout, 0 or 1: 0 while a device whose class records workouts was worn."""
        said = np.full(self._block.count, np.nan)
        for one in self._recording.samples(channel):
            said[holds(one, self._block)] = 1.0
        for device in self._recording.order:
            if any(self._recording.has(other, device) for other in self._recording.workouts):
                said = np.where(np.isnan(said) & self._is_worn(device), 0.0, said)
        return said

    def _recorded(self, channel: str, device: str) -> np.ndarray:
        return self._first(
            self._while_worn(spread(one, self._block), channel, device)
            for one in self._recording.samples(channel, device)
        )

    def _while_worn(self, values: np.ndarray, channel: str, device: str) -> np.ndarray:
        if (channel, device) not in self._recording.dense - self._recording.believed:
            return values
        return np.where(self._is_worn(device), values, np.nan)

    def _first(self, answers: Iterable[np.ndarray]) -> np.ndarray:
        result = np.full(self._block.count, np.nan)
        for answer in answers:
            result = np.where(np.isnan(result), answer, result)
        return result

    def _with_zeros(self, values: np.ndarray, channel: str, devices: Iterable[str]) -> np.ndarray:
        minutes = np.arange(self._block.first, self._block.stop)
        for device in devices:
            if self._recording.has(channel, device) and (channel, device) not in self._recording.dense:
                first, last = self._recording.spans[channel, device]
                idle = self._is_worn(device) & (minutes >= first) & (minutes <= last)
                values = np.where(np.isnan(values) & idle, 0.0, values)
        return values

    def _is_worn(self, device: str) -> np.ndarray:
        if device not in self._worn:
            self._worn[device] = worn(self._recording, device, self._block)
        return self._worn[device]

    def _sleep_by_source(self) -> Iterator[np.ndarray]:
        asleep, awake, inbed, unknown = (
            {one.source: one for one in self._recording.samples(name)}
            for name in (ASLEEP, AWAKE, INBED, UNKNOWN)
        )
        for source in dict.fromkeys([*asleep, *awake]):
            said = np.full(self._block.count, np.nan)
            if source in inbed and source in asleep:
                recording = near([asleep[source]], self._block, DAY)
                said[holds(inbed[source], self._block) & recording] = 0.0
            if source in unknown:
                said[holds(unknown[source], self._block)] = np.nan
            if source in awake:
                said[holds(awake[source], self._block)] = 0.0
            if source in asleep:
                said[holds(asleep[source], self._block)] = 1.0
            yield said


def worn(recording: Recording, device: str, block: Block) -> np.ndarray:
    """Return the minutes in which a class of devices was evidently worn, bool (minutes,).

    Those within seven minutes of a sample that only a worn device takes. A device that writes amounts every
    minute and has no heart rate within a day was also worn in the minutes that it wrote outside runs of 90
    minutes or more without any motion (Choi et al. 2011, doi 10.1249/MSS.0b013e3181ed61a3); sleep counts as
    worn there.
    """
    dense = [channel for channel, name in recording.dense if name == device and recording.has(channel, name)]
    if not dense:
        return near(recording.evidence[device], block, WORN)
    who = None if recording.together else device
    heart = recording.samples("heart_rate", who)
    sleep = [one for name in (ASLEEP, AWAKE, UNKNOWN) for one in recording.samples(name, who)]
    asleep = {id(one) for one in sleep}
    awake_evidence = [one for one in recording.evidence[device] if id(one) not in asleep]
    result = near(awake_evidence, block, WORN)
    blind = ~near(heart, block, DAY)
    if blind.any():
        wide = block.widened(STILL)
        written = near((one for channel in dense for one in recording.samples(channel, device)), wide, 0)
        still = written & ~near([*awake_evidence, *sleep], wide, 0)
        runs = run_lengths(still[None], np.array([-1]))[0]
        result |= blind & (written & (runs < STILL))[STILL:-STILL]
        result |= blind & near(sleep, block, 0)
    return result
