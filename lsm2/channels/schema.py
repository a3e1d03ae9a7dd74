"""The channels of a model, and which column of a frame holds which of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lsm2.channels.channel import Channel, ChannelError
from lsm2.channels.names import listing, nearest, plain_name
from lsm2.channels.registry import CHANNELS


class ZeroRule(BaseModel):
    """When zeros of some channels mean that nothing was recorded, for devices that write 0 while unworn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: tuple[str, ...] = Field(min_length=1)
    below: float | None = Field(default=0.0, ge=0)
    """Zeros are missing on days whose total is 0 or below this; None: on all days."""


class Schema(BaseModel):
    """The channels of a model, in the order in which it reads them.

    >>> schema = Schema.from_names(["heart_rate", "calories", "mets"])
    >>> len(schema), schema.names, schema.index("mets")
    (3, ('heart_rate', 'calories', 'mets'), 2)
    >>> schema.families
    {'heart': (0,), 'energy': (1, 2)}
    >>> schema.match("BPM")
    0
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: tuple[Channel, ...] = Field(min_length=1)
    zero_rules: tuple[ZeroRule, ...] = ()

    @field_validator("channels")
    @classmethod
    def _unambiguous(cls, channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
        owner: dict[str, str] = {}
        for channel in channels:
            for alias in dict.fromkeys(map(plain_name, (channel.name, *channel.aliases))):
                if alias in owner:
                    raise ValueError(
                        f"{alias!r} stands for two channels: {owner[alias]!r} and {channel.name!r}"
                    )
                owner[alias] = channel.name
        return channels

    @model_validator(mode="after")
    def _rules_fit(self) -> Schema:
        for rule in self.zero_rules:
            strays = sorted(set(rule.channels) - set(self.names))
            if strays:
                raise ValueError(f"zero_rules name {', '.join(strays)}, which are no channels of the schema")
        return self

    @classmethod
    def from_names(cls, names: Iterable[str]) -> Schema:
        """Return the schema of registered channels.

        Raises:
            ChannelError: A name is not in `CHANNELS`.
        """
        names = list(names)
        for name in names:
            if name not in CHANNELS:
                raise ChannelError(
                    f"{name!r} is no registered channel{nearest(name, CHANNELS)}; known: "
                    f"{', '.join(CHANNELS)}"
                )
        return cls(channels=tuple(CHANNELS[name] for name in names))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Canonical names, in order."""
        return tuple(channel.name for channel in self.channels)

    @cached_property
    def families(self) -> dict[str, tuple[int, ...]]:
        """Positions of the channels of each family, families in order of first appearance."""
        found: dict[str, list[int]] = {}
        for position, channel in enumerate(self.channels):
            found.setdefault(channel.family, []).append(position)
        return {family: tuple(positions) for family, positions in found.items()}

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {
            plain_name(name): position
            for position, channel in enumerate(self.channels)
            for name in (channel.name, *channel.aliases)
        }

    def __len__(self) -> int:
        """Return the number of channels."""
        return len(self.channels)

    def match(self, name: object) -> int | None:
        """Return the position of the channel that a column of this name holds, or None."""
        return self._positions.get(plain_name(name)) if isinstance(name, str) else None

    def index(self, name: str) -> int:
        """Return the position of a channel, by canonical name or alias.

        Raises:
            ChannelError: This schema has no such channel.
        """
        position = self.match(name)
        if position is None:
            raise ChannelError(
                f"this model has no channel {name!r}{nearest(name, self.names)}; it has "
                f"{', '.join(self.names)}"
            )
        return position

    def resolve(
        self, labels: Iterable[Any], columns: Mapping[Any, str] | None = None
    ) -> tuple[dict[int, Any], list[Any]]:
        """Say which column holds which channel.

        Args:
            labels: The column labels of a frame.
            columns: {label: canonical name or alias}, which goes before the names' own meaning.

        Returns:
            {position in the schema: label}, in order of the labels, and the labels that are no channel.

        Raises:
            ChannelError: `columns` names a label that is not there or a channel that is not known; two
                columns hold one channel; no column holds any.

        >>> schema = Schema.from_names(["heart_rate", "steps"])
        >>> schema.resolve(["HR", "walked", "note"], {"walked": "steps"})
        ({0: 'HR', 1: 'walked'}, ['note'])
        """
        labels = list(labels)
        columns = dict(columns or {})
        for label in columns:
            if label not in labels:
                raise ChannelError(
                    f"columns= names {label!r}, but the frame has no such column{nearest(label, labels)}; "
                    f"it has {listing(labels)}"
                )
        found: dict[int, Any] = {}
        unknown: list[Any] = []
        for label in labels:
            position = self.index(columns[label]) if label in columns else self.match(label)
            if position is None:
                unknown.append(label)
            elif position in found:
                raise ChannelError(
                    f"columns {found[position]!r} and {label!r} both hold channel {self.names[position]!r}. "
                    "Drop or rename one, for instance by frame.drop(columns=[...])."
                )
            else:
                found[position] = label
        if not found:
            raise ChannelError(
                f"no column holds a channel of this model: the frame has {listing(labels)}; known are "
                f"{', '.join(self.names)}{self.closest(unknown)}. Name them with "
                f"columns={{'your column': 'channel'}}."
            )
        return found, unknown

    def conversions(self, units: Mapping[str, str] | None) -> dict[int, tuple[float, float]]:
        """Return {position: (factor, offset)} for the units that a caller gave by channel.

        Raises:
            ChannelError: A channel or a unit is not known.
        """
        found: dict[int, tuple[float, float]] = {}
        for name, unit in (units or {}).items():
            position = self.match(name)
            if position is not None:
                found[position] = self.channels[position].conversion(unit)
            elif name in CHANNELS:
                CHANNELS[name].conversion(unit)
            else:
                raise ChannelError(
                    f"units= names {name!r}, which is no channel{nearest(name, self.names)}; "
                    f"known: {', '.join(self.names)}"
                )
        return found

    def closest(self, labels: Iterable[Any], taken: Iterable[int] = (), cutoff: float = 0.6) -> str:
        """Return ` (nearest match: 'hart_rate' might be 'heart_rate')` for the first label that is close to
        the name of a channel at another position than those taken, or nothing.
        """
        taken = set(taken)
        names = [name for name, position in self._positions.items() if position not in taken]
        for label in labels:
            close = difflib.get_close_matches(plain_name(label), names, n=1, cutoff=cutoff)
            if close:
                return f" (nearest match: {label!r} might be {self.names[self._positions[close[0]]]!r})"
        return ""
