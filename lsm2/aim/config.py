"""The configuration of the network and of the way values become its inputs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_DAY = 1440


class Normalisation(BaseModel):
    """How one channel becomes network units: ``z = (transform(x) - mean) / (std + epsilon)``, clipped to
    +-clip.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    transform: Literal["identity", "log1p", "log"] = "identity"
    mean: float = 0.0
    """Mean of the transformed values of the train people."""
    std: float = Field(default=1.0, gt=0)
    """Standard deviation of the transformed values of the train people."""
    clip: float | None = None
    """Largest absolute z that the network sees; None for no clipping."""
    epsilon: float = 0.0
    scale: float = Field(default=1.0, gt=0)
    """Standard deviation in the channel's own unit, which sets the size of a correction to its mean."""
    output: Literal["continuous", "count", "binary"] = "continuous"
    """The form of the read-out: an additive correction, one that cannot be negative, or a probability."""
    minimum: float | None = None
    maximum: float | None = None
    """Valid range in the own unit; a fill is clipped to it. None on both sides: fills are not clipped."""


class AIMConfig(BaseModel):
    """Dimensions and extensions of the masked autoencoder (DESIGN of LSM-2: arXiv 2506.05321, section 3).

    The flags ``minute_flags``, ``correction``, ``clock`` and ``decoder="cross"`` are extensions; with all of
    them off, the network is the one of the paper.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    normalisation: tuple[Normalisation, ...] = Field(min_length=1)
    """One entry a channel, in the order of the schema."""
    window_minutes: int = Field(default=1440, gt=0)
    patch_minutes: int = Field(default=10, gt=0)

    encoder_dim: int = Field(default=384, gt=0)
    encoder_depth: int = Field(default=12, gt=0)
    encoder_heads: int = Field(default=6, gt=0)
    decoder_dim: int = Field(default=256, gt=0)
    decoder_depth: int = Field(default=4, gt=0)
    decoder_heads: int = Field(default=4, gt=0)
    mlp_ratio: float = Field(default=4.0, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    qkv_bias: bool = True
    """Biases in the self-attention's projection to queries, keys and values."""

    decoder: Literal["self", "cross"] = "self"
    """``self``: mask tokens among all tokens of the day; ``cross``: only the tokens asked for, attending to
    the encoder's.
    """
    positions: Literal["sincos", "learned"] = "sincos"
    clock: bool = False
    """Add an embedding of the wall-clock time of a token, so that a window may start at any hour."""
    minute_flags: bool = False
    """The patch embedding sees, beside the values, which of its minutes were observed."""
    correction: bool = False
    """A decoder query holds the linear interpolation of its channel's visible minutes; the head corrects it.
    """
    query_neighbours: int = Field(default=2, ge=0)
    """Patches on each side whose minutes a query sees."""
    query_patches: int = Field(default=18, ge=0)
    """Patches on each side whose visible mean a query sees."""
    query_channels: bool = False
    """A query sees the visible minutes of all channels in its patch, beside those of its own channel."""
    usual_day: bool = False
    """A query sees what its channel was like on the person's other days, and what it corrects falls back to
    that level (without other days: to the mean of the window's visible minutes) away from visible minutes.
    """
    usual_patches: int = Field(default=3, ge=0)
    """Patches on each side that the mean of other days at a time of the day is taken over."""
    channel_regression: int = Field(default=0, ge=0)
    """Width of the minute-wise regressions on the other channels, which answers are blended with away from
    visible minutes of the own channel; 0 for none.
    """
    gap_regression: int = Field(default=0, ge=0)
    """Width of the minute-wise regressions on the channel's own surroundings, which answers are blended with
    near visible minutes; 0 for none.
    """
    summary: int = Field(default=0, ge=0)
    """Width of the layer that reads tokens for embeddings; 0: they are means of the encoder's output. With
    it, observed shares count over that of the channel's fullest patch, so that channels weigh alike however
    often they are recorded.
    """
    read_out: Literal["value", "mean_and_median"] = "value"
    """``value``: one number a minute; ``mean_and_median``: the mean in own units and the median."""
    missing: Literal["inherit", "impute"] = "inherit"
    """``inherit``: what the recording lacks stays masked (AIM). ``impute``: it is taken for observed at the
    channel's mean, in training and use, as the LSM-1-style autoencoder does that AIM is compared with.
    """
    all_minutes_required: tuple[int, ...] = ()
    """Channels whose token counts as observed only with every minute observed (else: any minute)."""
    observed_share_pooling: bool = True
    """Weight tokens by their observed share when the day is pooled."""

    @model_validator(mode="after")
    def _fits(self) -> AIMConfig:
        if self.window_minutes % self.patch_minutes:
            raise ValueError(
                f"window_minutes {self.window_minutes} is no multiple of patch_minutes {self.patch_minutes}"
            )
        for part, dim, heads in (
            ("encoder", self.encoder_dim, self.encoder_heads),
            ("decoder", self.decoder_dim, self.decoder_heads),
        ):
            if dim % heads:
                raise ValueError(f"{part}_dim {dim} is no multiple of {part}_heads {heads}")
            if dim % 4:
                raise ValueError(f"{part}_dim {dim} is no multiple of 4, which the positions need")
        if any(not 0 <= channel < self.channels for channel in self.all_minutes_required):
            raise ValueError(
                f"all_minutes_required {self.all_minutes_required} names a channel beyond {self.channels}"
            )
        if self.correction and self.read_out == "value":
            raise ValueError("correction=True needs read_out='mean_and_median'")
        if self.query_channels and not self.correction:
            raise ValueError("query_channels=True needs correction=True, whose queries it adds to")
        if self.usual_day and not self.correction:
            raise ValueError("usual_day=True needs correction=True, whose queries it adds to")
        for regression in ("channel_regression", "gap_regression"):
            if getattr(self, regression) and not (self.usual_day and self.read_out == "mean_and_median"):
                raise ValueError(f"{regression} needs usual_day=True and read_out='mean_and_median'")
        if self.usual_day and self.window_minutes != _DAY:
            raise ValueError(f"usual_day=True needs windows of one day, not of {self.window_minutes} minutes")
        if self.summary and (self.window_minutes != _DAY or self.missing == "impute"):
            raise ValueError("summary needs windows of one day, and missing='inherit'")
        if self.usual_day and 2 * self.usual_patches >= self.slots:
            raise ValueError(f"usual_patches {self.usual_patches} reach around the whole day of {self.slots}")
        return self

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.normalisation)

    @property
    def slots(self) -> int:
        """Patches of one channel in one window."""
        return self.window_minutes // self.patch_minutes

    @property
    def tokens(self) -> int:
        """Tokens of one window: channels x slots, channel-major."""
        return self.channels * self.slots
