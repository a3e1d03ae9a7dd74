"""What the columns of a table hold: times, people, channels, and in which units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lsm2.channels import CHANNELS, Channel, ChannelError, Schema, listing, nearest, plain_name

_TIME, _WHO = "timestamp", "participant_id"
_TIMES = (
    _TIME,
    "time",
    "datetime",
    "date_time",
    "date time",
    "recorded_time",
    "timestamp_iso",
    "start_time",
    "date",
)
_PEOPLE = (_WHO, "participant", "subject", "subject_id", "user_id")
_NAMED = ("channel", "type", "variable", "metric", "measure", "signal", "name")  # beside "value"
_SCHEMA = Schema(channels=tuple(CHANNELS.values()))


@dataclass(frozen=True)
class Plan:
    """Which column holds what."""

    time: str
    date: str | None  # where the time of day stands apart
    who: str | None
    channels: dict[str, Channel]  # by column


def is_table(header: Sequence[str], channels: int = 1) -> bool:
    """Say whether a header is that of a table that says whose its rows are, or holds channels beside a time.

    Args:
        header: Names of columns.
        channels: How many channels must stand beside a time where no column says whose a row is.

    >>> is_table(("Time", "BPM")), is_table(("timestamp", "steps"), channels=2), is_table(("subject", "x"))
    (True, False, True)
    """
    names = set(map(plain_name, header))
    if not names.isdisjoint(map(plain_name, _PEOPLE)):
        return True
    known = {_SCHEMA.match(name) for name in header} - {None}
    return not names.isdisjoint(map(plain_name, _TIMES)) and len(known) >= channels


def read_meaning(column: str, name: str) -> str:
    """Return what a caller says that a column holds: a channel by its own name, a time or whose a row is.

    Raises:
        ChannelError: It is none of them.
    """
    if name in (_TIME, _WHO):
        return name
    position = _SCHEMA.match(name)
    if position is None:
        known = [_TIME, _WHO, *CHANNELS]
        raise ChannelError(
            f"columns= says that {column!r} holds {name!r}, which is no channel{nearest(name, known)}; "
            f"known: {', '.join(known)}"
        )
    return _SCHEMA.names[position]


def read_units(units: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the unit of each channel, given by the channel, an alias of it or a column that holds it.

    Raises:
        ChannelError: A key is no channel, a unit is not known, or a channel has two.
    """
    found: dict[str, tuple[str, str]] = {}
    for key, unit in units.items():
        name = wanted.get(key, key)
        _SCHEMA.conversions({name: unit})
        channel = _SCHEMA.names[_SCHEMA.index(name)]
        other, before = found.setdefault(channel, (key, unit))
        if CHANNELS[channel].conversion(before) != CHANNELS[channel].conversion(unit):
            raise ChannelError(
                f"units= gives {channel!r} twice: {before!r} by {other!r} and {unit!r} by {key!r}; keep one"
            )
    return {channel: unit for channel, (_, unit) in found.items()}


def plan_columns(labels: list[str], wanted: Mapping[str, str], where: str) -> Plan:
    """Say which column of a table holds what.

    Raises:
        ChannelError: No column holds a time, or none a channel; a column that was named is not there.
    """
    missing = [column for column in wanted if column not in labels]
    if missing:
        raise ChannelError(
            f"{where}: columns= names {missing[0]!r}, but the table has no such column"
            f"{nearest(missing[0], labels)}; it has {listing(labels)}"
        )
    time = _special(labels, wanted, _TIME, _TIMES)
    if time is None and labels and (labels[0] == "" or labels[0].startswith("Unnamed: ")):
        time = labels[0]
    if time is None:
        time = next((label for label in labels if label.startswith("__index_level_")), None)
    if time is None:
        raise ChannelError(
            f"{where}: no column holds times: it has {listing(labels)}. Name it with "
            "columns={'your column': 'timestamp'}."
        )
    date = None
    if plain_name(time) == "time" and time not in wanted:
        date = next((label for label in labels if plain_name(label) == "date" and label not in wanted), None)
    who = _special(labels, wanted, _WHO, _PEOPLE)
    rest = [label for label in labels if label not in (time, date, who)]
    named = {column: name for column, name in wanted.items() if column in rest}
    try:
        found, _ = _SCHEMA.resolve(rest, named)
    except ChannelError as error:
        raise ChannelError(f"{where}: {error}{_pivot(rest, time)}") from error
    return Plan(time, date, who, {label: _SCHEMA.channels[place] for place, label in found.items()})


def _pivot(labels: list[str], time: str) -> str:
    """Say how a table is turned that has a value a row and the name of its channel beside it."""
    name = next((label for label in labels if plain_name(label) in _NAMED), None)
    value = next((label for label in labels if plain_name(label) == "value"), None)
    if name is None or value is None:
        return ""
    return (
        " A table with one value a row must be turned first: pandas.read_csv(...).pivot_table("
        f"index={time!r}, columns={name!r}, values={value!r}).to_csv(...)."
    )


def _special(
    labels: list[str], wanted: Mapping[str, str], meaning: str, names: tuple[str, ...]
) -> str | None:
    given = [column for column, name in wanted.items() if name == meaning]
    if len(given) > 1:
        raise ChannelError(f"columns= gives {meaning} twice: {given[0]!r} and {given[1]!r}")
    if given:
        return given[0]
    for name in names:
        for label in labels:
            if plain_name(label) == plain_name(name) and label not in wanted:
                return label
    return None
