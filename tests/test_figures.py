"""A drawn day shows what was observed and what was filled, and touches no global state."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import lsm2
from lsm2 import figures


def recording() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return two people's recording of two days with holes, and the same without."""
    whole = lsm2.simulate(participants=2, days=2, seed=1)[["heart_rate", "steps"]].ffill().bfill()
    holed = whole.copy()
    clock = holed.index.get_level_values("timestamp")
    holed.loc[(clock.day == 5) & (clock.hour >= 9) & (clock.hour < 12), "heart_rate"] = np.nan
    return holed, whole


def lines(figure: Figure, panel: int) -> dict[str, np.ndarray]:
    return {str(line.get_label()): np.asarray(line.get_ydata()) for line in figure.axes[panel].lines}


def test_observed_and_filled_minutes_are_drawn_apart() -> None:
    holed, whole = recording()
    figure = figures.day(holed, whole, person="simulated-2", date="2024-03-05")
    truth = whole.loc["simulated-2"].loc["2024-03-05", "heart_rate"].to_numpy()
    drawn = lines(figure, 0)
    hole = slice(9 * 60, 12 * 60)
    assert np.isnan(drawn["recorded"][hole]).all()
    np.testing.assert_allclose(np.delete(drawn["recorded"], hole), np.delete(truth, hole), rtol=1e-6)
    np.testing.assert_allclose(drawn["filled"][hole], truth[hole], rtol=1e-6)
    # Beyond the hole, the fill reaches the neighbouring minute on each side and no further.
    assert np.flatnonzero(~np.isnan(drawn["filled"])).tolist() == list(range(9 * 60 - 1, 12 * 60 + 1))
    assert np.isnan(lines(figure, 1)["filled"]).all()


def test_a_panel_per_channel_with_its_unit() -> None:
    figure = figures.day(*recording())
    assert [axes.get_ylabel() for axes in figure.axes] == ["heart rate\n(beats/min)", "steps\n(steps/min)"]
    assert figure.axes[-1].get_xlabel() == "hour of the day"
    one = figures.day(*recording(), channels=["steps"])
    assert [axes.get_ylabel() for axes in one.axes] == ["steps\n(steps/min)"]


def test_the_day_with_most_to_show_is_drawn_by_default() -> None:
    figure = figures.day(*recording())
    assert "2024-03-05" in figure.get_suptitle()
    assert "6% not recorded" in figure.get_suptitle()  # 3 of 24 hours in one of two channels


def test_columns_and_units_as_in_reconstruct() -> None:
    holed, whole = (
        frame[["heart_rate"]].rename(columns={"heart_rate": "puls"}) / 60 for frame in recording()
    )
    figure = figures.day(
        holed, whole, columns={"puls": "heart_rate"}, units={"heart_rate": "Hz"}, date="2024-03-05"
    )
    assert figure.axes[0].get_ylabel() == "heart rate\n(beats/min)"
    assert 40 < np.nanmedian(lines(figure, 0)["recorded"]) < 120


def test_one_person_without_a_name() -> None:
    holed, whole = (frame.loc["simulated-1"] for frame in recording())
    assert figures.day(holed, whole).get_suptitle().startswith("2024-03-05")


def test_a_recorded_minute_without_neighbours_is_a_dot() -> None:
    times = pd.date_range("2024-03-05", periods=1440, freq="min")
    whole = pd.DataFrame({"glucose": np.linspace(80, 140, 1440)}, index=times)
    figure = figures.day(whole.iloc[::5], whole)
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "."]
    assert len(dots[0].get_xdata()) == 288


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"person": "nobody"}, "participant 'nobody' is not in the recording, which holds 'simulated-1'"),
        ({"date": "2025-01-01"}, "no day to draw .*2025-01-01.*share 4 days"),
        ({"channels": ["spo2"]}, "`filled` holds no value of spo2 on this day"),
        ({"channels": ["pulsation"]}, "pulsation"),
    ],
)
def test_what_cannot_be_drawn_says_why(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        figures.day(*recording(), **options)


def test_pyplot_stays_out() -> None:
    code = "import sys, lsm2.figures; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_it_can_be_written(tmp_path: Path) -> None:
    figures.day(*recording()).savefig(tmp_path / "day.png", dpi=50)
    assert (tmp_path / "day.png").read_bytes().startswith(b"\x89PNG")


def test_a_week_holds_seven_days_and_leaves_absent_ones_empty() -> None:
    whole = lsm2.simulate(participants=2, days=9, seed=2)[["heart_rate"]].ffill().bfill()
    holed = whole.copy()
    clock = holed.index.get_level_values("timestamp")
    holed.loc[clock.hour < 6, "heart_rate"] = np.nan
    kept = clock.normalize() != clock[0].normalize() + pd.Timedelta("3D")
    figure = figures.week(holed[kept], whole[kept], person="simulated-2")
    drawn = lines(figure, 0)
    truth = whole.loc["simulated-2"]["heart_rate"].to_numpy()[: 7 * 1440].reshape(7, 1440)
    recorded, filled = (drawn[name].reshape(7, 1440) for name in ("recorded", "filled"))
    assert np.isnan(recorded[3]).all() and np.isnan(filled[3]).all()
    np.testing.assert_allclose(recorded[0, 360:], truth[0, 360:], rtol=1e-6)
    np.testing.assert_allclose(filled[5, :360], truth[5, :360], rtol=1e-6)
    assert figure.get_suptitle().startswith("participant simulated-2, week from ")
    assert "25% not recorded" in figure.get_suptitle() or "21% not recorded" in figure.get_suptitle()
    later = figures.week(holed, whole, start=clock[0] + pd.Timedelta("2D"))
    assert len(lines(later, 0)["recorded"]) == 7 * 1440


def test_a_week_that_is_not_there_is_refused() -> None:
    holed, whole = recording()
    with pytest.raises(ValueError, match="no day of that week"):
        figures.week(holed, whole, start="2030-01-01")
    with pytest.raises(ValueError, match="not in the recording"):
        figures.week(holed, whole, person="nobody")


def test_bounds_are_drawn_over_gaps_alone() -> None:
    holed, whole = recording()
    bounded = whole.copy()
    bounded["heart_rate.lower"] = whole["heart_rate"] - 10
    bounded["heart_rate.upper"] = whole["heart_rate"] + 10
    figure = figures.day(holed, bounded, person="simulated-2", date="2024-03-05", channels=["heart_rate"])
    bands = {str(drawn.get_label()): drawn for drawn in figure.axes[0].collections}
    edges = bands["interval"].get_paths()[0].vertices
    assert edges[:, 0].min() == pytest.approx(9 - 1 / 60)
    assert edges[:, 0].max() == pytest.approx(12)
    truth = whole.loc["simulated-2"].loc["2024-03-05 10:00", "heart_rate"]
    assert np.sort(edges[np.isclose(edges[:, 0], 10), 1]) == pytest.approx([truth - 10, truth + 10])
    without = figures.day(holed, whole, date="2024-03-05", channels=["heart_rate"])
    assert "interval" not in {str(drawn.get_label()) for drawn in without.axes[0].collections}


def test_bounds_of_columns_with_names_and_units_of_their_own() -> None:
    holed, whole = (
        frame[["heart_rate"]].rename(columns={"heart_rate": "puls"}) / 60 for frame in recording()
    )
    filled = whole.assign(**{"puls.lower": whole["puls"] - 0.5, "puls.upper": whole["puls"] + 0.5})
    figure = figures.day(
        holed, filled, columns={"puls": "heart_rate"}, units={"heart_rate": "Hz"}, date="2024-03-05"
    )
    bands = {str(drawn.get_label()): drawn for drawn in figure.axes[0].collections}
    heights = np.ptp(bands["interval"].get_paths()[0].vertices[:, 1])
    assert 60 <= heights < 130  # 1 Hz wide, in beats/min


def test_missingness_shows_minutes_days_and_absent_days() -> None:
    whole = lsm2.simulate(participants=2, days=9, seed=2)[["heart_rate", "steps"]].ffill().bfill()
    clock = whole.index.get_level_values("timestamp")
    holed = whole.copy()
    holed.loc[clock.hour < 6, "heart_rate"] = np.nan
    figure = figures.missingness(holed[clock.day != 7], person="simulated-2")
    image = np.asarray(figure.axes[0].images[0].get_array()).astype(bool)
    assert image.shape == (7, 1440)
    assert image[3].sum() == 0 and not image[0, :360].any() and image[0, 360:].all()
    assert figure.axes[0].get_title(loc="left") == "heart rate: 75% recorded"
    assert figure.axes[1].get_title(loc="left") == "steps: 100% recorded"
    assert figure.axes[1].get_xlabel() == "hour of the day"
    assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "no such day in the recording"
    with pytest.raises(ValueError, match="holds no day of participant 'simulated-1'"):
        figures.missingness(holed, start="2030-01-01")
    with pytest.raises(ValueError, match="not in the recording"):
        figures.missingness(holed, person="nobody")


def embeddings() -> pd.DataFrame:
    index = pd.MultiIndex.from_product(
        [["a", "b"], pd.date_range("2024-03-04", periods=5)], names=["participant_id", "date"]
    )
    numbers = np.random.default_rng(0).normal(size=(10, 4))
    numbers[3] = np.nan
    return pd.DataFrame(numbers, index=index, columns=["e0", "e1", "e2", "e3"])


def test_a_map_leaves_out_empty_days_and_says_so() -> None:
    figure = figures.embedding_map(embeddings())
    assert len(figure.axes[0].collections[0].get_offsets()) == 9
    assert figure.axes[0].get_title() == "9 rows; 1 without an embedding left out"
    assert "of variance" in figure.axes[0].get_xlabel()


def test_a_map_is_coloured_by_index_level_participant_or_number() -> None:
    table = embeddings()
    by_level = figures.embedding_map(table, "participant_id").axes[0]
    assert [text.get_text() for text in by_level.get_legend().get_texts()] == ["a (4)", "b (5)"]
    markers = [drawn.get_paths()[0].vertices.shape for drawn in by_level.collections]
    assert markers[0] != markers[1]  # groups differ without colour
    age = pd.Series({"b": 40.0, "a": 30.0}, name="age")
    shaded = figures.embedding_map(table, age)
    assert shaded.axes[0].collections[0].get_array().tolist() == [30.0] * 4 + [40.0] * 5
    assert shaded.axes[1].get_ylabel() == "age"
    shuffled = pd.Series(np.arange(10.0), index=table.index).sample(frac=1, random_state=0)
    values = figures.embedding_map(table, shuffled).axes[0].collections[0].get_array()
    assert values.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    many = figures.embedding_map(table, [f"group {number}" for number in range(10)]).axes[0]
    assert many.get_legend().get_texts()[-1].get_text() == "2 others (2)"


@pytest.mark.parametrize(
    ("table", "color", "message"),
    [
        (embeddings().iloc[2:5], None, "three rows with an embedding or more; there are 2"),
        (embeddings(), "person", "no level of the embeddings' index, which has 'participant_id', 'date'"),
        (embeddings(), [1, 2], "2 values for 10 rows"),
        (embeddings(), pd.Series({"nobody": 1.0}), "shares no index entry"),
        (embeddings(), pd.Series([1.0, 2.0], index=["a", "a"]), "doubled entries"),
    ],
)
def test_a_map_that_cannot_be_drawn_says_why(table: pd.DataFrame, color: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        figures.embedding_map(table, color)


def test_umap_is_asked_for_where_it_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match="pip install umap-learn"):
        figures.embedding_map(embeddings(), method="umap")


@pytest.fixture(scope="module")
def probe() -> lsm2.Probe:
    ids = pd.Index([f"p{number}" for number in range(30)], name="participant_id")
    labels = pd.Series(["low", "mid", "high"] * 10, index=ids, name="risk")
    numbers = np.random.default_rng(0).normal(size=(30, 2)) * 0.1
    numbers[:, 0] += (labels == "low").to_numpy() * 5
    table = pd.DataFrame(numbers, index=ids, columns=["e0_mean", "e1_mean"])
    return lsm2.fit_probe(table, labels, level="participant")


def test_roc_has_a_curve_per_class(probe: lsm2.Probe) -> None:
    axes = figures.roc(probe).axes[0]
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert [text.split(":")[0] for text in texts] == ["chance", "high", "low", "mid"]
    assert texts[2] == "low: AUROC 1.00"  # told apart entirely
    assert len({str(line.get_linestyle()) for line in axes.lines[1:]}) == 3


def test_roc_needs_out_of_fold_predictions_of_classes(probe: lsm2.Probe, tmp_path: Path) -> None:
    loaded = lsm2.load_probe(probe.save(tmp_path / "probe"))
    with pytest.raises(ValueError, match="no out-of-fold predictions"):
        figures.roc(loaded)
    ids = pd.Index([f"p{number}" for number in range(20)], name="participant_id")
    table = pd.DataFrame({"e0_mean": np.arange(20.0), "e1_mean": 1.0}, index=ids)
    ages = pd.Series(np.arange(20.0) + 0.5, index=ids, name="age")
    with pytest.raises(ValueError, match="has no classes"):
        figures.roc(lsm2.fit_probe(table, ages, level="participant"))


def test_results_in_the_repository_become_curves() -> None:
    results = Path(__file__).parent.parent / "docs" / "results"
    gaps = figures.error_by_gap(pd.read_parquet(results / "gaps-test" / "scores.parquet"), "mse")
    assert gaps.axes[0].get_title().startswith("heart rate (")
    assert len({(line.get_marker(), line.get_linestyle()) for line in gaps.axes[0].lines}) == len(
        gaps.axes[0].lines
    )
    probes = pd.read_parquet(results / "probes" / "scores.parquet")
    assert figures.score_by_people(probes).axes[0].get_ylabel() == "AUROC"
    with pytest.raises(ValueError, match="no probes of few labelled people"):
        figures.score_by_people(probes[probes["labelled"].isna()])
    with pytest.raises(ValueError, match="mae"):
        figures.error_by_gap(probes, "rmse")  # type: ignore[arg-type]
