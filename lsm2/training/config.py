"""The one file that reproduces a checkpoint: data, network, masks, optimisation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from lsm2.aim import AIMConfig, MaskConfig, Normalisation
from lsm2.aim.usual import MOST_DAYS
from lsm2.channels import Schema
from lsm2.channels.names import nearest
from lsm2.training.sources import SleepLog, Source


class ChannelTransform(BaseModel):
    """How a channel is normalised; mean and standard deviation are computed from the train people."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    transform: Literal["identity", "log1p", "log"] = "identity"
    clip: float | None = 6.0


class ContrastiveConfig(BaseModel):
    """Contrastive instead of masked pretraining, see :mod:`lsm2.training.contrastive`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(default=0.1, gt=0)
    projection_dim: int = Field(default=64, gt=0)
    shift_minutes: int = Field(default=60, ge=0, lt=1440)
    """A view is turned by up to so many minutes either way."""
    jitter: float = Field(default=0.1, ge=0)
    """Standard deviation of the noise on each minute, network units."""


class StreamConfig(BaseModel):
    """Training on more days than memory holds, see :class:`lsm2.training.feed.StreamFeed`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part_days: int = Field(default=128, gt=0)
    """About so many days, of whole people, are read at once."""
    held_parts: int = Field(default=8, gt=0)
    """Parts that a lane draws from."""
    lanes: int = Field(default=4, gt=0)
    """Independent draws that make up a batch, dealt out to the processes: at least as many as those."""
    uses: float = Field(default=1.0, gt=0)
    """About so many windows are drawn for each day between its coming and its going."""


class PretrainConfig(BaseModel):
    """Everything that `lsm2 pretrain` needs beside the data directory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    licence: str
    """Terms of the weights, which follow from the data's."""
    description: str = ""

    channels: dict[str, ChannelTransform] = Field(min_length=1)
    """Canonical channels of the schema, in order."""
    sources: tuple[Source, ...] = Field(min_length=1)
    splits: str | None = None
    """File in the data directory with {source: {train, valid, test: [participants]}}; None draws a split by
    `seed`.
    """
    valid_fraction: float = Field(default=0.15, gt=0, lt=1)
    min_tokens: int = Field(default=12, gt=0)
    """Days with fewer observed tokens are left out."""

    network: dict[str, Any] = Field(default_factory=dict)
    """Fields of AIMConfig other than `normalisation`."""
    masks: MaskConfig = MaskConfig()
    contrastive: ContrastiveConfig | None = None
    """Learn to recognise windows altered by `masks` and more, instead of reconstructing what `masks` hide."""
    stream: StreamConfig | None = None
    """Read the files while training goes on, instead of holding all days in memory."""
    drop_fraction: float = Field(default=0.8, ge=0, lt=1)
    """Share of all tokens dropped from the computation, masked ones first."""
    distance_exponent: float = Field(default=0.5, ge=0)
    """Target minutes weigh (1 + minutes to the nearest visible one) ** -exponent."""

    shift_probability: float = Field(default=0.5, ge=0, le=1)
    """How often a window starts at a random time instead of midnight."""
    unworn_probability: float = Field(default=0.5, ge=0, le=1)
    """How often zeros of an unworn device stay visible (they are never a target)."""
    count_scale: float = Field(default=1.5, ge=1)
    """Activity counts of a window are multiplied by a factor between 1 / count_scale and count_scale, half
    of the time.
    """
    usual_probability: float = Field(default=0.7, ge=0, le=1)
    """How often a window sees other days of its person, where the network has `usual_day`."""
    usual_days: int = Field(default=MOST_DAYS, gt=0, le=MOST_DAYS)
    """The most other days it sees then; the number is drawn log-uniformly."""

    initial: str | None = None
    """Checkpoint whose weights training begins with, by any name that `load_model` takes. It must have the
    same channels, whose constants are taken from it; what the network has beyond it begins anew.
    """
    steps: int = Field(ge=0)
    """0 with `initial`: only the second stage."""
    regression_steps: int = Field(default=3000, gt=0)
    """Steps of each regression of the second stage (`channel_regression`, `gap_regression` of networks)."""
    summary_steps: int = Field(default=2000, gt=0)
    """Steps of the last part of the second stage (`summary` of networks)."""
    batch_windows: int = Field(default=64, gt=0)
    micro_windows: int = Field(default=8, gt=0)
    """Windows of like length that are computed at once."""
    learning_rate: float = Field(default=1e-3, gt=0)
    final_learning_rate: float = Field(default=1e-5, ge=0)
    warmup_steps: int = Field(default=200, ge=0)
    weight_decay: float = Field(default=0.05, ge=0)
    betas: tuple[float, float] = (0.9, 0.95)
    clip_norm: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the moving average of the weights, which is what is saved; 0 for none."""
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    seed: int = 0

    log_every: int = Field(default=50, gt=0)
    valid_every: int = Field(default=500, gt=0)
    valid_windows: int = Field(default=128, gt=0)
    checkpoint_seconds: float = Field(default=180, gt=0)

    @field_validator("network")
    @classmethod
    def _no_normalisation(cls, network: dict[str, Any]) -> dict[str, Any]:
        if "normalisation" in network:
            raise ValueError("network.normalisation is computed from the train people; leave it out")
        return network

    @model_validator(mode="after")
    def _fit_for_contrast(self) -> PretrainConfig:
        if self.contrastive is not None and self.network.get("dropout", 0.0):
            raise ValueError("contrastive pretraining computes views twice and needs network.dropout=0")
        if self.contrastive is not None and self.network.get("summary", 0):
            raise ValueError("contrastive pretraining learns embeddings itself and needs network.summary=0")
        if self.contrastive is not None and self.stream is not None:
            raise ValueError("contrastive pretraining holds all days in memory; leave stream out")
        return self

    @model_validator(mode="after")
    def _something_to_do(self) -> PretrainConfig:
        stages = any(
            self.network.get(name, 0) for name in ("channel_regression", "gap_regression", "summary")
        )
        if not self.steps and (self.initial is None or not stages):
            raise ValueError("steps=0 learns nothing; only a second stage after `initial` may do without")
        return self

    @model_validator(mode="after")
    def _windows_for_all_lanes(self) -> PretrainConfig:
        if self.stream is not None and self.batch_windows < self.stream.lanes:
            raise ValueError(
                f"batch_windows={self.batch_windows} leaves some of stream.lanes={self.stream.lanes} without "
                "a window; raise the one or lower the other"
            )
        return self

    @field_validator("channels")
    @classmethod
    def _registered(cls, channels: dict[str, ChannelTransform]) -> dict[str, ChannelTransform]:
        Schema.from_names(channels)
        return channels

    @model_validator(mode="after")
    def _network_that_can_be(self) -> PretrainConfig:
        any_constants = Normalisation(transform="identity", mean=0.0, std=1.0)
        try:
            self.aim((any_constants,) * len(self.channels))
        except ValidationError as error:
            raise ValueError(_problems(error, AIMConfig, "network")) from None
        return self

    @classmethod
    def read(cls, path: Path) -> PretrainConfig:
        """Read and check a JSON file.

        Raises:
            FileNotFoundError: No such file.
            ValueError: The file is no JSON, or a field is unknown or wrong: all of them are named.
        """
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such pretraining config; check the path")
        try:
            return cls.model_validate_json(path.read_text())
        except ValidationError as error:
            problems = _problems(error, cls)
            raise ValueError(f"{path} is not a valid pretraining config: {problems}") from None

    def schema_of_channels(self) -> Schema:
        """Return the schema, in the order of `channels`."""
        return Schema.from_names(self.channels)

    @property
    def patch_minutes(self) -> int:
        """Minutes of a token."""
        return int(self.network.get("patch_minutes", AIMConfig.model_fields["patch_minutes"].default))

    def aim(self, normalisation: tuple[Normalisation, ...]) -> AIMConfig:
        """Return the network's configuration."""
        return AIMConfig(normalisation=normalisation, **self.network)


_PARTS: dict[str, type[BaseModel]] = {
    "channels": ChannelTransform,
    "sources": Source,
    "sleep_log": SleepLog,
    "masks": MaskConfig,
    "stream": StreamConfig,
    "contrastive": ContrastiveConfig,
}


def _problems(error: ValidationError, whole: type[BaseModel], inside: str = "") -> str:
    """What is wrong and where, in a line; of the fields there the one that a misspelt name may mean."""
    problems, told = [], error.errors()
    for one in told:
        if one["type"] == "too_short" and any(
            other["loc"][: len(one["loc"])] == one["loc"] for other in told if other is not one
        ):
            continue  # for what is wrong with its items
        place = ".".join(map(str, [inside, *one["loc"]] if inside else one["loc"]))
        message = one["msg"].removeprefix("Value error, ")
        if one["type"] == "extra_forbidden":
            of = [_PARTS[str(part)] for part in one["loc"][:-1] if part in _PARTS] or [whole]
            message = f"no such field{nearest(str(one['loc'][-1]), list(of[-1].model_fields))}"
        problems.append(f"{place}: {message}" if place else message)
    return "; ".join(problems)
