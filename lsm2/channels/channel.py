"""One channel: unit, kind, valid range, names."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["continuous", "count", "binary"]
Aggregation = Literal["mean", "sum", "max"]


class ChannelError(ValueError):
    """A channel, column or unit that is not known, or two columns that claim one channel."""


class Channel(BaseModel):
    """One per-minute signal.

    A value `x` in another unit becomes canonical as `x * scales[unit] + offsets.get(unit, 0)`.

    >>> from lsm2.channels import CHANNELS
    >>> temperature = CHANNELS["skin_temperature"]
    >>> temperature.unit, temperature.kind, temperature.minimum, temperature.maximum
    ('degC', 'continuous', 10.0, 45.0)
    >>> scale, offset = temperature.conversion("degF")
    >>> round(98.6 * scale + offset, 3)
    37.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)  # canonical name
    unit: str  # canonical unit, per minute for sums
    kind: Kind
    family: str  # channels that carry the same information
    aggregation: Aggregation  # how finer rows become one minute
    minimum: float  # valid range in the canonical unit, both ends valid
    maximum: float
    integer: bool = False  # whether devices write whole numbers
    aliases: tuple[str, ...] = ()  # other column names, compared by `plain_name`
    scales: dict[str, float] = Field(default_factory=dict)  # unit or device -> factor to the canonical unit
    offsets: dict[str, float] = Field(default_factory=dict)  # unit -> what to add after the factor

    @model_validator(mode="after")
    def _check(self) -> Channel:
        if not self.minimum < self.maximum:
            raise ValueError(f"channel {self.name!r}: minimum {self.minimum} >= maximum {self.maximum}")
        wrong = [unit for unit, scale in self.scales.items() if not scale > 0]
        if wrong:
            raise ValueError(f"channel {self.name!r}: the factor of {wrong} is not above 0")
        strays = sorted(set(self.offsets) - set(self.scales))
        if strays:
            raise ValueError(f"channel {self.name!r}: offsets for {strays}, which have no factor in scales")
        return self

    @property
    def is_total(self) -> bool:
        """Whether the sum of its minutes means something: counts and energies."""
        return self.kind == "count" or self.family == "energy"

    def conversion(self, unit: str | None) -> tuple[float, float]:
        """Return (factor, offset) that bring values in `unit` into the canonical unit.

        Args:
            unit: A unit or device of this channel, the canonical unit, or None (canonical). For sums `/min`
                may be left out. Capitals matter only where two units differ by them (`Cal`, `cal`).

        Raises:
            ChannelError: The unit is not known for this channel.

        >>> from lsm2.channels import CHANNELS
        >>> CHANNELS["distance"].conversion("km")
        (1000.0, 0.0)
        """
        if unit is None:
            return 1.0, 0.0
        known = {self.unit: 1.0, **self.scales}
        short = {self._short(name): name for name in known}
        wanted = self._short(str(unit).strip())
        found = short.get(wanted)
        if found is None:
            loose = [name for key, name in short.items() if key.casefold() == wanted.casefold()]
            found = loose[0] if len(loose) == 1 else None
        if found is None:
            raise ChannelError(
                f"unit {unit!r} is not known for channel {self.name!r}; known: {', '.join(known)}. "
                f"Convert the column to {self.unit!r} yourself, or name one of these."
            )
        return known[found], self.offsets.get(found, 0.0)

    def _short(self, unit: str) -> str:
        return unit.removesuffix("/min") if self.aggregation == "sum" else unit
