"""Time and memory of each reader on a simulated year of data.

    python benchmarks/readers.py -o docs/results/readers.json  # and readers.md beside it

Writes 365 days of one simulated device in each format, by the writers of the tests, and reads them: both in
processes of their own. Memory is the peak resident size of the reading process, beside that before the call
(the interpreter, NumPy and pandas). Every minute has a heart rate or what the format has in its place, and
steps on a third of them. `read_apple_health` has a benchmark of its own, benchmarks/apple_health.py.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FIRST = datetime(2023, 1, 1)
Files = Iterator[tuple[str, "str | bytes"]]


@dataclass(frozen=True)
class Format:
    reader: str
    what: str  # of which the year consists
    write: Callable[[int], Files]
    options: dict[str, Any]


def days(count: int) -> list[datetime]:
    return [FIRST + timedelta(days=number) for number in range(count)]


def minutes(day: datetime) -> list[datetime]:
    return [day + timedelta(minutes=minute) for minute in range(1440)]


def beats(minute: datetime) -> int:
    return 60 + minute.hour + minute.minute % 7


def steps(minute: datetime) -> int:
    return 10 + minute.minute if 7 <= minute.hour < 22 and minute.minute % 2 else 0


def repeated(text: str, forms: str, count: int) -> Iterator[tuple[datetime, str]]:
    """The text of the first day, with other dates: writers of the tests take a second a day."""
    for day in days(count):
        yield day, text.replace(FIRST.strftime(forms), day.strftime(forms))


def takeout_classic(count: int) -> Files:
    from tests.exports.fitbit import CLASSIC, heart, sleep_log, stream

    clock = [FIRST + timedelta(seconds=15 * number) for number in range(5760)]
    beating = heart(*((str(moment), beats(moment)) for moment in clock))
    walking = stream(*((str(minute), steps(minute)) for minute in minutes(FIRST)))
    for day, text in repeated(beating, "%m/%d/%y", count):
        yield f"{CLASSIC}/heart_rate-{day:%Y-%m-%d}.json", text
    for day, text in repeated(walking, "%m/%d/%y", count):
        yield f"{CLASSIC}/steps-{day:%Y-%m-%d}.json", text
    stages = [("light", 5400), ("deep", 3600), ("rem", 3600), ("wake", 600)] * 2
    nights = [sleep_log(f"{day:%Y-%m-%d} 00:30:00", stages) for day in days(count)]
    yield f"{CLASSIC}/sleep-{FIRST:%Y-%m-%d}.json", json.dumps(nights)


def takeout_new(count: int) -> Files:
    from tests.exports.fitbit import NEW, new_heart, new_steps

    clock = [FIRST + timedelta(seconds=15 * number) for number in range(5760)]
    beating = new_heart(*(f"{moment:%Y-%m-%dT%H:%M:%S}Z,{beats(moment)}.0,Watch" for moment in clock))
    walking = new_steps(*(f"{m:%Y-%m-%dT%H:%M:%S}Z,{steps(m)},Watch" for m in minutes(FIRST)))
    for day, text in repeated(beating, "%Y-%m-%d", count):
        yield f"{NEW}/heart_rate_{day:%Y-%m-%d}.csv", text
    for day, text in repeated(walking, "%Y-%m-%d", count):
        yield f"{NEW}/steps_{day:%Y-%m-%d}.csv", text


def web_api(count: int) -> Files:
    from tests.exports.fitbit import web

    for kind, value in (("heart", beats), ("steps", steps)):
        text = web(kind, f"{FIRST:%Y-%m-%d}", *((f"{m:%H:%M:%S}", value(m)) for m in minutes(FIRST)))
        for day, other in repeated(text, "%Y-%m-%d", count):
            yield f"{kind}-{day:%Y-%m-%d}.json", other


def fitabase(count: int) -> Files:
    from tests.exports.fitbit import table

    def clock(moment: datetime) -> str:
        return f"{moment.month}/{moment.day}/{moment.year} {moment:%I:%M:%S %p}"

    whole = [minute for day in days(count) for minute in minutes(day)]
    narrow = (f"7,{clock(minute)},{steps(minute)}" for minute in whole)
    yield "minuteStepsNarrow_merged.csv", table("Id,ActivityMinute,Steps", *narrow)
    seconds = (f"7,{clock(m + timedelta(seconds=s))},{beats(m)}" for m in whole for s in (0, 15, 30, 45))
    yield "heartrate_seconds_merged.csv", table("Id,Time,Value", *seconds)


def garmin(count: int) -> Files:
    from tests.exports.garmin import WALKING, fit, info, monitoring, short

    for day in days(count):
        walked, messages = 0, [info(str(day))]
        for minute in minutes(day):
            if minute.minute % 15 == 0:
                walked += 300
                messages.append(monitoring(str(minute), activity_type=WALKING, cycles=walked))
            messages.append(monitoring(timestamp_16=short(str(minute)), heart_rate=beats(minute)))
        yield f"{day:%Y-%m-%d}.fit", fit(messages, define_each=False)


def e4(count: int) -> Files:
    from tests.exports.empatica import e4 as signal

    for day in days(count):
        start, name = f"{day:%Y-%m-%d} 10:00:00", f"session-{day:%Y%m%d}"
        yield f"{name}/HR.csv", signal(start, 1, *[70.5] * 600)
        yield f"{name}/EDA.csv", signal(start, 4, *[0.51] * 2400)
        yield f"{name}/TEMP.csv", signal(start, 4, *[33.25] * 2400)
        yield f"{name}/ACC.csv", signal(start, 32, *[(3, -20, 61)] * 19200)


def embrace_plus(count: int) -> Files:
    from tests.exports.empatica import embrace

    kinds = {
        "pulse-rate": "pulse_rate_bpm",
        "eda": "eda_scl_usiemens",
        "temperature": "temperature_celsius",
        "step-counts": "step_counts",
    }
    for day in days(count):
        for kind, column in kinds.items():
            rows = [(str(m), steps(m) if kind == "step-counts" else 33, "") for m in minutes(day)]
            yield from embrace(kind, column, rows, day=f"{day:%Y-%m-%d}").items()


def oura(count: int) -> Files:
    rates, activities, nights = [], [], []
    for day in days(count):
        here = f"{day:%Y-%m-%d}"
        rates += [
            {"bpm": beats(m), "source": "awake", "timestamp": f"{m:%Y-%m-%dT%H:%M:%S}+01:00"}
            for m in minutes(day)[::5]
        ]
        start = f"{here}T04:00:00+01:00"
        mets = {"interval": 60.0, "items": [1.1 + minute % 9 / 10 for minute in range(1440)]}
        activities.append({"day": here, "timestamp": start, "met": {**mets, "timestamp": start}})
        nights.append(
            {
                "bedtime_start": f"{here}T00:00:00+01:00",
                "bedtime_end": f"{here}T07:00:00+01:00",
                "sleep_phase_5_min": "4221" * 21,
                "type": "long_sleep",
            }
        )
    for name, found in (("heartrate", rates), ("daily_activity", activities), ("sleep", nights)):
        yield f"{name}.json", json.dumps({"data": found, "next_token": None})


def health_connect(count: int) -> Files:
    from tests.exports.health_connect import health_connect as database

    whole = [minute for day in days(count) for minute in minutes(day)]
    one = timedelta(minutes=1)
    walked = [(1, str(m), str(m + one), steps(m)) for m in whole if steps(m)]
    yield "health_connect_export.db", database(beats=[(1, str(m), beats(m)) for m in whole], steps=walked)


def samsung(count: int) -> Files:
    from tests.exports.samsung import bins
    from tests.exports.samsung import samsung as table

    heart = ("start_time", "end_time", "heart_rate", "time_offset", "deviceuuid", "binning_data")
    walk = ("start_time", "end_time", "count", "distance", "calorie", "time_offset", "deviceuuid")
    rates, walked = [], []
    for day in days(count):
        for hour in range(24):
            name = f"{hour:x}{day:%Y%m%d}-{hour:02d}.binning_data.json"
            here = [day + timedelta(hours=hour, minutes=minute) for minute in range(60)]
            yield from bins(name, [(str(m), str(m + timedelta(seconds=59)), beats(m)) for m in here]).items()
            rates.append((f"{here[0]}.000", f"{here[-1]}.000", 70, "UTC+0100", "w", name))
            walked += [
                (f"{m}.000", f"{m + timedelta(seconds=59)}.999", steps(m), 7.5, 0.5, "UTC+0100", "w")
                for m in here
                if steps(m)
            ]
    yield from table("tracker.heart_rate", heart, rates).items()
    yield from table("tracker.pedometer_step_count", walk, walked).items()


def agd(count: int) -> Files:
    from tests.exports.actigraph import agd as database

    whole = [minute for day in days(count) for minute in minutes(day)]
    yield "year.agd", database([(str(m), 25 * steps(m), steps(m)) for m in whole])


def actilife(count: int) -> Files:
    from tests.exports.actigraph import preamble

    whole = (minute for day in days(count) for minute in minutes(day))
    rows = "".join(f"{25 * steps(m)},{steps(m)}\r\n" for m in whole)
    date_ = f"{FIRST.month}/{FIRST.day}/{FIRST.year}"
    yield "year.csv", preamble(date=date_, time="00:00:00") + "Axis1,Steps\r\n" + rows


def csv(count: int) -> Files:
    import lsm2

    yield "year.csv", lsm2.simulate(1, count).reset_index().to_csv(index=False)


def parquet(count: int) -> Files:
    from io import BytesIO

    import lsm2

    file = BytesIO()
    lsm2.simulate(1, count).reset_index().to_parquet(file)
    yield "year.parquet", file.getvalue()


UTC = {"tz": "UTC"}
FORMATS = {
    "Fitbit Takeout, classic": Format(
        "read_fitbit", "heart rate each 15 s, steps, sleep", takeout_classic, UTC
    ),
    "Fitbit Takeout, new": Format("read_fitbit", "heart rate each 15 s, steps", takeout_new, UTC),
    "Fitbit Web API": Format("read_fitbit", "heart rate and steps by minute", web_api, {}),
    "Fitabase": Format("read_fitbit", "heart rate each 15 s, steps", fitabase, {}),
    "Garmin": Format("read_garmin", "heart rate by minute, steps", garmin, UTC),
    "Empatica E4": Format("read_empatica", "a session of ten minutes a day", e4, UTC),
    "Empatica EmbracePlus": Format("read_empatica", "four channels by minute", embrace_plus, UTC),
    "Oura": Format("read_oura", "heart rate each 5 min, METs, sleep", oura, {}),
    "Health Connect": Format("read_health_connect", "heart rate and steps by minute", health_connect, {}),
    "Samsung Health": Format("read_samsung", "heart rate and steps by minute", samsung, {}),
    "ActiGraph .agd": Format("read_actigraph", "counts and steps by minute", agd, {}),
    "ActiGraph .csv": Format("read_actigraph", "counts and steps by minute", actilife, {}),
    "table, CSV": Format("read_table", "five channels by minute", csv, {}),
    "table, parquet": Format("read_table", "five channels by minute", parquet, {}),
}


def generate(name: str, folder: Path, count: int) -> None:
    for file, content in FORMATS[name].write(count):
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def measure(name: str, folder: Path) -> dict[str, Any]:
    form = FORMATS[name]
    read = getattr(importlib.import_module("lsm2.readers"), form.reader)
    files = [path for path in folder.rglob("*") if path.is_file()]
    path = files[0] if len(files) == 1 else folder
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, cpu = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = read(path, **form.options)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {
        "format": name,
        "function": form.reader,
        "what": form.what,
        "files": len(files),
        "megabytes": round(sum(path.stat().st_size for path in files) / 1e6, 1),
        "rows": len(frame),
        "values": int(frame.notna().to_numpy().sum()),
        "seconds": round(seconds, 2),
        "processor_seconds": round(cpu, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "mb_before_the_call": round(before / 1024),
    }


def in_a_process(*words: str) -> str:
    # The peak memory of a child begins with what its parent holds, so the parent imports nothing large.
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, __file__, *words]
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


def markdown(facts: dict[str, Any]) -> str:
    lines = [
        "# Readers: time and memory of a year",
        "",
        f"`{facts['command']}`, {facts['date']}, {facts['machine']}, Python {facts['python']}: "
        f"{facts['days']} simulated days of one device, one thread, one run each. Seconds are of the "
        "processor, in brackets by the clock; memory is the peak of a fresh process, of which the "
        f"interpreter, NumPy and pandas take {facts['rows'][0]['mb_before_the_call']} MB.",
        "",
        "| format | function | content | files | MB | minutes out | seconds | peak memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in facts["rows"]:
        cells = [row["format"], f"`{row['function']}`", row["what"], f"{row['files']:,}"]
        cells += [f"{row['megabytes']:g}", f"{row['rows']:,}"]
        cells += [f"{row['processor_seconds']:.1f} ({row['seconds']:.1f})", f"{row['peak_mb']} MB"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--format", action="append", choices=list(FORMATS), help="only this one; repeat")
    parser.add_argument("--output", "-o", type=Path, help="a .json file; the table goes beside it, as .md")
    parser.add_argument("--generate", nargs=2, metavar=("FORMAT", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--read", nargs=2, metavar=("FORMAT", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.generate:
        generate(args.generate[0], Path(args.generate[1]), args.days)
        return
    if args.read:
        print(json.dumps(measure(args.read[0], Path(args.read[1]))))
        return
    rows = []
    for name in args.format or FORMATS:
        with tempfile.TemporaryDirectory() as folder:
            in_a_process("--generate", name, folder, "--days", str(args.days))
            rows.append(json.loads(in_a_process("--read", name, folder).splitlines()[-1]))
            print(json.dumps(rows[-1]), flush=True)
    facts = {
        "command": "python benchmarks/readers.py",
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "days": args.days,
        "rows": rows,
    }
    print(markdown(facts))
    if args.output:
        for path, text in ((args.output, json.dumps(facts, indent=1) + "\n"), (None, markdown(facts))):
            path = path or args.output.with_suffix(".md")
            temporary = path.with_name(f".{os.getpid()}.{path.name}")
            temporary.write_text(text)
            temporary.replace(path)


if __name__ == "__main__":
    main()
