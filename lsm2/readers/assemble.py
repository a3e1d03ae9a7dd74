"""From a reader's store to its answer: clocks settled, devices merged, people side by side, warnings."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

import numpy as np
import pandas as pd

from lsm2.channels import CHANNELS, Channel, listing
from lsm2.days.clock import as_zone
from lsm2.readers.cells import Clock
from lsm2.readers.faults import by_channel, nothing_read, outside_range, too_vague
from lsm2.readers.frame import canonical_columns, frame_of, name_participant, without_empty
from lsm2.readers.recording import ASLEEP, AWAKE, INBED, UNKNOWN, WORKOUT, Recording
from lsm2.readers.samples import Offsets, Samples, join, merge_twins, sort_records
from lsm2.readers.store import Person, Store
from lsm2.readers.timeline import Timeline, index_of
from lsm2.readers.timestamps import wall_minutes
from lsm2.wording import counted

_NAMES = tuple(CHANNELS)
_TELLING = 12 * 3600  # seconds; an amount of longer is a total of a day
_FINE = 15 * 60  # seconds; a record of as much tells minutes apart
_ENOUGH = 0.25  # of the minutes that the fullest source covers; a source that tells so many apart goes first


@dataclass
class _Tally:
    """What happened on the way, over all people."""

    records: Counter[str] = field(default_factory=Counter)
    doubled: int = 0
    twins: int = 0
    unplaced: Counter[str] = field(default_factory=Counter)  # local records beside UTC ones
    vague: Counter[str] = field(default_factory=Counter)  # amounts that say nothing of minutes
    outside: Counter[str] = field(default_factory=Counter)
    offsets: set[int] = field(default_factory=set)


def assemble(
    store: Store,
    source: str,
    *,
    best: bool = False,
    told: bool = False,
    notes: Iterable[str] = (),
    facts: dict[str, Any] | None = None,
) -> pd.DataFrame:
    """Return the minutes of what a reader found, and warn of what could not be kept.

    Call it from the reader itself: warnings point at the caller of that.

    Args:
        store: The records.
        source: The format, for `.attrs`.
        best: Whether to keep, of each kind of record, only the source that tells most minutes apart (by
            records of a quarter of an hour or less, of sleep by stages; a quarter of what the fullest
            source covers at least), or else covers most, and others only where it has nothing within a day.
        told: Whether states come as 0 and 1 of each minute, not as stretches of time.
        notes: Further warnings.
        facts: Further plain facts for `.attrs`.

    Raises:
        ValueError: The participant asked for is not among those of the export.
    """
    request, name = store.request, str(store.request.path)
    tally = _Tally(outside=store.outside)
    zone, clock_notes = _clock(store)
    bounds = wall_minutes(request.start, request.end, zone)
    keyed = request.participant is not None or any(key is not None for key in store.people)
    frames = []
    for key, person in _chosen(store):
        recording, timeline = _recording(store, person, zone, tally, best=best)
        frame = frame_of(recording, timeline, canonical_columns(recording, _NAMES, told=told), *bounds)
        drop_impossible(frame, tally.outside)
        frame = without_empty(frame)
        tally.offsets.update(timeline.written if zone is None else ())
        if keyed:
            name_participant(frame, key)
        frames.append(frame)
    result = _joined(frames, zone, keyed=keyed)
    messages = [*notes, *clock_notes, *_messages(store, tally, name, result)]
    for message in messages:
        warnings.warn(message, UserWarning, stacklevel=3)
    attrs: dict[Any, Any] = {
        "source": source,
        "tz": None if zone is None else str(zone),
        "records": dict(tally.records),
        "duplicates": tally.doubled,
        "skipped": dict(store.faults.skipped),
        "out_of_range": sum(tally.outside.values()),
        "utc_offsets": sorted(tally.offsets),
        **(facts or {}),
    }
    result.attrs = attrs
    return result


def _clock(store: Store) -> tuple[tzinfo | None, list[str]]:
    """Return the zone of the output, None for the wall clock that was written, and what to say of it."""
    request = store.request
    if request.zone is not None:
        return request.zone, []
    clocks = {clock for person in store.people.values() for _, clock, _ in person.columns}
    told = any(person.offsets for person in store.people.values())
    if "written" in clocks or told or "utc" not in clocks:
        return None, []
    return as_zone("UTC"), [
        f"{request.path}: its times are UTC, and nothing in it says which zone the person lived in: the days "
        "returned are those of UTC. Give the zone, for instance tz='Europe/Berlin'."
    ]


def _chosen(store: Store) -> list[tuple[Any, Person]]:
    """Return the people asked for, by the id that the output gives them."""
    wanted, people = store.request.participant, store.people
    if wanted is None or not people:
        return list(people.items())
    same = [key for key in people if key is not None and str(key) == str(wanted)]
    if same:
        return [(same[0], people[same[0]])]
    if len(people) == 1:
        return [(wanted, one) for one in people.values()]
    raise ValueError(
        f"{store.request.path}: holds {len(people)} participants ({listing(people)}), and "
        f"participant={wanted!r} is none of them; name one of these, or leave it out for all"
    )


def _recording(
    store: Store, person: Person, zone: tzinfo | None, tally: _Tally, *, best: bool
) -> tuple[Recording, Timeline]:
    found: dict[str, list[tuple[Clock, Samples]]] = {}
    written: list[Offsets] = list(person.offsets)
    for (channel, clock, grid), columns in person.columns.items():
        samples, shown, doubled = sort_records(columns)
        tally.doubled += doubled
        if clock == "written":
            written.append(shown)
        for one in samples:
            if grid:
                one, twins = merge_twins(one)
                tally.twins += twins
            one = drop_vague(one, channel, tally.vague)
            if len(one):
                found.setdefault(channel, []).append((clock, one))
    timeline = Timeline(written, zone)
    streams: dict[str, list[Samples]] = {}
    for channel, parts in found.items():
        by_source: dict[int, list[Samples]] = {}
        for clock, one in parts:
            if clock == "local" and zone is not None:
                tally.unplaced[channel] += len(one)
                continue
            if clock == "local" and written:
                one = _on_timeline(one, timeline)
            by_source.setdefault(one.source, []).append(one)
        if by_source:
            streams[channel] = [join(some) for some in by_source.values()]
    if best:
        streams = _best(streams)
    for channel, some in streams.items():
        tally.records[channel] += sum(map(len, some))
    order = _order(streams, store.sources)
    recording = Recording(
        streams,
        store.sources,
        order,
        wearable=order,
        dense=person.dense,
        believed=person.believed,
        together=True,
    )
    return recording, timeline


def _on_timeline(samples: Samples, timeline: Timeline) -> Samples:
    """Move samples of a local clock to where the clock that others wrote showed these times."""
    local = samples.start.astype(np.int64)
    shift = timeline.wall(local // 60) - local // 60
    shift = timeline.wall(local // 60 - shift) - (local // 60 - shift)
    start = np.maximum(local - shift * 60, 0).astype(np.uint32)
    order = np.argsort(start, kind="stable")
    return Samples(samples.source, start[order], samples.seconds[order], samples.value[order])


def _best(streams: dict[str, list[Samples]]) -> dict[str, list[Samples]]:
    """Keep, of each kind of record, one source: the one that tells most minutes apart, if they are no few,
    else the one that covers most.

    Where it has nothing for days (another watch, another app), the next best one answers.
    """
    kept: dict[str, list[Samples]] = {}
    for kind in dict.fromkeys(map(_kind, streams)):
        own = {channel: some for channel, some in streams.items() if _kind(channel) == kind}
        beds = {one.source: one for one in own.get(INBED, [])}
        apart: Counter[int] = Counter()
        covered: Counter[int] = Counter()
        for one in (one for some in own.values() for one in some):
            fine = _staged(one, beds.get(one.source)) if kind == ASLEEP else one.where(one.seconds <= _FINE)
            apart[one.source] += _minutes(fine)
            covered[one.source] += _minutes(one)
        enough = _ENOUGH * max(covered.values(), default=0)
        ranks = {one: (-apart[one] if apart[one] >= enough else 0, -covered[one], one) for one in covered}
        taken = np.zeros(0, np.int64)
        for source in sorted(ranks, key=ranks.__getitem__):
            told = [np.zeros(0, np.int64)]
            for channel, some in own.items():
                for one in (_beside(one, taken) for one in some if one.source == source):
                    if len(one):
                        kept.setdefault(channel, []).append(one)
                        told += _days(one)
            days = np.concatenate(told)
            taken = np.unique(np.concatenate([taken, days - 1, days, days + 1]))
    return kept


def _days(samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    """Return the days since 1970 on which samples begin and end."""
    start = samples.start.astype(np.int64)
    return start // 86_400, (start + np.maximum(samples.seconds, 1) - 1) // 86_400


def _beside(samples: Samples, taken: np.ndarray) -> Samples:
    """Return the samples that touch none of some days."""
    first, last = _days(samples)
    return samples.where(~(np.isin(first, taken) | np.isin(last, taken)))


def _kind(channel: str) -> str:
    if channel in (ASLEEP, AWAKE, INBED, UNKNOWN):
        return ASLEEP
    return WORKOUT if channel.startswith(WORKOUT) else channel


def _staged(samples: Samples, bed: Samples | None) -> Samples:
    """Return the samples of sleep that are no whole session: they differ from all times in bed."""
    if bed is None:
        return samples
    spans, whole = (one.start.astype(np.int64) << 20 | one.seconds for one in (samples, bed))
    return samples.where(~np.isin(spans, whole))


def _minutes(samples: Samples) -> int:
    """Return how many minutes samples tell of, overlaps once."""
    lasting = samples.united()
    brief = np.unique(samples.start[samples.seconds == 0] // 60)
    return int(lasting.seconds.sum(dtype=np.int64) // 60) + len(brief)


def _order(streams: dict[str, list[Samples]], sources: list[str]) -> list[str]:
    """Return the sources, those that record a heart rate first, then those with most records."""
    hearts: Counter[str] = Counter()
    everything: Counter[str] = Counter()
    for channel, some in streams.items():
        for one in some:
            everything[sources[one.source]] += len(one)
            hearts[sources[one.source]] += len(one) if channel == "heart_rate" else 0
    return sorted(everything, key=lambda name: (-hearts[name], -everything[name], name))


def drop_vague(samples: Samples, channel: str, vague: Counter[str]) -> Samples:
    """Return samples without amounts of more than twelve hours, which say nothing of minutes; count these."""
    if channel not in CHANNELS or CHANNELS[channel].aggregation != "sum":
        return samples
    telling = samples.seconds <= _TELLING
    if telling.all():
        return samples
    vague[channel] += int(np.count_nonzero(~telling))
    return samples.where(telling)


def drop_impossible(
    frame: pd.DataFrame, outside: Counter[str], channels: Mapping[str, Channel] = CHANNELS
) -> None:
    """Make amounts that no minute can hold missing, in place, and count them."""
    for name in frame.columns:
        channel = channels[name]
        if channel.aggregation == "sum":
            values = frame[name].to_numpy()
            wrong = (values > np.float32(channel.maximum)) | (values < channel.minimum)
            if wrong.any():
                outside[name] += int(np.count_nonzero(wrong))
                frame[name] = np.where(wrong, np.float32(np.nan), values)


def _joined(frames: list[pd.DataFrame], zone: tzinfo | None, *, keyed: bool) -> pd.DataFrame:
    if not frames:
        frame = pd.DataFrame(index=index_of(Timeline((), zone), np.zeros(0, np.int64)))
        if keyed:
            name_participant(frame, "")
        return frame
    if len(frames) == 1:
        return frames[0]
    names = [name for name in _NAMES if any(name in frame for frame in frames)]
    return pd.concat([frame.reindex(columns=names) for frame in frames]).astype(np.float32)


def _messages(store: Store, tally: _Tally, name: str, frame: pd.DataFrame) -> list[str]:
    found = [
        store.faults.summary(name),
        outside_range(name, tally.outside),
        too_vague(name, tally.vague),
    ]
    if tally.unplaced:
        found.append(
            f"{name}: {counted(tally.unplaced.total(), 'record is', 'records are')} on the local clock, all "
            "others in UTC, and without a zone they cannot be brought together; left out: "
            f"{by_channel(tally.unplaced)}. Give the zone, for instance tz='Europe/Berlin'."
        )
    if tally.twins:
        found.append(
            f"{name}: {counted(tally.twins, 'minute is', 'minutes are')} there twice with different values "
            "(a repeated hour, or files that overlap); the mean counts."
        )
    if store.never:
        found.append(
            f"{name}: {counted(store.never, 'record has', 'records have')} a local time that the clock of "
            f"{store.request.zone} never showed (the hour lost to summer time); left out."
        )
    if frame.empty:
        found.append(nothing_read(name, store.elements))
    return [message for message in found if message]
