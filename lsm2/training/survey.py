"""What a set of recordings holds, counted part by part: constants of the channels, and facts for the card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lsm2.aim import Normalisation
from lsm2.channels import CHANNELS
from lsm2.training.config import ChannelTransform, PretrainConfig
from lsm2.training.dataset import Recordings, usable_days

Float = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
_MOMENTS = 3


@dataclass(frozen=True)
class Survey:
    """Sums over recordings; surveys of parts add up to the survey of the whole.

    >>> one = Survey(np.array([[[1, 2]]]), np.array([[[2.0, 1.0, 0.0]]]))
    >>> two = Survey(np.array([[[1, 3]]]), np.array([[[1.0, 4.0, 0.0]]]))
    >>> (one + two).counts.tolist(), (one + two).moments.tolist()
    ([[[2, 5]]], [[[3.0, 2.0, 6.0]]])
    """

    counts: Whole
    """(sources, 1 + channels, 2): people and usable days, of all and of those that hold a channel."""
    moments: Float
    """(channels, 2, 3): number, mean and squared deviations of the observed minutes, transformed and as they
    are.
    """

    def __add__(self, other: Survey) -> Survey:
        """Join two surveys (pairwise update of moments: Chan, Golub and LeVeque 1979)."""
        (n, mean, squares), (m, other_mean, other_squares) = (
            np.moveaxis(x.moments, -1, 0) for x in (self, other)
        )
        total = np.maximum(n + m, 1)
        apart = other_mean - mean
        moments = [n + m, mean + apart * m / total, squares + other_squares + apart**2 * n * m / total]
        return Survey(self.counts + other.counts, np.stack(moments, axis=-1))

    @classmethod
    def empty(cls, config: PretrainConfig) -> Survey:
        """The survey of nothing."""
        channels = len(config.channels)
        return cls(
            np.zeros((len(config.sources), 1 + channels, 2), dtype=np.int64),
            np.zeros((channels, 2, _MOMENTS)),
        )

    @classmethod
    def of(cls, config: PretrainConfig, recordings: Recordings) -> Survey:
        """Count recordings."""
        survey = cls.empty(config)
        observed = recordings.observed()
        for position, how in enumerate(config.channels.values()):
            own = recordings.values[:, position][observed[:, position]].astype(np.float64)
            for row, values in enumerate((_transformed(own, how), own)):
                if own.size:
                    mean = values.mean()
                    survey.moments[position, row] = own.size, mean, ((values - mean) ** 2).sum()
        usable = usable_days(config, recordings)
        holds = np.column_stack([np.ones(len(usable), dtype=bool), observed[usable].any(-1)])
        for source in range(len(config.sources)):
            for column in range(holds.shape[1]):
                rows = usable[holds[:, column] & (recordings.source[usable] == source)]
                survey.counts[source, column] = len(set(recordings.person[rows])), len(rows)
        return survey

    def normalisation(self, config: PretrainConfig) -> tuple[Normalisation, ...]:
        """Constants of each channel.

        Raises:
            ValueError: A channel has no observed minute.
        """
        empty = [name for name, n in zip(config.channels, self.moments[:, 0, 0], strict=True) if not n]
        if empty:
            raise ValueError(
                f"no minute of {', '.join(map(repr, empty))} is observed among the train people; leave them "
                "out of channels, or see whether the source's units put all values outside the valid range"
            )
        constants = []
        for (name, how), moments in zip(config.channels.items(), self.moments, strict=True):
            mean = moments[0, 1]
            spread, scale = np.sqrt(moments[:, 2] / moments[:, 0])
            channel = CHANNELS[name]
            binary = channel.kind == "binary"
            constants.append(
                Normalisation(
                    transform=how.transform,
                    mean=round(float(mean), 6),
                    std=1.0 if binary else round(max(float(spread), 1e-6), 6),
                    clip=None if binary else how.clip,
                    scale=1.0 if binary else round(max(float(scale), 1e-6), 6),
                    output=channel.kind,
                    minimum=channel.minimum,
                    maximum=channel.maximum,
                )
            )
        return tuple(constants)

    def facts(self, config: PretrainConfig) -> dict[str, Any]:
        """People and days, by channel and source, for the checkpoint; of sources that read one file, whose
        people are the same, the most.
        """
        files = [source.file for source in config.sources]
        first = [position for position, file in enumerate(files) if files.index(file) == position]
        most = [self.counts[[file == files[position] for file in files]].max(0) for position in first]
        totals = np.sum(most, axis=0)
        return {
            **_named(totals[0]),
            "channels": {name: _named(totals[1 + i]) for i, name in enumerate(config.channels)},
            "sources": [
                {"name": config.sources[position].name, "licence": config.sources[position].licence}
                | _named(counts[0])
                for position, counts in zip(first, most, strict=True)
            ],
        }


def _transformed(values: Float, how: ChannelTransform) -> Float:
    if how.transform == "log1p":
        return np.log1p(values)
    return np.log(np.maximum(values, 1e-6)) if how.transform == "log" else values


def _named(counts: Whole) -> dict[str, int]:
    return {"people": int(counts[0]), "days": int(counts[1])}
