"""What the network promises: nothing that is missing or hidden has any influence, packed equals dense."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lsm2.aim import AIM, artificial_mask, target_weights
from lsm2.aim.context import build_context, interpolate, neighbours
from lsm2.aim.masks import MaskConfig
from lsm2.training.objective import channel_losses, total_loss
from tests.conftest import tiny_config, tiny_network

PAPER = {
    "decoder": "self",
    "positions": "sincos",
    "clock": False,
    "minute_flags": False,
    "correction": False,
    "read_out": "value",
}
FORMS = [
    {},
    {"decoder": "self"},
    PAPER,
    {"all_minutes_required": (1, 2)},
    {"query_channels": True},
    {"query_channels": True, "usual_day": True},
]
GROUPS = torch.tensor([0, 1, 2, 2, 3])


def days(count: int = 4, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Values, observed (ragged: single minutes, long gaps, whole channels missing) and starts."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(count, 5, 1440, generator=generator) * torch.tensor([150, 100, 8, 8, 1])[:, None]
    values[:, 4] = values[:, 4].round()
    observed = torch.rand(values.shape, generator=generator) < 0.8
    observed[:, :, 300:700] = False
    observed[0, 1:] = False  # a day of one channel
    observed[1, 3] = False
    return values, observed, torch.tensor([0, 0, 72, 9])[:count]


def every_token(network: AIM, count: int) -> Tensor:
    return torch.ones(count, network.config.tokens, dtype=torch.bool)


@pytest.mark.parametrize("form", FORMS)
def test_what_stands_in_missing_minutes_changes_nothing(form: dict[str, object]) -> None:
    network = tiny_network(**form)
    values, observed, start = days()
    garbage = torch.where(observed, values, 1e4 * torch.randn(values.shape))
    garbage[~observed & (torch.rand(values.shape) < 0.3)] = float("nan")
    with torch.no_grad():
        first, second = (network.encode(x, observed, start) for x in (values, garbage))
        assert torch.equal(first.output, second.output)
        asked = every_token(network, 4)
        a, b = (network.reconstruct(x, observed, start, asked) for x in (values, garbage))
    for name in ("mean", "median", "median_z"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name


@pytest.mark.parametrize("form", FORMS)
def test_what_stands_in_hidden_minutes_changes_nothing(form: dict[str, object]) -> None:
    network = tiny_network(**form)
    values, observed, start = days()
    masks = MaskConfig(gaps=1, sides=1, gap_minutes=(1, 100))
    hidden = artificial_mask(observed, masks, 10, GROUPS, torch.Generator().manual_seed(1))
    other = torch.where(hidden | ~observed, values.flip(-1) + 3, values)
    with torch.no_grad():
        a, b = (network.reconstruct_hidden(x, observed, hidden, start, 0.5) for x in (values, other))
        query_a, query_b = (
            build_context(x, observed & ~hidden, network.config, network.normaliser) for x in (values, other)
        )
    for name in ("mean", "median", "median_z", "logit"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name
    for name in ("base", "base_z", "near", "far", "distance"):
        assert torch.equal(getattr(query_a, name), getattr(query_b, name)), name


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("drop", [0.0, 0.5, 0.98])
def test_packed_equals_dense_with_mask(form: dict[str, object], drop: float) -> None:
    network = tiny_network(**form)
    values, observed, start = days()
    hidden = artificial_mask(observed, MaskConfig(), 10, GROUPS, torch.Generator().manual_seed(2))
    visible = observed & ~hidden
    with torch.no_grad():
        packed = network.encode(values, visible, start)
        output, kept, kept_visible = network.encode_padded(values, visible, start, drop)
        asked = (observed & hidden).unflatten(-1, (144, 10)).any(-1).flatten(1)
        sparse = network.reconstruct(values, visible, start, asked)
        dense = network.reconstruct_hidden(values, observed, hidden, start, drop)
    order = kept.masked_fill(~kept_visible, 10**6).argsort(1)
    for day in range(4):
        mine = packed.output[packed.day == day]
        theirs = output[day][order[day]][: len(mine)]
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
    targets = asked[dense.day, dense.token]  # training rounds the number of answers up
    torch.testing.assert_close(sparse.median_z, dense.median_z[targets], rtol=1e-5, atol=2e-5)
    torch.testing.assert_close(sparse.mean / 400, dense.mean[targets] / 400, rtol=1e-5, atol=1e-5)


def test_results_do_not_depend_on_the_other_days_of_the_batch() -> None:
    network = tiny_network()
    values, observed, start = days()
    with torch.no_grad():
        together = network.pool(network.encode(values, observed, start), 4)
        alone = [
            network.pool(network.encode(values[i : i + 1], observed[i : i + 1], start[i : i + 1]), 1)
            for i in range(4)
        ]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_a_day_without_an_observed_token_is_nan(form: dict[str, object]) -> None:
    network = tiny_network(**form)
    values, observed, start = days()
    observed[2] = False
    with torch.no_grad():
        embedding = network.pool(network.encode(values, observed, start), 4)
        reading = network.reconstruct(values, observed, start, every_token(network, 4))
    assert embedding[2].isnan().all() and embedding[[0, 1, 3]].isfinite().all()
    assert reading.mean[reading.day == 2].isnan().all()
    assert reading.mean[reading.day != 2].isfinite().all()


def test_asking_for_fewer_tokens_gives_the_same_answers() -> None:
    network = tiny_network()
    values, observed, start = days()
    some = torch.rand(4, network.config.tokens, generator=torch.Generator().manual_seed(0)) < 0.1
    with torch.no_grad():
        part = network.reconstruct(values, observed, start, some)
        everything = network.reconstruct(values, observed, start, every_token(network, 4))
    chosen = some[everything.day, everything.token]
    torch.testing.assert_close(part.mean, everything.mean[chosen], rtol=1e-5, atol=1e-3)


def test_an_untrained_network_with_correction_answers_the_interpolation() -> None:
    torch.manual_seed(0)
    network = AIM(tiny_config()).eval()
    values, observed, start = days()
    with torch.no_grad():
        reading = network.reconstruct(values, observed, start, every_token(network, 4))
        base = build_context(values, observed, network.config, network.normaliser).base
    rows = base.unflatten(-1, (144, 10)).flatten(1, 2)[reading.day, reading.token]
    channel = reading.token // 144
    torch.testing.assert_close(reading.mean[channel != 4], rows[channel != 4], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(reading.median[channel == 0], rows[channel == 0], rtol=1e-4, atol=1e-4)


def test_a_channel_without_visible_minutes_has_a_zero_query() -> None:
    network = tiny_network()
    values, observed, _ = days()
    context = build_context(values, observed, network.config, network.normaliser)
    day, slot = torch.zeros(144, dtype=torch.long), torch.arange(144)
    features = context.of(day, torch.full((144,), 2), slot)
    assert (features == 0).all()
    assert (context.of(day, torch.zeros(144, dtype=torch.long), slot) != 0).any()


def test_the_window_start_moves_the_clock_only_where_the_config_has_one() -> None:
    values, observed, _ = days()
    for clock in (True, False):
        network = tiny_network(clock=clock)
        if network.encoder_positions.clock is not None:
            torch.nn.init.normal_(network.encoder_positions.clock)
        with torch.no_grad():
            a, b = (network.encode(values, observed, torch.full((4,), start)).output for start in (0, 72))
        assert torch.equal(a, b) is not clock


def test_interpolation_and_neighbours_by_hand() -> None:
    visible = torch.tensor([[False, True, False, False, True, False], [False] * 6])
    before, after = neighbours(visible)
    assert before[0].tolist() == [-1, 1, 1, 1, 4, 4]
    assert after[0].tolist() == [1, 1, 4, 4, 4, 6]
    values = torch.tensor([[9.0, 1.0, 9.0, 9.0, 4.0, 9.0], [9.0] * 6])
    assert interpolate(values, before, after)[0].tolist() == [1, 1, 2, 3, 4, 4]


def test_loss_counts_only_hidden_and_observed_minutes() -> None:
    network = tiny_network()
    values, observed, start = days()
    hidden = artificial_mask(observed, MaskConfig(), 10, GROUPS, torch.Generator().manual_seed(3))
    weights = target_weights(observed, hidden, 0.5)
    assert torch.equal(weights > 0, observed & hidden)
    with torch.no_grad():
        reading = network.reconstruct_hidden(values, observed, hidden, start, 0.5)
        losses = channel_losses(network, reading, values, weights)
        elsewhere = torch.where(observed & hidden, values, values + 1)
        same = channel_losses(network, reading, elsewhere, weights)
        moved = channel_losses(network, reading, torch.where(observed & hidden, values + 1, values), weights)
    assert torch.equal(losses, same)
    assert not torch.allclose(losses, moved)


def test_loss_is_a_mean_per_channel_then_over_channels() -> None:
    sums, totals = torch.tensor([10.0, 3.0, 0.0]), torch.tensor([100.0, 1.0, 0.0])
    assert float(total_loss(sums, totals)) == pytest.approx((0.1 + 3.0) / 2)


def test_perfect_answers_have_no_loss() -> None:
    network = tiny_network(decoder="cross")
    values, observed, start = days()
    hidden = torch.zeros_like(observed)
    hidden[:, :4, ::2] = True
    with torch.no_grad():
        reading = network.reconstruct_hidden(values, observed, hidden, start, 0.5)
        rows = values.unflatten(-1, (144, 10)).flatten(1, 2)[reading.day, reading.token]
        z = network.normaliser.normalise(values).unflatten(-1, (144, 10)).flatten(1, 2)
        reading.mean.copy_(rows)
        reading.median_z.copy_(z[reading.day, reading.token])
        losses = channel_losses(network, reading, values, target_weights(observed, hidden, 0.0))
    assert (losses == 0).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("patch_minutes", 7),
        ("encoder_heads", 5),
        ("decoder_dim", 18),
        ("all_minutes_required", (9,)),
        ("read_out", "value"),
        ("correction", False),
        ("unknown", 1),
    ],
)
def test_config_refuses_what_does_not_fit(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field if field != "decoder_dim" else "decoder"):
        tiny_config(**{"query_channels": field == "correction", field: value})


@pytest.mark.parametrize("decoder", ["cross", "self"])
def test_mean_imputation_is_the_same_network_on_a_filled_recording(decoder: str) -> None:
    imputes, inherits = (tiny_network(decoder=decoder, missing=how) for how in ("impute", "inherit"))
    imputes.load_state_dict(inherits.state_dict())
    values, observed, start = days()
    mean = inherits.normaliser.denormalise(torch.zeros_like(values))
    filled = torch.where(observed, values, mean)
    asked = torch.zeros(len(values), inherits.config.tokens, dtype=torch.bool)
    asked[:, ::7] = True
    minutes = asked.unflatten(1, (inherits.config.channels, -1)).repeat_interleave(10, -1)
    with torch.no_grad():
        ours = imputes.reconstruct(torch.where(observed, values, torch.nan), observed, start, asked)
        theirs = inherits.reconstruct(filled, observed | ~minutes, start, asked)
        whole = imputes.pool(imputes.encode(values, observed, start), len(values))
        same = inherits.pool(inherits.encode(filled, torch.ones_like(observed), start), len(values))
        hidden = minutes & observed
        drawn = imputes.reconstruct_hidden(values, observed, hidden, start, 0.0)
        changed = torch.where(hidden, values + 1000, values)
        again = imputes.reconstruct_hidden(changed, observed, hidden, start, 0.0)
    assert torch.equal(ours.mean, theirs.mean) and torch.equal(ours.median, theirs.median)
    assert torch.equal(whole, same)
    assert torch.equal(drawn.mean, again.mean)


def test_a_query_sees_the_visible_minutes_of_other_channels_in_its_patch_alone() -> None:
    network = tiny_network(query_channels=True)
    values, observed, _ = days()
    visible = observed.clone()
    visible[2, 0] = False
    changed = values.clone()
    changed[2, 1, 55] += 20
    visible[2, 1, 55] = True
    first, second = (build_context(x, visible, network.config, network.normaliser) for x in (values, changed))
    assert first.across is not None and second.across is not None
    differs = (first.across != second.across).any(-1)  # (days, slots)
    assert differs.nonzero().tolist() == [[2, 5]]
    assert first.across.shape == (4, 144, 2 * 5 * 10)
    assert build_context(values, visible, tiny_config(), network.normaliser).across is None


def test_medians_lie_at_most_twice_as_far_above_the_minimum_as_means() -> None:
    normaliser = tiny_network().normaliser
    least = normaliser.minimum[[0, 1], 0].tolist()
    assert least == [25.0, 0.0]  # heart rate and steps
    mean = torch.tensor([[60.0, 60.0], [10.0, 10.0]])
    median = torch.tensor([[90.0, 110.0], [3.0, 400.0]])
    found = normaliser.possible_median(median, mean, torch.tensor([0, 1]))
    assert found.tolist() == [[90.0, 95.0], [3.0, 20.0]]
