"""Measuring: which minutes are hidden, what fills them without learning, and how fills are scored.

The scoring rules are those of the project's evaluation plan: errors per participant, then over participants;
the same masks and cells for all methods; a model is asked through the public API only, with hidden minutes
NaN.
"""

from .baselines import BASELINES, day_mean, last_observation, linear, mean_source, same_minute, zero
from .blocks import hide_blocks, hide_short_gaps, hide_slices
from .cohorts import Cohort, config_cohort, frame_cohorts
from .evaluate import DEFAULT_BASELINES, GapEvaluation, choose_baselines, evaluate_gaps
from .families import hide_asleep, hide_families, hide_family, hide_intense, hide_workouts
from .gaps import Fills, baseline_method, learnt_method, model_method, score_gaps
from .kalman import kalman
from .masks import MaskStore
from .parts import PartStore
from .protocols import PROTOCOLS, SIMULATED, Protocol, choose_protocols, hide_rest, hide_tokens
from .recordings import Recordings, from_days, read_recordings
from .ridge import ridge
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
from .seams import seam_ratios, seams
from .tables import contests, markdown, skill, summarise

__all__ = [
    "BASELINES",
    "DEFAULT_BASELINES",
    "PROTOCOLS",
    "SIMULATED",
    "Bias",
    "ChannelScale",
    "Cohort",
    "Estimate",
    "Fills",
    "GapEvaluation",
    "MaskStore",
    "PartStore",
    "Protocol",
    "Recordings",
    "baseline_method",
    "bootstrap_mean",
    "channel_scales",
    "choose_baselines",
    "choose_protocols",
    "config_cohort",
    "contests",
    "day_mean",
    "error_ratios",
    "evaluate_gaps",
    "frame_cohorts",
    "from_days",
    "hide_asleep",
    "hide_blocks",
    "hide_families",
    "hide_family",
    "hide_intense",
    "hide_rest",
    "hide_short_gaps",
    "hide_slices",
    "hide_tokens",
    "hide_workouts",
    "kalman",
    "last_observation",
    "learnt_method",
    "linear",
    "markdown",
    "mean_source",
    "model_method",
    "person_scores",
    "ratio_estimate",
    "read_recordings",
    "ridge",
    "same_minute",
    "score_gaps",
    "seam_ratios",
    "seams",
    "skill",
    "summarise",
    "total_bias",
    "verdict",
    "zero",
]
