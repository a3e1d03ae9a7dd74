"""The masked autoencoder with adaptive and inherited masking (LSM-2, arXiv 2506.05321, section 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from lsm2.aim.blending import Blend
from lsm2.aim.blocks import Positions, Stack
from lsm2.aim.config import AIMConfig
from lsm2.aim.context import Context, across_features, build_context, context_features
from lsm2.aim.gap_regression import GapRegression, Surroundings
from lsm2.aim.masks import kept_tokens
from lsm2.aim.normalisation import Normaliser
from lsm2.aim.packing import Packed, PackedQueries, Padded, rounded
from lsm2.aim.reading import Reading, corrected_count, corrected_logit
from lsm2.aim.regression import ChannelRegression, Minutes
from lsm2.aim.summary import Summary
from lsm2.aim.usual import sums_or_none, usual_sums, with_unseen_times

_REVERSION_MINUTES = 180.0  # to begin with
_MULTIPLE = 32  # sizes of training batches are rounded up: on CPUs each new shape costs the making of kernels


@dataclass(frozen=True)
class Tokens:
    """The tokens of a batch of windows."""

    inputs: Tensor
    """(days, tokens, features) network units, zeros where nothing is visible."""
    share: Tensor
    """(days, tokens) share of the patch's minutes that are visible."""
    visible: Tensor
    """(days, tokens) bool: the token counts as observed."""

    def relative_share(self, slots: int) -> Tensor:
        """(days, tokens) share over that of the channel's fullest patch: what is recorded every 15 minutes
        weighs as much as what is recorded each minute.
        """
        share = self.share.unflatten(1, (-1, slots))
        fullest = share.amax(-1, keepdim=True)
        return (share / torch.where(fullest > 0, fullest, 1.0)).flatten(1)


@dataclass(frozen=True)
class Encoded:
    """What the observed tokens of a batch of windows say, end to end."""

    output: Tensor
    """(all observed tokens, dim) of the encoder, or of its summary."""
    day: Tensor
    """(all observed tokens,) position of the window in the batch, ascending."""
    token: Tensor
    """(all observed tokens,) channel-major token number."""
    weight: Tensor
    """(all observed tokens,) in means over tokens."""
    lengths: tuple[int, ...]
    """Observed tokens of each window."""


class AIM(nn.Module):
    """Encoder and decoder; knows windows, not people or calendars.

    Windows come as ``values`` (days, channels, minutes) in own units, ``observed`` of the same shape and
    ``start`` (days,), the clock slot at which each window begins (0 for a calendar day). What stands in
    unobserved minutes is never read.
    """

    _all_minutes: Tensor
    _count: Tensor
    _binary: Tensor

    def __init__(self, config: AIMConfig) -> None:
        super().__init__()
        self.config = config
        self.normaliser = Normaliser(config.normalisation)
        features = config.patch_minutes * (2 if config.minute_flags else 1)
        self.patch_embed = nn.Linear(features, config.encoder_dim)
        self.encoder_positions = Positions(config, config.encoder_dim)
        self.encoder = Stack(config.encoder_depth, config.encoder_dim, config.encoder_heads, config)
        self.encoder_to_decoder = nn.Linear(config.encoder_dim, config.decoder_dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, config.decoder_dim))
        self.decoder_positions = Positions(config, config.decoder_dim)
        self.decoder = Stack(
            config.decoder_depth,
            config.decoder_dim,
            config.decoder_heads,
            config,
            cross=config.decoder == "cross",
        )
        self.query = nn.Linear(context_features(config), config.decoder_dim) if config.correction else None
        self.across = self.gate = None
        if config.query_channels:
            self.across = nn.Linear(across_features(config), config.decoder_dim)
            self.gate = nn.Parameter(torch.ones(config.channels, config.decoder_dim))
        self.reversion = None
        if config.usual_day:
            self.reversion = nn.Parameter(torch.full((config.channels,), math.log(_REVERSION_MINUTES)))
        self.regression = ChannelRegression(config) if config.channel_regression else None
        self.gap_regression = GapRegression(config) if config.gap_regression else None
        self.summary = Summary(config) if config.summary else None
        outputs = 3 if config.read_out == "mean_and_median" else 1
        self.decoder_pred = nn.Linear(config.decoder_dim, outputs * config.patch_minutes)
        every = torch.zeros(config.channels, dtype=torch.bool)
        every[list(config.all_minutes_required)] = True
        self.register_buffer("_all_minutes", every, persistent=False)
        kinds = [n.output for n in config.normalisation]
        self.register_buffer("_count", torch.tensor([k == "count" for k in kinds]), persistent=False)
        self.register_buffer("_binary", torch.tensor([k == "binary" for k in kinds]), persistent=False)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.normal_(self.mask_token, std=0.02)
        if self.config.correction:
            nn.init.zeros_(self.decoder_pred.weight)  # the first answer is the interpolation
        for regression in self.regressions.values():
            regression.begin()

    @property
    def regressions(self) -> dict[str, ChannelRegression | GapRegression]:
        """The minute-wise regressions that it has, by attribute."""
        every = {"regression": self.regression, "gap_regression": self.gap_regression}
        return {name: module for name, module in every.items() if module is not None}

    @property
    def second_stage(self) -> dict[str, nn.Module]:
        """What is learnt once the rest is, by attribute."""
        summary = {} if self.summary is None else {"summary": self.summary}
        return {**self.regressions, **summary}

    # ------------------------------------------------------------------ tokens and encoder

    def tokenise(self, values: Tensor, visible: Tensor) -> Tokens:
        """Patches of visible minutes; hidden and missing minutes become zeros."""
        config = self.config
        z = self.normaliser.normalise(torch.where(visible, values, 0.0)) * visible
        patches = z.unflatten(-1, (config.slots, -1)).flatten(1, 2)  # (days, tokens, patch)
        flags = visible.unflatten(-1, (config.slots, -1)).flatten(1, 2)
        share = flags.float().mean(-1)
        every = self._all_minutes.repeat_interleave(config.slots)
        token_visible = torch.where(every, share == 1, share > 0)
        inputs = torch.cat([patches, flags.to(z.dtype)], dim=-1) if config.minute_flags else patches
        return Tokens(inputs, share, token_visible)

    def _given(self, values: Tensor, observed: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Values and visible minutes, without those that are hidden (bool, broadcast to ``values``)."""
        if self.config.missing == "inherit":
            return values, observed & ~hidden
        mean = self.normaliser.denormalise(torch.zeros_like(values))
        return torch.where(observed, values, mean), (~hidden).expand_as(observed)

    def encode(self, values: Tensor, observed: Tensor, start: Tensor) -> Encoded:
        """What observed tokens say in embeddings; packed, exact: a missing token is attended by none."""
        nothing = torch.zeros((), dtype=torch.bool, device=observed.device)
        tokens = self.tokenise(*self._given(values, observed, nothing))
        encoded = self.encode_tokens(tokens, start)
        if self.summary is None:
            return encoded
        day, token = encoded.day, encoded.token
        return replace(
            encoded, output=self.summary(encoded.output, tokens.inputs[day, token], token, start[day])
        )

    def encode_tokens(self, tokens: Tokens, start: Tensor) -> Encoded:
        """What the encoder makes of visible tokens."""
        day, token = tokens.visible.nonzero(as_tuple=True)
        lengths = tuple(tokens.visible.sum(1).tolist())
        every_day, every_token = rounded(day), rounded(token)
        x = self.patch_embed(tokens.inputs[every_day, every_token].to(self.patch_embed.weight.dtype))
        x = x + self.encoder_positions(every_token, start[every_day])
        output = self.encoder(x, Packed.of(lengths))[: len(token)]
        return Encoded(output, day, token, self.weights(tokens)[day, token], lengths)

    def weights(self, tokens: Tokens) -> Tensor:
        """(days, tokens) what visible tokens weigh in means over tokens."""
        if not self.config.observed_share_pooling:
            return torch.ones_like(tokens.share)
        return tokens.share if self.summary is None else tokens.relative_share(self.config.slots)

    def encode_padded(
        self, values: Tensor, visible: Tensor, start: Tensor, drop_fraction: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode as in pretraining: a fixed fraction of tokens dropped, masked ones first, the rest masked in
        attention.

        Returns:
            Encoder output (days, kept, dim), token numbers (days, kept), and which of them are visible (days,
            kept).
        """
        tokens = self.tokenise(values, visible)
        kept = kept_tokens(tokens.visible, drop_fraction, _MULTIPLE)  # (days, kept)
        kept_visible = tokens.visible.gather(1, kept)
        inputs = tokens.inputs.gather(1, kept[:, :, None].expand(-1, -1, tokens.inputs.shape[-1]))
        x = self.patch_embed(inputs) + self.encoder_positions(kept, start[:, None])
        return self.encoder(x, Padded(kept_visible)), kept, kept_visible

    def pool(self, encoded: Encoded, days: int) -> Tensor:
        """Embeddings (days, dim) float32: weighted mean over observed tokens; NaN without a token."""
        device = encoded.output.device
        # Sums of thousands of float32 lose a digit; Apple's GPUs know no wider numbers.
        wide = torch.float32 if device.type == "mps" else torch.float64
        weight, output = encoded.weight.to(wide), encoded.output.to(wide)
        total = torch.zeros(days, output.shape[1], dtype=wide, device=device)
        total.index_add_(0, encoded.day, output * weight[:, None])
        mass = torch.zeros(days, dtype=wide, device=device).index_add_(0, encoded.day, weight)
        return (total / torch.where(mass > 0, mass, torch.nan)[:, None]).float()

    # ------------------------------------------------------------------ decoder

    def reconstruct(
        self, values: Tensor, observed: Tensor, start: Tensor, asked: Tensor, usual: Tensor | None = None
    ) -> Reading:
        """Answers for the tokens ``asked`` (days, tokens) bool, from the observed minutes, without gradient
        bookkeeping.

        Windows without an observed token get NaN. ``usual`` (days, channels, slots, 3) holds the sums of
        :func:`lsm2.aim.usual.usual_sums` over the other days of each window's person.
        """
        wanted = asked.unflatten(1, (self.config.channels, -1)).repeat_interleave(
            self.config.patch_minutes, -1
        )
        values, visible = self._given(values, observed, wanted & ~observed)
        usual = self._usual(values, visible, start, usual)
        encoded = self.encode_tokens(self.tokenise(values, visible), start)
        day, token = asked.nonzero(as_tuple=True)
        memory = self.encoder_to_decoder(rounded(encoded.output))
        context = self._context(values, visible, usual)
        if self.config.decoder == "cross":
            every_day, every_token = rounded(day), rounded(token)
            x = self._queries(every_day, every_token, start[every_day], context)
            layout = Packed.of(asked.sum(1).tolist(), encoded.lengths)
            keys = memory + self.decoder_positions(rounded(encoded.token), start[rounded(encoded.day)])
            x = self.decoder(x, layout, keys)
        else:
            memory = memory[: len(encoded.token)]
            x = self._decode_all(memory, encoded.day, encoded.token, start, context, (day, token))
        empty = torch.tensor([length == 0 for length in encoded.lengths], device=x.device)
        x = torch.where(empty[rounded(day)][:, None], torch.nan, x)
        reading = self._read(x, day, token, context)
        return self._blended(reading, values, visible, start, usual)

    def reconstruct_hidden(
        self,
        values: Tensor,
        observed: Tensor,
        hidden: Tensor,
        start: Tensor,
        drop_fraction: float,
        usual: Tensor | None = None,
    ) -> Reading:
        """Pretraining: answers for every token with a minute that is hidden and really observed (and some
        others).

        The encoder does not see the union of the inherited mask (``~observed``) and the artificial mask
        (``hidden``).
        """
        target = (
            (observed & hidden).unflatten(-1, (self.config.slots, -1)).any(-1).flatten(1)
        )  # (days, tokens)
        spare = (
            (~target).flatten().nonzero()[: -int(target.sum()) % (8 * _MULTIPLE)]
        )  # no target: they weigh nothing
        target.view(-1)[spare] = True
        day, token = target.nonzero(as_tuple=True)
        values, visible = self._given(values, observed, hidden)
        output, kept, kept_visible = self.encode_padded(values, visible, start, drop_fraction)
        memory = self.encoder_to_decoder(output)
        context = self._context(values, visible, usual)
        if self.config.decoder == "cross":
            layout = PackedQueries.of(day, target.sum(1), kept_visible, _MULTIPLE)
            keys = memory + self.decoder_positions(kept, start[:, None])
            x = self.decoder(self._queries(day, token, start[day], context), layout, keys)
        else:
            seen_day, seen_place = kept_visible.nonzero(as_tuple=True)
            seen = memory[seen_day, seen_place]
            seen_token = kept[seen_day, seen_place]
            x = self._decode_all(seen, seen_day, seen_token, start, context, (day, token))
        return self._read(x, day, token, context)

    def _blended(
        self, reading: Reading, values: Tensor, visible: Tensor, start: Tensor, usual: Tensor | None
    ) -> Reading:
        """Answers that lean on the regressions, where those count."""
        if not self.regressions or not len(reading.token):
            return reading
        with torch.autocast(values.device.type, enabled=False):
            blend = Blend(reading, visible, self.config, self.normaliser)
            given = values, visible, usual, start, self.config, self.normaliser
            if self.gap_regression is not None:
                blend.with_gaps(self.gap_regression, lambda: Surroundings(*given))
            if self.regression is not None:
                profile = self.regression.profile
                blend.with_channels(self.regression, lambda: Minutes(*given, profile))
            return blend.reading

    def _usual(self, values: Tensor, visible: Tensor, start: Tensor, usual: Tensor | None) -> Tensor | None:
        """The usual day, with what is expected at times at which nothing of the person was seen."""
        if self.regression is None or not self.config.usual_day:
            return usual
        own = usual_sums(values, visible, self.config, self.normaliser)
        others = sums_or_none(usual, values, self.config)
        profile = self.regression.profile
        return with_unseen_times(others, own, profile, start, self.config, self.normaliser)

    def _context(self, values: Tensor, visible: Tensor, usual: Tensor | None) -> Context | None:
        if not self.config.correction:
            return None
        reversion = None if self.reversion is None else self.reversion.float().exp()
        return build_context(values, visible, self.config, self.normaliser, usual, reversion)

    def _queries(self, day: Tensor, token: Tensor, start: Tensor, context: Context | None) -> Tensor:
        """Decoder inputs (n, dim) of tokens that are not seen: mask token + position + context."""
        x = self.mask_token[0] + self.decoder_positions(token, start)
        if self.query is not None and context is not None:
            slots = self.config.slots
            features = context.of(day, token // slots, token % slots)
            x = x + self.query(features.to(self.query.weight.dtype))
            if self.across is not None and self.gate is not None and context.across is not None:
                seen = self.across(context.across.to(self.across.weight.dtype)).flatten(0, 1)
                x = x + seen.index_select(0, day * slots + token % slots) * self.gate[token // slots]
        return x

    def _decode_all(
        self,
        memory: Tensor,
        day: Tensor,
        token: Tensor,
        start: Tensor,
        context: Context | None,
        asked: tuple[Tensor, Tensor],
    ) -> Tensor:
        """Self-attention decoder over all tokens: encoder output where seen, mask tokens elsewhere; nothing
        masked. Returns (n, dim) of the tokens ``asked`` for (days, tokens).
        """
        days, tokens = len(start), self.config.tokens
        every = torch.arange(tokens, device=memory.device)
        rows = torch.arange(days, device=memory.device)
        x = self._queries(
            rows.repeat_interleave(tokens), every.repeat(days), start.repeat_interleave(tokens), context
        ).to(memory.dtype)
        x = x.unflatten(0, (days, tokens)).clone()
        x[day, token] = memory + self.decoder_positions(token, start[day]).to(memory.dtype)
        day, token = asked
        return self.decoder(x, Padded(), asked=(rounded(day), rounded(token)))

    def _read(self, x: Tensor, day: Tensor, token: Tensor, context: Context | None) -> Reading:
        """Decoder output, n rows of ``dim`` or more, to answers in own units, float32."""
        config, constants = self.config, self.normaliser
        raw = self.decoder_pred(x)[: len(token)].float()
        channel = token // config.slots
        binary = self._binary[channel][:, None]
        if config.read_out == "value":
            value = constants.denormalise(raw, channel)
            mean = torch.where(binary, torch.sigmoid(raw), value)
            return Reading(day, token, mean, mean, raw, raw)
        shift, gain, extra = raw.unflatten(-1, (3, -1)).unbind(1)  # each (n, patch)
        if context is None:
            base_z = torch.zeros_like(shift)
            base = constants.denormalise(base_z, channel)
        else:
            minute = (token % config.slots)[:, None] * config.patch_minutes + torch.arange(
                config.patch_minutes, device=token.device
            )
            base = context.base[day[:, None], channel[:, None], minute]
            base_z = context.base_z[day[:, None], channel[:, None], minute]
        median_z = base_z + shift
        scale = constants.scale[channel]
        count = corrected_count(base, gain, extra, scale)
        logit = corrected_logit(base, shift)
        probability = torch.sigmoid(logit)
        mean = torch.where(self._count[channel][:, None], count, base + scale * gain)
        median = constants.denormalise(median_z, channel)
        return Reading(
            day,
            token,
            torch.where(binary, probability, mean),
            torch.where(binary, probability, median),
            median_z,
            logit,
        )
