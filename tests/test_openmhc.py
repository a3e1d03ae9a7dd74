"""OpenMHC's releases: read exactly, refused when damaged, mapped onto frames, behind their harness."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import lsm2
from lsm2.channels import OPENMHC
from lsm2.checkpoint import CheckpointError
from lsm2.evaluation.openmhc import Imputer
from tests.dense import CHANNELS, NAMES, Dense, windows, write_release

LOW = np.array([channel.minimum for channel in OPENMHC.channels])[None, :, None]
HIGH = np.array([channel.maximum for channel in OPENMHC.channels])[None, :, None]


def frame(x: np.ndarray, start: str = "2024-03-01") -> pd.DataFrame:
    """Windows (people, 19, minutes) as one person each."""
    times = pd.date_range(start, periods=x.shape[2], freq="min")
    people = [f"p{i}" for i in range(len(x))]
    index = pd.MultiIndex.from_product([people, times], names=["participant_id", "timestamp"])
    return pd.DataFrame(x.transpose(0, 2, 1).reshape(-1, CHANNELS), index=index, columns=NAMES)


def cells(filled: pd.DataFrame, people: int) -> np.ndarray:
    return filled.to_numpy().reshape(people, -1, CHANNELS).transpose(0, 2, 1)


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


@pytest.fixture(scope="module")
def daily(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Dense]:
    folder = tmp_path_factory.mktemp("daily")
    return folder, write_release(folder)


@pytest.fixture(scope="module")
def weekly(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Dense]:
    folder = tmp_path_factory.mktemp("weekly")
    return folder, write_release(folder, minutes=10080, patch=60, seed=1)


# ---------------------------------------------------------------------- exactness


def test_the_golden_release_through_the_public_functions(shared: Path) -> None:
    folder = shared / "golden" / "openmhc_daily_tiny"
    golden = np.load(folder / "golden.npz")
    model = lsm2.load_model(folder)
    x, target = golden["x"], golden["target_mask"].astype(bool)
    assert list(golden["channels"]) == list(model.schema.names)
    assert difference(model.embed(frame(x)).to_numpy(), golden["embedding"]) < 1e-6
    imputed = Imputer(model).impute(np.where(target, np.nan, x), ~np.isnan(x), target)
    assert difference(imputed[target], golden["imputed"][target]) < 1e-6
    assert np.array_equal(imputed[~target], x[~target], equal_nan=True)
    tokens = model.embed(frame(x), level="token")
    seen = np.zeros(golden["inherited_mask"].shape, bool)
    person = tokens.index.get_level_values(0).str[1:].astype(int)
    slot = (tokens.index.get_level_values(1) - pd.Timestamp("2024-03-01")) // pd.Timedelta("10min")
    channel = pd.Index(NAMES).get_indexer(tokens.index.get_level_values(2))
    seen[person, channel * 144 + slot] = True
    assert np.array_equal(~seen, golden["inherited_mask"].astype(bool))


@pytest.mark.parametrize("size", ["daily", "weekly"])
def test_embeddings_and_fills_agree_with_a_dense_network(size: str, request: Any) -> None:
    folder, dense = request.getfixturevalue(size)
    model, minutes = lsm2.load_model(folder), dense.hyper["seq_length"]
    x = windows(3, minutes, seed=2)
    gaps = np.isnan(x)
    embedded = model.embed(frame(x), keep_zeros=True)
    assert len(embedded) == 3 and difference(embedded.to_numpy(), dense.embed(x)) < 1e-6
    filled = cells(model.reconstruct(frame(x), keep_zeros=True), 3)
    expected = np.clip(dense.impute(x, gaps), LOW, HIGH)
    assert np.array_equal(filled[~gaps], x[~gaps])
    assert difference(filled[gaps], expected[gaps]) < 1e-6


def test_full_size_agrees_with_a_dense_network(tmp_path: Path) -> None:
    sizes = {"dim": 384, "depth": 12, "heads": 6, "decoder_dim": 256, "decoder_depth": 4, "decoder_heads": 4}
    dense = write_release(tmp_path, **sizes, seed=3)
    model, x = lsm2.load_model(tmp_path), windows(1, seed=4)
    target = np.zeros(x.shape, bool)
    target[:, :, 100:400] = ~np.isnan(x[:, :, 100:400])
    assert difference(model.embed(frame(x), keep_zeros=True).to_numpy(), dense.embed(x)) < 1e-6
    imputed = Imputer(model).impute(x, ~np.isnan(x), target)
    assert difference(imputed[target], dense.impute(x, target)[target]) < 1e-6


def test_without_the_hybrid_loss_there_is_no_sigmoid(tmp_path: Path) -> None:
    dense = write_release(tmp_path, hybrid=False, seed=6)
    x = windows(1, seed=5)
    target = np.zeros(x.shape, bool)
    target[:, 7:, :60] = ~np.isnan(x[:, 7:, :60])
    imputed = Imputer(lsm2.load_model(tmp_path)).impute(x, ~np.isnan(x), target)
    assert imputed[target].min() < 0  # no probability
    assert difference(imputed[target], dense.impute(x, target)[target]) < 1e-6


# ---------------------------------------------------------------------- loading


def test_folder_checkpoint_file_and_saved_copy_are_one_model(
    daily: tuple[Path, Dense], tmp_path: Path
) -> None:
    folder, _ = daily
    model = lsm2.load_model(folder)
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(folder / "model.ckpt", bare / "epoch=3.ckpt")
    shutil.copy(folder / "normalization_stats.json", bare)
    copies = [bare, bare / "epoch=3.ckpt", folder / "model.ckpt", model.save(tmp_path / "saved")]
    assert {lsm2.load_model(copy).hash for copy in copies} == {model.hash}
    assert sorted(p.name for p in (tmp_path / "saved").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    assert model.config.licence == "openrail" and model.config.name == "openmhc-daily"
    assert "random weights" in (tmp_path / "saved" / "README.md").read_text()
    assert lsm2.load_model(tmp_path / "saved").config.training["hyper_parameters"]["depth"] == 2


def copy(daily: tuple[Path, Dense], place: Path) -> Path:
    return Path(shutil.copytree(daily[0], place / "release"))


def rewrite(folder: Path, change: Any) -> None:
    content = torch.load(folder / "model.ckpt", weights_only=True)
    change(content)
    torch.save(content, folder / "model.ckpt")


class Surprise:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (print, ("this must never run",))


def _missing_and_misshapen(content: dict[str, Any]) -> None:
    state = content["state_dict"]
    del state["model.encoder.norm.bias"]
    state["model.extra"] = torch.zeros(1)
    state["model.mask_token"] = torch.zeros(1, 1, 3)
    state["model.decoder_pred.bias"][0] = float("nan")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            _missing_and_misshapen,
            "missing model.encoder.norm.bias.*unexpected model.extra.*model.mask_token has shape.*"
            "decoder_pred.bias holds NaN",
        ),
        (lambda c: c["hyper_parameters"].update(in_channels=7), "7 channels"),
        (lambda c: c["hyper_parameters"].update(num_heads=5), "no multiple of encoder_heads"),
        (lambda c: c["hyper_parameters"].update(norm_pix_loss=True), "norm_pix_loss"),
        (lambda c: c["hyper_parameters"].update(use_rope_day_embed=True), "use_rope_day_embed"),
        (lambda c: c["hyper_parameters"].pop("depth"), "depth: Field required"),
        (lambda c: c.pop("hyper_parameters"), "no hyper_parameters"),
        (lambda c: c["hyper_parameters"].update(qkv_bias=False), "unexpected.*qkv.bias"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(
    change: Any, message: str, daily: tuple[Path, Dense], tmp_path: Path
) -> None:
    folder = copy(daily, tmp_path)
    rewrite(folder, change)
    with pytest.raises(CheckpointError, match=message):
        lsm2.load_model(folder)


def test_unknown_classes_are_refused_by_name_and_never_run(
    daily: tuple[Path, Dense], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copy(daily, tmp_path)
    content = torch.load(folder / "model.ckpt", weights_only=True)
    torch.save(content | {"callbacks": Surprise()}, folder / "model.ckpt")
    with pytest.raises(CheckpointError, match=r"print would have to be unpickled"):
        lsm2.load_model(folder)
    torch.save(content | {"callbacks": Path("here")}, folder / "model.ckpt")
    with pytest.raises(CheckpointError, match=r"pathlib\S+ would have to be unpickled"):
        lsm2.load_model(folder)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "tensor", "bit"])
def test_a_damaged_checkpoint_is_refused(damage: str, daily: tuple[Path, Dense], tmp_path: Path) -> None:
    folder = copy(daily, tmp_path)
    path = folder / "model.ckpt"
    if damage == "bit":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match="check sum"):
            lsm2.load_model(folder)
        return
    if damage == "tensor":
        torch.save(torch.zeros(3), path)
    else:
        whole = path.read_bytes()
        path.write_bytes({"cut": whole[: len(whole) // 2], "text": b"not a checkpoint", "empty": b""}[damage])
    with pytest.raises(CheckpointError, match=r"model\.ckpt"):
        lsm2.load_model(folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "brits"}, "of kind 'brits'"),
        ({"spec_version": 3}, "spec_version 3.*update"),
        ({"checkpoint": "../model.ckpt"}, "no file inside"),
        ({"normalization_stats": "/etc/passwd"}, "no file inside"),
        ({"checkpoint": None}, "names no checkpoint"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    fields: dict[str, Any], message: str, daily: tuple[Path, Dense], tmp_path: Path
) -> None:
    folder = copy(daily, tmp_path)
    path = folder / "openmhc_manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    with pytest.raises(CheckpointError, match=message):
        lsm2.load_model(folder)


def test_missing_parts_are_named(daily: tuple[Path, Dense], tmp_path: Path) -> None:
    folder = copy(daily, tmp_path)
    (folder / "normalization_stats.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no normalization_stats\.json"):
        lsm2.load_model(folder / "model.ckpt")
    (folder / "model.ckpt").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no model\.ckpt"):
        lsm2.load_model(folder)
    (folder / "openmhc_manifest.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"is no checkpoint.*README\.md"):
        lsm2.load_model(folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stds": [0.0] * 19}, r"positive std for channels \[0, 1"),
        ({"means": "x"}, "means"),
        (None, "no JSON"),
    ],
)
def test_statistics_that_do_not_fit_are_refused(
    fields: dict[str, Any] | None, message: str, daily: tuple[Path, Dense], tmp_path: Path
) -> None:
    folder = copy(daily, tmp_path)
    path = folder / "normalization_stats.json"
    path.write_text("{" if fields is None else json.dumps(json.loads(path.read_text()) | fields))
    with pytest.raises(CheckpointError, match=message):
        lsm2.load_model(folder)


def test_statistics_per_second_are_brought_to_minutes(daily: tuple[Path, Dense], tmp_path: Path) -> None:
    folder = copy(daily, tmp_path)
    path = folder / "normalization_stats.json"
    statistics = json.loads(path.read_text())
    for key in ("means", "stds"):
        statistics[key][5] /= 60
    path.write_text(json.dumps(statistics))
    with pytest.warns(UserWarning, match="per second"):
        model = lsm2.load_model(folder)
    x = windows(2, seed=7)
    same = lsm2.load_model(daily[0]).embed(frame(x)).to_numpy()
    assert difference(model.embed(frame(x)).to_numpy(), same) < 1e-5
    target = np.zeros(x.shape, bool)
    target[:, 5, :120] = ~np.isnan(x[:, 5, :120])
    seconds = x.copy()
    seconds[:, 5] /= 60
    imputer = Imputer(model, units={"watch_hr": "count/s"})
    ours = imputer.impute(seconds, ~np.isnan(x), target)
    theirs = daily[1].impute(x, target)
    assert difference(60 * ours[target], theirs[target]) < 1e-5
    with pytest.raises(ValueError, match="per second"):
        Imputer(model).impute(seconds, ~np.isnan(x), target)


def test_a_revision_is_for_the_hub(daily: tuple[Path, Dense]) -> None:
    with pytest.raises(ValueError, match="local checkpoint"):
        lsm2.load_model(daily[0], revision="main")


# ---------------------------------------------------------------------- preprocessing


def test_the_schema_is_openmhcs() -> None:
    assert list(OPENMHC.names) == NAMES
    units = [channel.unit for channel in OPENMHC.channels[:7]]
    assert units == ["steps/min", "m/min", "floors/min", "steps/min", "m/min", "beats/min", "kcal/min"]
    assert {channel.kind for channel in OPENMHC.channels[7:]} == {"binary"}


def test_general_frames_map_onto_the_channels_of_the_watch(daily: tuple[Path, Dense]) -> None:
    model = lsm2.load_model(daily[0])
    x = windows(1, seed=8)
    own = frame(x)[["watch_steps", "watch_distance", "watch_hr", "watch_energy", "iphone_flights"]]
    general = own.set_axis(["steps", "distance_m", "HR", "active_calories", "floors"], axis=1)
    assert model.embed(general).equals(model.embed(own))
    assert model.reconstruct(general).columns.tolist() == list(general)


def rules(x: np.ndarray) -> np.ndarray:
    """The rules of their pipeline, a day and a channel at a time."""
    x = x.copy()
    for day in x:
        day[5][day[5] == 0] = np.nan
        for channel in (0, 1, 3, 4, 6):
            if ((day[channel] == 0) | np.isnan(day[channel])).all():
                day[channel] = np.nan
        for channel in (7, 8):
            if np.nansum(day[channel]) < 180:
                day[channel][day[channel] == 0] = np.nan
    return x


@pytest.mark.filterwarnings("ignore:.*outside the valid range")
def test_zeros_are_missing_by_the_rules_of_their_pipeline(daily: tuple[Path, Dense]) -> None:
    folder, dense = daily
    model = lsm2.load_model(folder)
    x = windows(4, seed=9)
    x[0, [0, 2, 6]] = 0
    x[0, 0, 100:300] = np.nan
    x[1, 7] = 0
    x[1, 7, :179] = 1
    x[1, 8] = 0
    x[1, 8, :180] = 1
    x[2, 5, 40:900] = 0
    x[3, 7] = 0
    ruled = rules(x)
    assert np.isnan(ruled).sum() > np.isnan(x).sum() + 5000
    data = frame(x)
    assert difference(model.embed(data).to_numpy(), dense.embed(ruled)) < 1e-6
    kept = np.where(x[:, 5:6] == 0, np.nan, x[:, 5:6])  # no heart rate is 0, whatever is asked
    unruled = np.concatenate([x[:, :5], kept, x[:, 6:]], axis=1)
    assert difference(model.embed(data, keep_zeros=True).to_numpy(), dense.embed(unruled)) < 1e-6
    assert model.coverage(data)["iphone_steps"].iloc[0] == 0
    assert model.coverage(data, keep_zeros=True)["iphone_steps"].iloc[0] > 0.8


@pytest.mark.filterwarnings("ignore:.*outside the valid range")
def test_zeros_that_count_as_missing_come_back_and_are_no_evidence(daily: tuple[Path, Dense]) -> None:
    folder, dense = daily
    x = windows(1, seed=10)
    x[0, 0, :700] = 0
    x[0, 0, 700:] = np.nan
    filled = cells(lsm2.load_model(folder).reconstruct(frame(x)), 1)
    assert (filled[0, 0, :700] == 0).all()
    gaps = np.isnan(rules(x))
    expected = np.clip(dense.impute(rules(x), gaps), LOW, HIGH)
    late = np.isnan(x)
    assert difference(filled[late], expected[late]) < 1e-6


def test_a_token_needs_all_of_its_minutes_but_for_heart_rate(daily: tuple[Path, Dense]) -> None:
    times = pd.date_range("2024-03-01", periods=1440, freq="min")
    data = pd.DataFrame({"watch_steps": 5.0, "watch_hr": 70.0}, index=times)
    data.iloc[13, 0] = np.nan  # one minute of ten
    data.iloc[20:29, 1] = np.nan  # nine of ten
    tokens = lsm2.load_model(daily[0]).embed(data, level="token")
    counts = tokens.groupby(level="channel").size()
    assert counts.to_dict() == {"watch_steps": 143, "watch_hr": 144}


# ---------------------------------------------------------------------- weeks


def test_weeks_begin_at_each_persons_first_day(weekly: tuple[Path, Dense]) -> None:
    folder, dense = weekly
    model = lsm2.load_model(folder)
    x = windows(2, 2 * 10080, seed=11)
    data = frame(x)
    times = data.index.get_level_values(1)
    day = (times - times[0]) // pd.Timedelta("1D")
    second = data.index.get_level_values(0) == "p1"
    gone = np.isin(day, (3, 4, 7, 8)) | (second & (day < 2))  # p1 begins two days later
    got = model.embed(data[~gone])
    dates = got.index.get_level_values("date")
    assert dates.strftime("%m-%d").tolist() == ["03-01", "03-08", "03-03", "03-10"]
    cut = np.repeat([[d in (3, 4, 7, 8) for d in range(14)]] * 2, 1440, axis=1)
    cut[1, : 2 * 1440] = True
    x = np.where(cut[:, None], np.nan, x)
    late = np.concatenate([x[1, :, 2 * 1440 :], np.full((CHANNELS, 2 * 1440), np.nan)], axis=1)
    weeks = np.stack([x[0, :, :10080], x[0, :, 10080:], late[:, :10080], late[:, 10080:]])
    with np.errstate(invalid="ignore"):
        expected = dense.embed(rules_by_day(weeks))
    assert difference(got.to_numpy(), expected) < 1e-6
    assert len(got.attrs["observed"]) == 4


def rules_by_day(weeks: np.ndarray) -> np.ndarray:
    days = weeks.reshape(len(weeks), CHANNELS, -1, 1440).transpose(0, 2, 1, 3)
    ruled = rules(days.reshape(-1, CHANNELS, 1440)).reshape(days.shape)
    return ruled.transpose(0, 2, 1, 3).reshape(weeks.shape)


def test_weeks_are_filled_on_the_days_that_are_there(weekly: tuple[Path, Dense]) -> None:
    folder, dense = weekly
    x = windows(1, 10080, seed=12)
    x[:, :, 2 * 1440 : 3 * 1440] = np.nan  # a day with rows but without a value
    data = frame(x).droplevel(0)
    gone = (data.index.day == 5) | (data.index.day == 3)
    filled = lsm2.load_model(folder).reconstruct(data[data.index.day != 5], keep_zeros=True)
    assert filled.index.equals(data.index[~gone])
    x[:, :, 4 * 1440 : 5 * 1440] = np.nan
    gaps = np.isnan(x)
    expected = np.clip(dense.impute(x, gaps), LOW, HIGH)[0].T[~gone]
    assert difference(filled.to_numpy(), expected) < 1e-6


def test_hours_tokens_and_people_of_weeks(weekly: tuple[Path, Dense]) -> None:
    model = lsm2.load_model(weekly[0])
    data = frame(windows(2, 10080, seed=13))
    hours = model.embed(data, level="hour")
    assert len(hours) == 2 * 7 * 24
    tokens = model.embed(data, level="token")
    first = tokens.loc["p0"]
    assert set(first.index.get_level_values("timestamp").minute) == {0}
    assert first.index.get_level_values("timestamp").max() == pd.Timestamp("2024-03-07 23:00")
    mean = tokens.groupby(level=["participant_id", "timestamp"]).mean()
    both = hours.dropna().index
    assert difference(hours.loc[both].to_numpy(), mean.loc[both].to_numpy()) < 1e-5
    assert len(model.embed(data, level="participant")) == 2


@pytest.mark.parametrize("level", ["day", "hour", "token", "participant"])
def test_a_recording_without_rows_has_no_weeks(level: Any, weekly: tuple[Path, Dense]) -> None:
    model, nothing = lsm2.load_model(weekly[0]), frame(windows(1, seed=1)).iloc[:0]
    assert len(model.embed(nothing, level=level)) == 0
    assert model.reconstruct(nothing).shape == (0, CHANNELS)


# ---------------------------------------------------------------------- their harness


def test_no_windows_are_imputed_to_none(daily: tuple[Path, Dense], weekly: tuple[Path, Dense]) -> None:
    for (folder, _), minutes in ((daily, 2880), (weekly, 10080)):
        nothing = np.zeros((0, CHANNELS, minutes), np.float32)
        out = Imputer(lsm2.load_model(folder)).impute(nothing, nothing, nothing)
        assert out.shape == nothing.shape and out.dtype == np.float32


def test_the_imputer_keeps_their_protocol(daily: tuple[Path, Dense]) -> None:
    folder, dense = daily
    x = windows(3, seed=14)
    observed = ~np.isnan(x)
    random = np.random.default_rng(0)
    target = observed & (random.random(x.shape) < 0.2)
    hidden = np.where(target, np.nan, x)
    imputer = Imputer(lsm2.load_model(folder))
    before = hidden.copy()
    out = imputer.impute(hidden, observed.astype(np.float32), target.astype(np.int64))
    assert np.array_equal(hidden, before, equal_nan=True)
    assert out.dtype == np.float32 and out.shape == x.shape
    assert np.array_equal(out[~target], hidden[~target], equal_nan=True)
    assert difference(out[target], dense.impute(x, target)[target]) < 1e-6
    lies = np.where(target, random.normal(50, 1000, x.shape), hidden).astype(np.float32)
    assert np.array_equal(imputer.impute(lies, observed, target)[target], out[target])
    unseen = np.where(observed, hidden, 12345.0).astype(np.float32)
    again = imputer.impute(unseen, observed, target)
    assert np.array_equal(again[target], out[target])
    assert out[:, :7][target[:, :7]].min() < 0  # not clipped


def test_zero_rules_are_not_applied_inside_the_imputer(daily: tuple[Path, Dense]) -> None:
    folder, dense = daily
    x = np.zeros((1, CHANNELS, 1440), np.float32)
    x[:, 5] = 60
    target = np.zeros(x.shape, bool)
    target[:, :, 300:330] = True
    out = Imputer(lsm2.load_model(folder)).impute(x, np.ones_like(x), target)
    assert difference(out[target], dense.impute(x, target)[target]) < 1e-6


def test_shipped_weights_and_weeks_behind_the_harness(weekly: tuple[Path, Dense]) -> None:
    x = windows(2, 10080, seed=15)
    target = np.zeros(x.shape, bool)
    target[:, 5, 600:700] = ~np.isnan(x[:, 5, 600:700])
    out = Imputer(lsm2.load_model(weekly[0])).impute(x, ~np.isnan(x), target)
    assert difference(out[target], weekly[1].impute(x, target)[target]) < 1e-6
    small = Imputer(lsm2.load_model()).impute(x, ~np.isnan(x), target)
    assert ((small[target] > 30) & (small[target] < 200)).all()
    target[:, 12, :60] = True
    with pytest.raises(ValueError, match="data has shape"):
        Imputer(lsm2.load_model()).impute(x[:, :, :1000], x[:, :, :1000] > 0, target[:, :, :1000])
    with pytest.raises(ValueError, match="target_mask has shape"):
        Imputer(lsm2.load_model()).impute(x, x > 0, target[:1])
    with pytest.raises(TypeError, match="load_model"):
        Imputer("lsm2-small")  # type: ignore[arg-type]
