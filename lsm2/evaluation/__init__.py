"""Measuring: which minutes are hidden, what fills them without learning, and how fills are scored.

The scoring rules are those of the project's evaluation plan: errors per participant, then over participants;
the same masks and cells for all methods; a model is asked through the public API only, with hidden minutes
NaN.
"""

from .baselines import BASELINES, day_mean, last_observation, linear, mean_source, zero
from .gaps import Fills, baseline_method, model_method, score_gaps
from .protocols import PROTOCOLS, hide_blocks, hide_family, hide_tokens
from .recordings import Recordings, read_recordings
from .scores import (
    Bias,
    ChannelScale,
    Estimate,
    bootstrap_mean,
    channel_scales,
    error_ratios,
    person_scores,
    ratio_estimate,
    total_bias,
    verdict,
)
from .tables import markdown, skill, summarise

__all__ = [
    "BASELINES",
    "PROTOCOLS",
    "Bias",
    "ChannelScale",
    "Estimate",
    "Fills",
    "Recordings",
    "baseline_method",
    "bootstrap_mean",
    "channel_scales",
    "day_mean",
    "error_ratios",
    "hide_blocks",
    "hide_family",
    "hide_tokens",
    "last_observation",
    "linear",
    "markdown",
    "mean_source",
    "model_method",
    "person_scores",
    "ratio_estimate",
    "read_recordings",
    "score_gaps",
    "skill",
    "summarise",
    "total_bias",
    "verdict",
    "zero",
]
