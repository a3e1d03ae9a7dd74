"""The artificial masks of pretraining."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lsm2.aim.masks import STRATEGIES, MaskConfig, artificial_mask, kept_tokens, target_weights

GROUPS = torch.tensor([0, 1, 1, 2])
OFF = dict.fromkeys(STRATEGIES, 0.0)


def draw(observed: Tensor, seed: int = 0, **frequencies: object) -> Tensor:
    config = MaskConfig(**(OFF | frequencies))  # type: ignore[arg-type]
    return artificial_mask(observed, config, 10, GROUPS, torch.Generator().manual_seed(seed))


def full(count: int = 200) -> Tensor:
    return torch.ones(count, 4, 1440, dtype=torch.bool)


def tokens(x: Tensor) -> Tensor:
    return x.unflatten(-1, (144, 10))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.0, 1.0))
def test_one_observed_token_always_stays_visible(seed: int, share: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    observed = torch.rand(6, 4, 1440, generator=generator) < share
    observed[:, 0, 5] = True
    observed[0] = False
    observed[0, 2, 77] = True  # a single minute
    config = MaskConfig(gaps=1, sides=1, token_fraction=(0.8, 1.0), slot_fraction=(0.5, 1.0))
    hidden = artificial_mask(observed, config, 10, GROUPS, generator)
    assert (observed & ~hidden).flatten(1).any(1).all()


def test_same_seed_same_mask() -> None:
    config = MaskConfig(gaps=1, sides=1)
    first, second, other = (
        artificial_mask(full(20), config, 10, GROUPS, torch.Generator().manual_seed(seed))
        for seed in (5, 5, 6)
    )
    assert torch.equal(first, second) and not torch.equal(first, other)


def test_random_tokens_hide_four_fifths_of_the_observed() -> None:
    observed = full()
    observed[:, 1:, 500:] = False
    hidden = draw(observed, tokens=1)
    count = tokens(observed).any(-1).flatten(1).sum(1)
    gone = tokens(hidden & observed).all(-1).flatten(1).sum(1)
    whole = tokens(observed).all(-1).flatten(1).sum(1)
    assert ((gone / count - 0.8).abs() < 0.02).all() and (whole >= gone).all()


def test_time_slices_hide_all_channels_at_once() -> None:
    hidden = tokens(draw(full(), slots=1))
    assert torch.equal(hidden.any(-1), hidden.all(-1))
    assert torch.equal(hidden[:, 0], hidden[:, 3])
    assert ((hidden[:, 0, :, 0].float().mean(1) - 0.5).abs() < 0.02).all()


def test_whole_channels_or_families_are_hidden() -> None:
    hidden = draw(full(), channels=1)
    assert torch.equal(hidden.any(-1), hidden.all(-1))
    count = hidden.any(-1).sum(1)
    assert ((count >= 1) & (count <= 3)).all()
    together = hidden[:, 1, 0] == hidden[:, 2, 0]
    assert together.float().mean() > 0.6  # the family falls together half of the time, and by chance


def test_one_channel_days_draw_gaps_instead_of_the_channel_mask() -> None:
    observed = full()
    observed[:, 1:] = False
    hidden = draw(observed, channels=1)
    share = hidden[:, 0].float().mean(1)
    assert (share > 0).all() and (share < 0.6).all()


def test_imputed_tokens_are_hidden_like_any_other() -> None:
    observed = full(50)
    observed[:, 1:] = False
    config = MaskConfig(**(OFF | {"tokens": 1.0}))
    generator = torch.Generator().manual_seed(0)
    hidden = artificial_mask(observed, config, 10, GROUPS, generator, imputed=True)
    assert ((tokens(hidden).all(-1).flatten(1).float().mean(1) - 0.8).abs() < 0.02).all()


def test_gaps_have_one_length_and_cover_a_part_of_the_day() -> None:
    hidden = draw(full(), gaps=1, gap_minutes=(7, 7), gap_share=0.2)
    assert (hidden.any(1).float().mean(1) <= 0.2 + 7 / 1440).all()
    row = hidden[0].any(0).float()
    edges = torch.diff(row, prepend=torch.zeros(1), append=torch.zeros(1))
    lengths = (edges == -1).nonzero() - (edges == 1).nonzero()
    assert (lengths >= 1).all() and (lengths % 7 == 0).float().mean() > 0.5  # overlapping ones join


def test_a_side_is_everything_before_or_after_a_minute_in_families() -> None:
    hidden = draw(full(), sides=1)
    assert torch.equal(hidden[:, 1], hidden[:, 2])
    lines = hidden[hidden.any(-1)]
    after = (lines[:, 1:] >= lines[:, :-1]).all(1) & lines[:, -1]
    before = (lines[:, 1:] <= lines[:, :-1]).all(1) & lines[:, 0]
    assert (after | before).all() and 0.3 < after.float().mean() < 0.7
    everywhere = hidden.any(-1).all(1).float().mean()
    assert 0.3 < everywhere < 0.7  # else some families


def test_frequencies_must_not_all_be_zero() -> None:
    with pytest.raises(ValueError, match="above 0"):
        MaskConfig(**OFF)  # type: ignore[arg-type]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), drop=st.floats(0, 1), share=st.floats(0, 1))
def test_no_visible_token_is_dropped_and_masked_ones_go_first(seed: int, drop: float, share: float) -> None:
    visible = torch.rand(5, 60, generator=torch.Generator().manual_seed(seed)) < share
    kept = kept_tokens(visible, drop)
    assert (visible.gather(1, kept).sum(1) == visible.sum(1)).all()
    assert kept.shape[1] == 60 - min(int(drop * 60), int((~visible).sum(1).min()))
    assert all(len(set(row.tolist())) == kept.shape[1] for row in kept)


def test_weights_fall_with_the_distance_to_the_nearest_visible_minute() -> None:
    observed = torch.ones(1, 1, 1440, dtype=torch.bool)
    hidden = torch.zeros_like(observed)
    hidden[..., 100:109] = True
    weights = target_weights(observed, hidden, 1.0)[0, 0]
    assert weights[99] == 0 and weights[109] == 0
    assert weights[100:109].tolist() == pytest.approx(
        [1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6, 1 / 5, 1 / 4, 1 / 3, 1 / 2]
    )
    assert target_weights(observed, hidden, 0.0).sum() == 9
