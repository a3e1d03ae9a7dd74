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
