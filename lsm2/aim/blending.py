"""Answers of the network blended with those of minute-wise regressions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lsm2.aim.config import AIMConfig
from lsm2.aim.context import distinct, minutes_away
from lsm2.aim.gap_regression import ONE_SIDED, GapRegression, Surroundings, situations
from lsm2.aim.normalisation import Normaliser
from lsm2.aim.reading import Reading
from lsm2.aim.regression import ChannelRegression, Minutes, others_nearby

_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Where:
    """The minutes of a reading at which a regression counts, m of them, one channel after the other."""

    row: Tensor
    """(m,) position in the reading."""
    place: Tensor
    """(m,) minute of the patch."""
    day: Tensor
    channel: Tensor
    minute: Tensor
    """(m,) of the window."""
    weight: Tensor
    """(m,) how much the regression counts."""

    @classmethod
    def of(cls, reading: Reading, weight: Tensor, config: AIMConfig) -> Where:
        """Where the weight (n, patch) of a reading is not next to nothing."""
        order = (reading.token // config.slots).argsort(stable=True)
        row, place = (weight[order] > _LEAST_SHARE).nonzero(as_tuple=True)
        row = order[row]
        token = reading.token[row]
        minute = token % config.slots * config.patch_minutes + place
        return cls(row, place, reading.day[row], token // config.slots, minute, weight[row, place])

    def channels(self) -> Iterator[tuple[int, slice]]:
        """Each channel that there are minutes of, and which they are."""
        begin = 0
        for channel, count in enumerate(self.channel.bincount().tolist()):
            if count:
                yield channel, slice(begin, begin + count)
            begin += count


class Blend:
    """Answers of the network that regressions are blended into, one after the other.

    Args:
        reading: Answers of n tokens.
        visible: (days, channels, minutes) bool.
        config: Dimensions.
        normaliser: The channels' constants.
    """

    def __init__(self, reading: Reading, visible: Tensor, config: AIMConfig, normaliser: Normaliser) -> None:
        self.reading, self._config, self._normaliser = reading, config, normaliser
        self._channel, self._days = reading.token // config.slots, len(visible)
        away = minutes_away(visible)  # (days, channels, minutes)
        heard = others_nearby(away)
        self._away, self._heard, self._situation = (
            x.unflatten(-1, (config.slots, -1)).flatten(1, 2)[reading.day, reading.token]
            for x in (away, heard, situations(visible, heard))
        )  # each (n, patch)
        kinds = [one.output == "binary" for one in config.normalisation]
        self._binary = torch.tensor(kinds, device=visible.device)[self._channel, None]

    def with_gaps(self, regression: GapRegression, look: Callable[[], Surroundings]) -> None:
        """Lean on the regression on the own surroundings, near visible minutes of the channel.

        Args:
            regression: Which.
            look: Looks at the surroundings, where there is need to.
        """
        weight = regression.weight(self._away, self._channel, self._situation) * (self._away > 0)
        where = Where.of(self.reading, weight, self._config)
        if not len(where.row):
            return
        x, base, base_z = look().at(where.day, where.channel, where.minute)
        self._add(
            where, lambda own, some: regression(own, (x[some], base[some], base_z[some]), self._normaliser)
        )

    def with_channels(self, regression: ChannelRegression, look: Callable[[], Minutes]) -> None:
        """Lean on the regression on the other channels, away from the own ones where others are visible.

        Args:
            regression: Which.
            look: Looks at the other channels, where there is need to.
        """
        one_sided = self._situation == ONE_SIDED
        weight = regression.weight(self._away, self._channel, one_sided) * self._heard
        where = Where.of(self.reading, weight, self._config)
        if not len(where.row):
            return
        window = self._config.window_minutes
        # Several channels are asked for at the same minutes.
        moment, which = distinct(where.day * window + where.minute, self._days * window)
        rows = look().at(moment // window, moment % window)
        self._add(where, lambda own, some: regression(own, rows, self._normaliser, which[some]))

    def _add(self, where: Where, answer: Callable[[int, slice], tuple[Tensor, Tensor]]) -> None:
        """Blend with the answers of a channel at positions in ``where``: means, and medians in network
        units.
        """
        answers = zip(*(answer(own, some) for own, some in where.channels()), strict=True)
        at = where.row, where.place
        mean, median_z = (
            x.index_put(at, torch.lerp(x[at], torch.cat(other), where.weight))
            for x, other in zip((self.reading.mean, self.reading.median_z), answers, strict=True)
        )
        median = self._normaliser.denormalise(median_z, self._channel)
        median = torch.where(self._binary, mean, median)
        self.reading = replace(self.reading, mean=mean, median_z=median_z, median=median)
