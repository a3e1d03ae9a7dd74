"""A plain dense network of OpenMHC's form, written out for the tests, and a writer of releases in its format.

It shares no code with the package: all tokens are computed, attention takes an expanded additive mask, and
positions, pooling and read-out are written as the format describes them.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS, HEART_RATE, CONTINUOUS = 19, 5, 7
MEANS = [8.0, 6.0, 0.01, 7.5, 5.5, 72.0, 0.14] + [0.0] * 12
STDS = [22.0, 17.0, 0.11, 20.0, 15.0, 17.0, 0.12] + [1.0] * 12
EPSILON = 1e-8
NAMES = [
    "iphone_steps",
    "iphone_distance",
    "iphone_flights",
    "watch_steps",
    "watch_distance",
    "watch_hr",
    "watch_energy",
    "sleep_asleep",
    "sleep_inbed",
    "workout_walking",
    "workout_cycling",
    "workout_running",
    "workout_other",
    "workout_mixed_cardio",
    "workout_strength",
    "workout_elliptical",
    "workout_hiit",
    "workout_functional",
    "workout_yoga",
]


def positions(channels: int, slots: int, dim: int) -> Tensor:
    def wave(count: int, width: int) -> Tensor:
        rows = []
        for position in range(count):
            angle = [position / 10000 ** (k / (width // 2)) for k in range(width // 2)]
            rows.append([math.sin(a) for a in angle] + [math.cos(a) for a in angle])
        return torch.tensor(rows, dtype=torch.float64)

    channel, time = wave(channels, dim // 2), wave(slots, dim // 2)
    rows = [torch.cat([channel[c], time[s]]) for c in range(channels) for s in range(slots)]
    return torch.stack(rows).float()


class SelfAttention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        days, tokens, dim = x.shape
        q, k, v = self.qkv(x).view(days, tokens, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        mask = None if bias is None else bias[:, None, None, :].expand(days, 1, tokens, tokens)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.proj(mixed.transpose(1, 2).reshape(days, tokens, dim))


class Layer(nn.Module):
    def __init__(self, dim: int, heads: int, ratio: float) -> None:
        super().__init__()
        self.norm1, self.attn, self.norm2 = nn.LayerNorm(dim), SelfAttention(dim, heads), nn.LayerNorm(dim)
        hidden = int(dim * ratio)
        self.mlp = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(), nn.Identity(), nn.Linear(hidden, dim), nn.Identity()
        )

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        x = x + self.attn(self.norm1(x), bias)
        return x + self.mlp(self.norm2(x))


class Layers(nn.Module):
    def __init__(self, depth: int, dim: int, heads: int, ratio: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Layer(dim, heads, ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        for block in self.blocks:
            x = block(x, bias)
        return self.norm(x)


class Dense(nn.Module):
    """All tokens of all windows; ``hyper`` as in a release's checkpoint."""

    def __init__(self, hyper: dict[str, Any]) -> None:
        super().__init__()
        self.hyper, self.patch = hyper, hyper["patch_size"]
        self.slots = hyper["seq_length"] // self.patch
        dim, narrow, ratio = hyper["embed_dim"], hyper["decoder_embed_dim"], hyper["mlp_ratio"]
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv1d(1, dim, self.patch, self.patch)
        self.encoder = Layers(hyper["depth"], dim, hyper["num_heads"], ratio)
        self.encoder_to_decoder = nn.Linear(dim, narrow)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, narrow))
        self.decoder = Layers(hyper["decoder_depth"], narrow, hyper["decoder_num_heads"], ratio)
        self.decoder_pred = nn.Linear(narrow, self.patch)
        self.encoder_table = positions(CHANNELS, self.slots, dim)
        self.decoder_table = positions(CHANNELS, self.slots, narrow)

    def missing(self, x: np.ndarray) -> np.ndarray:
        """Inherited mask (windows, tokens) of raw windows (windows, 19, minutes)."""
        gone = np.isnan(x).reshape(len(x), CHANNELS, self.slots, self.patch)
        mask = gone.any(-1)
        mask[:, HEART_RATE] = gone[:, HEART_RATE].all(-1)
        return mask.reshape(len(x), -1)

    def _encode(self, x: np.ndarray) -> tuple[Tensor, Tensor]:
        z = x.astype(np.float32).copy()
        for channel in range(CONTINUOUS):
            z[:, channel] = (z[:, channel] - MEANS[channel]) / (STDS[channel] + EPSILON)
        device = self.mask_token.device
        signal = torch.from_numpy(np.nan_to_num(z, nan=0.0)).to(device)
        missing = torch.from_numpy(self.missing(x)).to(device)
        tokens = self.patch_embed.proj(signal.reshape(-1, 1, signal.shape[-1]))  # (windows * 19, dim, slots)
        tokens = tokens.transpose(1, 2).reshape(len(x), CHANNELS * self.slots, -1)
        tokens = tokens + self.encoder_table.to(device)
        bias = torch.zeros(missing.shape, device=device).masked_fill(missing, float("-inf"))
        return self.encoder(tokens, bias), missing

    @torch.no_grad()
    def embed(self, x: np.ndarray) -> np.ndarray:
        encoded, missing = self._encode(x)
        return np.stack([e[~m].mean(0).cpu().numpy() for e, m in zip(encoded, missing, strict=True)])

    @torch.no_grad()
    def impute(self, x: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Raw windows with the target cells (bool, same shape) replaced."""
        seen = np.where(target, np.nan, x)
        encoded, missing = self._encode(seen)
        tokens = torch.where(missing[..., None], self.mask_token, self.encoder_to_decoder(encoded))
        out = self.decoder_pred(self.decoder(tokens + self.decoder_table.to(tokens.device)))
        out = out.reshape(len(x), CHANNELS, -1)
        if self.hyper["use_hybrid_loss"]:
            out[:, CONTINUOUS:] = torch.sigmoid(out[:, CONTINUOUS:])
        answer = out.cpu().numpy()
        for channel in range(CONTINUOUS):
            answer[:, channel] = answer[:, channel] * (STDS[channel] + EPSILON) + MEANS[channel]
        return np.where(target, answer, x).astype(np.float32)


def write_release(
    folder: Path,
    *,
    minutes: int = 1440,
    patch: int = 10,
    dim: int = 24,
    depth: int = 2,
    heads: int = 2,
    decoder_dim: int = 16,
    decoder_depth: int = 2,
    decoder_heads: int = 2,
    hybrid: bool = True,
    seed: int = 0,
    card: str | None = "---\nlicense: openrail\n---\n# A release with random weights\n",
) -> Dense:
    """Write a release folder with random weights (of a size that matters) and return its dense network."""
    hyper: dict[str, Any] = {
        "seq_length": minutes,
        "patch_size": patch,
        "in_channels": CHANNELS,
        "embed_dim": dim,
        "depth": depth,
        "num_heads": heads,
        "decoder_embed_dim": decoder_dim,
        "decoder_depth": decoder_depth,
        "decoder_num_heads": decoder_heads,
        "mlp_ratio": 4.0,
        "qkv_bias": True,
        "norm_pix_loss": False,
        "dropout_removal_ratio": 0.5,
        "mask_ratio": 0.5,
        "use_hybrid_loss": hybrid,
        "continuous_channels": tuple(range(CONTINUOUS)),
        "learning_rate": 1e-3,
        "betas": (0.9, 0.95),
    }
    torch.manual_seed(seed)
    network = Dense(hyper).eval()
    for parameter in network.parameters():
        if parameter.ndim >= 2:
            nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
        else:
            nn.init.normal_(parameter, mean=0.5 * float((parameter == 1).any()), std=0.2)
    folder.mkdir(parents=True, exist_ok=True)
    state = {f"model.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save(
        {"epoch": 1, "pytorch-lightning_version": "2.6.6", "state_dict": state, "hyper_parameters": hyper},
        folder / "model.ckpt",
    )
    stats = {"means": MEANS, "stds": STDS, "channels": list(range(CONTINUOUS)), "epsilon": EPSILON}
    (folder / "normalization_stats.json").write_text(json.dumps(stats))
    manifest = {
        "spec_version": 2,
        "kind": "lsm2",
        "checkpoint": "model.ckpt",
        "normalization_stats": "normalization_stats.json",
        "arch": {key: hyper[key] for key in ("seq_length", "patch_size", "in_channels", "embed_dim")},
        "provenance": {"note": "random weights, made for a test"},
    }
    (folder / "openmhc_manifest.json").write_text(json.dumps(manifest))
    if card is not None:
        (folder / "README.md").write_text(card)
    return network


def windows(count: int, minutes: int = 1440, seed: int = 0) -> np.ndarray:
    """Random raw windows (count, 19, minutes) in plausible units, with holes of many lengths."""
    random = np.random.default_rng(seed)
    x = np.zeros((count, CHANNELS, minutes), np.float32)
    for channel in range(CONTINUOUS):
        active = random.random((count, minutes)) < 0.3
        x[:, channel] = np.where(active, random.gamma(1.0, STDS[channel], (count, minutes)), 0)
    x[:, HEART_RATE] = np.clip(random.normal(75, 12, (count, minutes)), 40, 180)
    for day in range(count):
        for channel in range(CONTINUOUS, CHANNELS):
            start = random.integers(0, minutes // 2)
            x[day, channel, start : start + minutes // 3] = 1
        for channel in range(CHANNELS):
            for _ in range(random.integers(0, 6)):
                start, length = random.integers(0, minutes), int(random.choice([1, 3, 25, 200]))
                x[day, channel, start : start + length * minutes // 1440] = np.nan
    x[:, HEART_RATE][random.random((count, minutes)) < 0.5] = np.nan
    return x
