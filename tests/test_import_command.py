"""`lsm2 import`: each format by name, and recognised by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from lsm2.cli import main
from lsm2.readers.formats import recognise
from lsm2.simulation import simulate, simulate_apple_health
from tests.exports.actigraph import agd
from tests.exports.empatica import e4
from tests.exports.files import write_folder, write_zip
from tests.exports.fitbit import heart, sleep_log, stream, table
from tests.exports.garmin import fit, info, monitoring
from tests.exports.health_connect import health_connect
from tests.exports.samsung import samsung

OURA = (
    '{"data": [{"bpm": 60, "source": "awake", "timestamp": "2024-03-05T10:00:00+01:00"}], "next_token": null}'
)
SAMSUNG = samsung(
    "tracker.heart_rate",
    ("start_time", "end_time", "heart_rate", "time_offset"),
    [("2024-03-05 10:00:00.000", "2024-03-05 10:00:59.000", 60, "UTC+0100")],
)
EXPORTS: dict[str, tuple[str, dict[str, str | bytes]]] = {
    "fitbit": ("Fitbit", {"Takeout/heart_rate-2024-03-05.json": heart(("2024-03-05 10:00:00", 60))}),
    "garmin": (
        "Garmin",
        {"1.fit": fit([info("2024-03-05 10:00"), monitoring("2024-03-05 10:01", heart_rate=60)])},
    ),
    "empatica": ("Empatica", {"HR.csv": e4("2024-03-05 10:00:00", 1, 60)}),
    "oura": ("Oura", {"heartrate.json": OURA}),
    "health-connect": (
        "Health Connect",
        {"health_connect_export.db": health_connect(beats=[(1, "2024-03-05", 60)])},
    ),
    "samsung": ("Samsung Health", dict(SAMSUNG)),
    "actigraph": ("ActiGraph", {"a.agd": agd([("2024-03-05 10:00:00", 60, 60)])}),
    "table": ("a table", {"a.csv": "timestamp,heart_rate\n2024-03-05 10:00,60\n"}),
}


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("zipped", [False, True])
def test_each_format_by_name_and_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, zipped: bool
) -> None:
    title, files = EXPORTS[name]
    export = write_zip(tmp_path / "x.zip", files) if zipped else write_folder(tmp_path / "x", files)
    assert recognise(export)[0].command == name
    for command in (name, "auto"):
        output = tmp_path / f"{command}.parquet"
        assert main(["import", command, str(export), "-o", str(output), "--tz", "UTC"]) == 0
        said = capsys.readouterr().out.splitlines()
        if command == "auto":
            assert said.pop(0) == f"{export}: {title}, 1 file to read"
        assert said[0].startswith(f"{output}: 1440 minutes of 1 day, 2024-03-05")
    by_name, by_itself = (pd.read_parquet(tmp_path / f"{command}.parquet") for command in (name, "auto"))
    pd.testing.assert_frame_equal(by_name, by_itself)
    assert by_itself.notna().any(axis=None)


def test_apple_health_is_recognised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export = simulate_apple_health(tmp_path / "export.zip", days=1)
    assert main(["import", "auto", str(export), "-o", str(tmp_path / "a.parquet")]) == 0
    assert capsys.readouterr().out.startswith(f"{export}: Apple Health, 1 file to read")


@pytest.mark.parametrize("name", ["two.csv", "hr.csv", "x/steps.csv"])
def test_tables_under_our_own_names_are_tables_whatever_they_are_called(tmp_path: Path, name: str) -> None:
    rows = simulate(participants=2, days=1).reset_index()
    for frame in (rows, rows[rows["participant_id"] == "simulated-1"][["timestamp", "steps", "heart_rate"]]):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        frame.to_csv(path, index=False)
        assert recognise(path)[0].command == recognise(path.parent)[0].command == "table"
    alone = frame[["timestamp", "heart_rate"]]
    alone.to_csv(path, index=False)
    assert recognise(path)[0].command == "table"
    output = tmp_path / "out" / "a.parquet"
    output.parent.mkdir(exist_ok=True)
    assert main(["import", "auto", str(path), "-o", str(output)]) == 0
    assert pd.read_parquet(output)["heart_rate"].notna().sum() == alone["heart_rate"].notna().sum()


@pytest.mark.parametrize("name", ["watch.csv", "hr.csv", "temp.csv", "steps.csv"])
@pytest.mark.parametrize(
    ("text", "channels", "people"),
    [
        ("timestamp;hr;steps\n2024-03-05 10:00;60;7\n", ["heart_rate", "steps"], 1),
        ("timestamp,steps\n2024-03-05 10:00,7\n", ["steps"], 1),
        (
            "timestamp,bpm,step_count,calories\n2024-03-05 10:00,60,7,1.5\n",
            ["heart_rate", "steps", "calories"],
            1,
        ),
        (
            "subject,timestamp,hr,steps\na,2024-03-05 10:00,60,7\nb,2024-03-05 10:00,80,9\n",
            ["heart_rate", "steps"],
            2,
        ),
        ("time,temperature\n2024-03-05 10:00,33\n", ["skin_temperature"], 1),
        ("timestamp_iso,hr,step_count\n2024-03-05 10:00,60,7\n", ["heart_rate", "steps"], 1),
        ("timestamp,hr,steps,data source\n2024-03-05 10:00,60,7,x\n", ["heart_rate", "steps"], 1),
    ],
)
def test_tables_under_other_names_are_tables(
    tmp_path: Path, name: str, text: str, channels: list[str], people: int
) -> None:
    export = write_folder(tmp_path / "x", {name: text})
    assert recognise(export)[0].command == recognise(export / name)[0].command == "table"
    assert main(["import", "auto", str(export), "-o", str(tmp_path / "a.parquet")]) == 0
    found = pd.read_parquet(tmp_path / "a.parquet")
    assert list(found.columns) == channels and found.notna().sum().tolist() == [people] * len(channels)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("export.csv", "timestamp,steps,data source"),
        ("export.csv", "timestamp,oxygen saturation percentage"),
        ("steps_2024-03-05.csv", "timestamp,steps"),
        ("heart_rate_2024-03-05 (1).csv", "timestamp,beats per minute"),
        ("Takeout/Google Health/x.csv", "timestamp,calories"),
        ("Physical Activity_GoogleData/x.csv", "timestamp,distance"),
        ("Heart Rate Variability Details - 2024-03-05.csv", "timestamp,rmssd,coverage"),
    ],
)
def test_what_only_fitbit_writes_or_calls_so_is_fitbits(tmp_path: Path, name: str, header: str) -> None:
    rows = "\n2024-03-05T10:00:00Z" + ",60" * header.count(",") + "\n"
    assert recognise(write_folder(tmp_path / "x", {name: header + rows}))[0].command == "fitbit"


@pytest.mark.parametrize("name", ["sleep.json", "sleep_2024-01-01.json", "sleep-2024-01-01.json"])
@pytest.mark.parametrize("bare", [False, True])
def test_nights_of_oura_under_fitbits_names(tmp_path: Path, name: str, bare: bool) -> None:
    night = {
        "day": "2024-03-05",
        "bedtime_start": "2024-03-04T23:00:00+01:00",
        "bedtime_end": "2024-03-05T00:00:00+01:00",
        "sleep_phase_5_min": "222222222222",
    }
    answer = [night] if bare else {"data": [night], "next_token": None}
    files = {name: json.dumps(answer), "heart_rate.json": OURA}
    assert recognise(write_folder(tmp_path / "x", files))[0].command == "oura"


def test_a_takeout_with_sleep_logs_is_fitbits_alone(tmp_path: Path) -> None:
    log = sleep_log("2024-03-05 23:00", [("light", 3600), ("wake", 600)])
    files = {
        "steps-2024-03-05.json": stream(("2024-03-05 10:00", 9)),
        "sleep-2024-03-05.json": json.dumps([log]),
    }
    assert recognise(write_folder(tmp_path / "takeout", files))[0].command == "fitbit"


def test_several_formats_or_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(folder: Path) -> str:
        assert main(["import", "auto", str(folder), "-o", str(tmp_path / "a.parquet")]) == 2
        return capsys.readouterr().err.splitlines()[-1]

    both = write_folder(tmp_path / "both", {**EXPORTS["oura"][1], **EXPORTS["empatica"][1]})
    assert "holds several formats: Empatica (1 file), Oura (1 file)" in said(both)
    assert "no format is recognised; known are Apple Health, Fitbit" in said(
        write_folder(tmp_path / "n", {"a": "b"})
    )
    assert "export epochs as .agd or CSV with ActiLife" in said(
        write_zip(tmp_path / "a.gt3x", {"log.bin": "x", "info.txt": "Serial Number: X"})
    )
    assert "save it as CSV" in said(write_zip(tmp_path / "a.xlsx", {"xl/workbook.xml": "<x/>"}))
    assert "raw signals: give the folder digital_biomarkers" in said(
        write_folder(tmp_path / "raw", {"raw_data/v6/1.avro": "Obj"})
    )
    assert "no such file" in said(tmp_path / "nowhere")


def test_options_are_passed_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = table("Id,ActivityMinute,Steps", "1,4/12/2016 7:21:00 AM,12", "2,4/13/2016 7:21:00 AM,13", "2,x,1")
    export = write_folder(tmp_path / "x", {"minuteStepsNarrow_merged.csv": text})
    output = tmp_path / "a.parquet"
    words = ["import", "fitbit", str(export), "-o", str(output)]
    assert main(words) == 2
    assert "line 4: 'x' is no time" in capsys.readouterr().err
    assert main([*words, "--on-error", "skip"]) == 0
    said = capsys.readouterr()
    assert "2880 minutes of 2 days of 2 participants, 2016-04-12 to 2016-04-13" in said.out
    assert "1 malformed record was left out" in said.err
    assert main([*words, "--on-error", "skip", "--participant", "2", "--start", "2016-04-13"]) == 0
    assert list(pd.read_parquet(output).index.get_level_values(0).unique()) == ["2"]


def test_a_table_with_columns_units_and_a_form_of_time(tmp_path: Path) -> None:
    export = write_folder(tmp_path / "x", {"a.csv": "when,gone\n05/03/2024 10:00,0.5\n"})
    words = [
        "import",
        "table",
        str(export),
        "-o",
        str(tmp_path / "a.parquet"),
        "--time-format",
        "%d/%m/%Y %H:%M",
    ]
    words += ["--columns", "when=timestamp", "--columns", "gone=distance", "--units", "distance=km"]
    assert main(words) == 0
    found = pd.read_parquet(tmp_path / "a.parquet")["distance"].dropna()
    assert found.to_dict() == {pd.Timestamp("2024-03-05 10:00"): 500.0}


def test_a_table_whose_rows_hold_for_minutes(tmp_path: Path) -> None:
    rows = "".join(f"2024-03-05 {hour}:00,1200\n" for hour in (10, 11))
    export = write_folder(tmp_path / "x", {"a.csv": "time,steps\n" + rows})
    assert main(["import", "table", str(export), "-o", str(tmp_path / "a.parquet"), "--minutes", "60"]) == 0
    found = pd.read_parquet(tmp_path / "a.parquet")["steps"].dropna()
    assert len(found) == 120 and (found == 20).all()


def test_mistakes_are_said_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = write_folder(tmp_path / "x", EXPORTS["oura"][1])
    for output, message in (("nowhere/a.parquet", "no such directory"), ("a.xlsx", "ends in .parquet")):
        assert main(["import", "auto", str(export), "-o", str(tmp_path / output)]) == 2
        assert message in capsys.readouterr().err


def test_a_missing_parser_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("garmin_fit_sdk", "fitdecode"):
        monkeypatch.setitem(sys.modules, name, None)
    export = write_folder(tmp_path / "x", EXPORTS["garmin"][1])
    assert main(["import", "auto", str(export), "-o", str(tmp_path / "a.parquet")]) == 2
    assert "pip install 'lsm2[garmin]'" in capsys.readouterr().err


def test_help_is_light() -> None:
    code = (
        "import sys; from lsm2.cli import main; "
        "main(['import', '--help']); main(['import', 'fitbit', '--help']); "
        "print([name for name in ('pandas', 'torch', 'numpy') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in ("auto", "apple-health", *EXPORTS))
    assert done.stderr.strip() == "[]"
