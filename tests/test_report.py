"""A report's files: what is in them, what they are called, and what is refused."""

from __future__ import annotations

import base64
import gzip
import json
import re
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lsm2
from lsm2.cli import main
from lsm2.report import write_report
from lsm2.report.write import file_names
from lsm2.tables import write_table

from .calibrated import calibrate_with_known_errors
from .conftest import tiny_model

HOSTILE = "</title></script><script>window.hacked = 1</script>\"'&<b onclick=alert(1)>"


class Page(HTMLParser):
    """Elements with their attributes and text, as a browser takes them."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes), []))

    def handle_data(self, data: str) -> None:
        if self.found:
            self.found[-1][2].append(data)

    def texts(self, tag: str) -> list[str]:
        return [" ".join("".join(text).split()) for name, _, text in self.found if name == tag]

    def block(self, name: str) -> str:
        return next("".join(text) for _, attributes, text in self.found if attributes.get("id") == name)

    def facts(self) -> dict[str, Any]:
        return dict(json.loads(self.block("facts")))

    def minutes(self, date: str) -> dict[str, Any]:
        return dict(json.loads(gzip.decompress(base64.b64decode(self.block(f"minutes-{date}")))))


@pytest.fixture(scope="module")
def model() -> lsm2.Model:
    return calibrate_with_known_errors(tiny_model())


def recording(days: int = 4, people: int = 1) -> pd.DataFrame:
    """Heart rate and steps, with a day on which nothing was recorded where there are three or more."""
    frame = lsm2.simulate(participants=people, days=days, seed=1)[["heart_rate", "steps"]]
    if days > 2:
        clock = frame.index.get_level_values("timestamp")
        frame.loc[clock.day == 5] = np.nan
    return frame


@pytest.fixture(scope="module")
def page(model: lsm2.Model, tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = tmp_path_factory.mktemp("report") / "report.html"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert write_report(recording(), path, model=model) == path
    return Page(path)


def test_minutes_are_what_reconstruct_returns(page: Page, model: lsm2.Model) -> None:
    data = recording()
    filled = model.reconstruct(data, interval=0.9).loc["simulated-1"]
    for date in ("2024-03-04", "2024-03-06"):
        minutes = page.minutes(date)
        for name in ("heart_rate", "steps"):
            own, expected = minutes[name], filled.loc[date]
            observed = data.loc["simulated-1"].loc[date, name].notna().to_numpy()
            gap = np.zeros(1440, bool)
            for start, end in own["gaps"]:
                gap[start:end] = True
            assert (gap == ~observed).all()
            values = np.array(own["values"], float)
            np.testing.assert_allclose(values[observed], expected[name].to_numpy()[observed], rtol=1e-4)
            np.testing.assert_allclose(values[gap], expected[name].to_numpy()[gap], atol=0.1)
            for end in ("lower", "upper"):
                bound = expected[f"{name}.{end}"].to_numpy()[gap]
                np.testing.assert_allclose(own.get(end, []), bound, atol=0.1)
        assert {"lower", "upper"} <= set(minutes["heart_rate"])


def test_a_day_without_a_value_holds_none_and_is_named(page: Page) -> None:
    assert page.minutes("2024-03-05") == {}
    facts = page.facts()
    assert facts["dates"] == ["2024-03-04", "2024-03-05", "2024-03-06", "2024-03-07"]
    assert facts["coverage"][1] == [0, 0] and facts["daily"][1][0] == [None, None, None]
    assert any("1 day without any recorded value" in text for text in page.texts("strong"))


def test_daily_summaries_are_those_of_reconstruct(page: Page, model: lsm2.Model) -> None:
    days = model.reconstruct(recording(), summary="day", interval=0.9)
    for number, name in enumerate(("heart_rate", "steps")):
        found = np.array([day[number] for day in page.facts()["daily"]], float)
        expected = days[[name, f"{name}.lower", f"{name}.upper"]].to_numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_units_and_names_of_the_caller_become_canonical(model: lsm2.Model, tmp_path: Path) -> None:
    frame = recording(2).rename(columns={"heart_rate": "puls"}).droplevel(0)
    whole = Page(write_report(frame, tmp_path / "a.html", model=model, columns={"puls": "heart_rate"}))
    hertz = frame.assign(puls=frame["puls"] / 60)
    same = Page(
        write_report(
            hertz,
            tmp_path / "b.html",
            model=model,
            columns={"puls": "heart_rate"},
            units={"heart_rate": "Hz"},
        )
    )
    assert whole.texts("h1") == ["Recording"]  # nobody is named
    for one, other in zip(whole.facts()["daily"], same.facts()["daily"], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3)
    first, second = (each.minutes("2024-03-04")["heart_rate"]["values"] for each in (whole, same))
    np.testing.assert_allclose(first, second, rtol=0.02)


def test_without_a_calibration_the_page_says_so(tmp_path: Path) -> None:
    path = write_report(recording(2), tmp_path / "report.html", model=tiny_model())
    text = path.read_text()
    assert "tiny has no calibration" in text and "lsm2 calibrate" in text
    page = Page(path)
    assert page.facts()["interval"] is None
    assert "lower" not in page.minutes("2024-03-04")["heart_rate"]
    plain = write_report(recording(2), tmp_path / "plain.html", model=tiny_model(), interval=None)
    assert "Intervals were not asked for" in plain.read_text()


def test_fewer_than_three_days_have_no_map(model: lsm2.Model, tmp_path: Path) -> None:
    path = write_report(recording(1), tmp_path / "report.html", model=model)
    assert "A map needs three days" in path.read_text()
    assert Page(path).facts()["points"] is None


def test_a_recording_without_any_value_is_a_page_too(model: lsm2.Model, tmp_path: Path) -> None:
    empty = recording(2) * np.nan
    with pytest.warns(UserWarning, match="(none of|of) 2 days"):
        path = write_report(empty, tmp_path / "report.html", model=model)
    assert any("none of 2 days has an observed token" in text for text in Page(path).texts("li"))


def test_channels_never_recorded_are_called_predictions(model: lsm2.Model, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="not calibrated for mets"):
        path = write_report(
            recording(1), tmp_path / "report.html", model=model, channels=["heart_rate", "mets"]
        )
    page = Page(path)
    assert [channel["name"] for channel in page.facts()["channels"]] == ["heart_rate", "mets"]
    assert page.minutes("2024-03-04")["mets"]["gaps"] == [[0, 1440]]
    assert any(text.startswith("Never recorded here: mets.") for text in page.texts("strong"))
    assert any("not calibrated for mets" in text for text in page.texts("li"))


def test_how_it_was_made(page: Page, model: lsm2.Model) -> None:
    facts = dict(zip(page.texts("dt"), page.texts("dd"), strict=True))
    assert facts["Checkpoint"] == model.hash
    assert facts["Licence of the weights"] == "Apache-2.0"
    assert facts["Bounds"] == "90 % of hidden minutes, and of days (interval=0.9)"
    assert re.fullmatch(r"plotly.js \d+\.\d+\.\d+ \(MIT licence\), inside this file", facts["Charts"])
    assert f"lsm2 {lsm2.__version__}" in facts["Versions"]


def test_a_hostile_name_is_text(model: lsm2.Model, tmp_path: Path) -> None:
    frame = recording(1).rename(index={"simulated-1": HOSTILE})
    index = write_report(frame, tmp_path / "out", model=model)
    (path,) = set(tmp_path.joinpath("out").iterdir()) - {index}
    plain = Page(write_report(recording(1), tmp_path / "plain.html", model=model))
    page = Page(path)
    assert " ".join(page.texts("h1")[0].split()) == f"Recording of {HOSTILE}"
    assert len(page.texts("script")) == len(plain.texts("script"))
    assert page.texts("b") == [] and Page(index).texts("script") == []
    assert [text for text in Page(index).texts("a") if "hacked" in text] == [HOSTILE]


def test_a_page_each_and_an_index(model: lsm2.Model, tmp_path: Path) -> None:
    data = recording(1, people=3).rename(index={"simulated-2": "../../up", "simulated-3": "index"})
    index = write_report(data, tmp_path / "out", model=model)
    assert index == tmp_path / "out" / "index.html"
    links = [a["href"] for tag, a, _ in Page(index).found if tag == "a" and a.get("class") != "skip"]
    assert {f"{name}" for name in links} | {"index.html"} == {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert links[0] == "simulated-1.html" and "/" not in "".join(map(str, links))
    assert Page(tmp_path / "out" / str(links[1])).texts("h1") == ["Recording of ../../up"]
    # A page does not depend on who else is in the frame.
    alone = Page(write_report(data.loc[["../../up"]], tmp_path / "one.html", model=model))
    assert alone.facts() == Page(tmp_path / "out" / str(links[1])).facts()


def test_file_names_are_safe_and_apart() -> None:
    people = ["a", "A", "CON", "index", "", ".", "..", "a/b", "a b", "ä", "x" * 300, 7, "7", None, "nul.txt"]
    names = file_names(people)
    assert len({name.casefold() for name in names}) == len(people)
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,75}\.html", name) for name in names)
    assert not {"con.html", "index.html", "nul.txt.html"} & {name.casefold() for name in names}
    assert names[0] == "a.html" and file_names(["a/b"]) == [names[7]]


@pytest.mark.parametrize(
    ("output", "options", "error", "message"),
    [
        ("two.html", {}, ValueError, "has 2; name a folder .*people="),
        ("no/where.html", {"people": "simulated-1"}, FileNotFoundError, "make it first"),
        ("out", {"people": ["nobody"]}, ValueError, "'nobody' is not in the recording, which holds"),
        ("out", {"people": []}, ValueError, "names nobody"),
        ("out", {"interval": 1.5}, ValueError, "interval"),
        ("a-file", {}, ValueError, "is a file; name a folder"),
        ("out", {"tz": "Nowhere/City"}, ValueError, "Nowhere/City"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    model: lsm2.Model,
    tmp_path: Path,
    output: str,
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    (tmp_path / "a-file").touch()
    with pytest.raises(error, match=message):
        write_report(recording(1, people=2), tmp_path / output, model=model, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["a-file"]


def test_no_frame_and_no_row() -> None:
    with pytest.raises(TypeError, match="must be a pandas DataFrame"):
        write_report([1, 2], "report.html")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no row"):
        write_report(recording(1).iloc[:0], "report.html")


def test_plotly_is_asked_for_where_it_is_absent(
    model: lsm2.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(ImportError, match=r"pip install 'lsm2\[report\]'"):
        write_report(recording(1), tmp_path / "report.html", model=model)
    assert list(tmp_path.iterdir()) == []


def test_times_of_a_changing_clock(model: lsm2.Model, tmp_path: Path) -> None:
    times = pd.date_range("2024-03-30", "2024-04-01", freq="min", tz="Europe/Berlin", inclusive="left")
    frame = pd.DataFrame({"heart_rate": np.where(np.arange(len(times)) % 97 < 20, np.nan, 70.0)}, index=times)
    page = Page(write_report(frame, tmp_path / "report.html", model=model))
    values = page.minutes("2024-03-31")["heart_rate"]["values"]
    assert values[120:180] == [None] * 60  # an hour that the clock leaves out is not filled
    assert None not in values[:120] + values[180:]


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(recording(1, people=2), "recording.parquet")
    assert main(["report", "recording.parquet", "-o", "one.html"]) == 2
    assert (
        "a folder (without .html) for a page each, or choose one with --person ID" in capsys.readouterr().err
    )
    tiny_model().save("tiny")
    words = ["report", "recording.parquet", "--model", "tiny"]
    assert main([*words, "-o", "one.html", "--person", "simulated-2"]) == 0
    assert capsys.readouterr().out.startswith("one.html: open it in a browser")
    assert Page(Path("one.html")).texts("h1") == ["Recording of simulated-2"]
    assert main([*words, "-o", "all", "--channels", "heart_rate"]) == 0
    assert sorted(path.name for path in Path("all").iterdir()) == [
        "index.html",
        "simulated-1.html",
        "simulated-2.html",
    ]
    assert main([*words, "-o", "no/where.html"]) == 2
    assert "make it first" in capsys.readouterr().err


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_contrast_enough(scheme: str) -> None:
    style = (Path(lsm2.__file__).parent / "report" / "templates" / "report.css").read_text()
    colours: dict[str, str] = {}
    for block in re.findall(r":root \{([^}]*)\}", style)[: 1 if scheme == "light" else 2]:
        colours |= dict(re.findall(r"--(\w+): (#\w{6})", block))

    def light(name: str) -> float:
        parts = [int(colours[name][at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    def contrast(one: str, other: str) -> float:  # WCAG 2.2
        high, low = sorted((light(one), light(other)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for text, ground in (
        ("ink", "paper"),
        ("ink", "note"),
        ("ink", "tile"),
        ("ink", "soft"),
        ("muted", "paper"),
    ):
        assert contrast(text, ground) >= 4.5, (text, ground)
    assert contrast("accent", "paper") >= 4.5
    for mark in ("observed", "filled"):
        assert min(contrast(mark, "paper"), contrast(mark, "missing")) >= 3


@pytest.mark.parametrize("name", ["report.pdf", "report.csv"])
def test_other_kinds_of_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"or a folder$"):
        write_report(recording(), tmp_path / name)
    assert not list(tmp_path.iterdir())
