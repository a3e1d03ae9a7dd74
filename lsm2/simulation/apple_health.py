"""A simulated Apple Health export: the form that a phone writes, around numbers that are made up."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from lsm2.days.clock import as_zone, offsets
from lsm2.files import replacing
from lsm2.simulation.recordings import simulate

_MEMBER = "apple_health_export/export.xml"
_WATCH = (
    'sourceName="Sam\u2019s Apple\xa0Watch" sourceVersion="10.3.1" device="&lt;&lt;HKDevice: '
    "0x{pointer:x}&gt;, name:Apple Watch, manufacturer:Apple Inc., model:Watch, hardware:Watch6,2, "
    'software:10.3.1, creation date:2024-02-01 08:00:00 +0000&gt;"'
)
_PHONE = (
    'sourceName="Sam\u2019s iPhone" sourceVersion="17.3.1" device="&lt;&lt;HKDevice: 0x{pointer:x}&gt;, '
    'name:iPhone, manufacturer:Apple Inc., model:iPhone, hardware:iPhone14,5, software:17.3.1&gt;"'
)
_DOCUMENT_TYPE = """<!DOCTYPE HealthData [
<!-- HealthKit Export Version: 12 -->
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation|Workout|ActivitySummary|VisionPrescription)*)>
<!ATTLIST HealthData
  locale CDATA #REQUIRED
>
<!ELEMENT ExportDate EMPTY>
<!ATTLIST ExportDate
  value CDATA #REQUIRED
>
<!ELEMENT Record ((MetadataEntry|HeartRateVariabilityMetadataList)*)>
<!ATTLIST Record
  type CDATA #REQUIRED
  unit CDATA #IMPLIED
  value CDATA #IMPLIED
  sourceName CDATA #REQUIRED
  sourceVersion CDATA #IMPLIED
  device CDATA #IMPLIED
  creationDate CDATA #IMPLIED
  startDate CDATA #REQUIRED
  endDate CDATA #REQUIRED
>
<!-- Note: Any Records that appear as children of a correlation also appear as top-level records. -->
<!ELEMENT Correlation ((MetadataEntry|Record)*)>
<!ATTLIST VisionPrescription
  type CDATA #REQUIRED
  dateIssued CDATA #REQUIRED
<!ELEMENT RightEye EMPTY>
]>
"""

Write = Callable[[str], object]


def simulate_apple_health(
    path: str | os.PathLike[str],
    *,
    days: int = 14,
    seed: int = 0,
    zone: str = "America/New_York",
    beats_every: float = 300.0,
    energy_every: int = 2,
) -> Path:
    """Write a SIMULATED Apple Health export: iPhone and Watch of a person who does not exist.

    Watch: heart rate (denser in workouts), steps, distance, energy, sleep stages, HRV, SpO2, respiratory
    rate, wrist temperature, workouts. iPhone: steps, distance, flights while it is carried, time in bed.
    Charging breaks and nights without the watch leave holes. The document type is malformed as that of iOS 16
    is, and the root has the attribute simulated="true". Nothing should be concluded from it about people.

    Args:
        path: A name ending in .zip or .xml, else a folder, which then holds apple_health_export/export.xml.
        days: Calendar days from 2024-03-11 on; a day has about 1.3 MB.
        seed: Same seed, same export.
        zone: Time zone whose offsets are written.
        beats_every: Seconds between samples of heart rate at rest; in workouts one each five seconds.
        energy_every: Minutes that one record of energy covers.

    Returns:
        The path.

    Raises:
        ValueError: `days` is not a whole number above 0, or the zone is not known.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export = simulate_apple_health(Path(folder, "export.xml"), days=1)
    ...     print(export.read_text().splitlines()[1])
    <!DOCTYPE HealthData [
    """
    path = Path(path)
    recording = simulate(participants=1, days=days, seed=seed).reset_index(drop=True)
    export = _Export(recording, np.random.default_rng([seed, 7]), zone, beats_every, energy_every)
    with _open(path) as file:
        export.write_to(lambda text: file.write(text.encode()))
    return path


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    """Open the document for writing, wherever it goes, under a temporary name until it is whole."""
    suffix = path.suffix.lower()
    target = path if suffix in (".zip", ".xml") else path / _MEMBER
    if target is not path:
        target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        if suffix == ".zip":
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                archive.writestr("apple_health_export/export_cda.xml", "<ClinicalDocument/>\n")
                with archive.open(_MEMBER, "w", force_zip64=True) as file:
                    yield file
        else:
            with temporary.open("wb") as plain:
                yield plain


class _Export:
    def __init__(
        self,
        recording: pd.DataFrame,
        rng: np.random.Generator,
        zone: str,
        beats_every: float,
        energy_every: int,
    ) -> None:
        self.rng, self.beats_every, self.energy_every = rng, beats_every, energy_every
        self.heart = recording["heart_rate"].to_numpy()
        self.steps = recording["steps"].to_numpy()
        self.energy = recording["calories"].to_numpy()
        self.asleep = recording["sleep_asleep"].to_numpy()
        self.worn = ~np.isnan(self.steps)
        self.minutes = len(recording)
        self.days = self.minutes // 1440
        start = pd.Timestamp("2024-03-11")
        first = int(start.value // 60_000_000_000)
        clock = as_zone(zone)
        first -= int(offsets(np.array([first]), clock)[0])  # midnight there
        absolute = first + np.arange(self.minutes + 2 * 1440)
        shown = offsets(absolute, clock)
        wall = pd.DatetimeIndex(((absolute + shown) * 60).astype("M8[s]"))
        self.shown = wall.strftime("%Y-%m-%d %H:%M:").tolist()
        self.offset = [f" {'-' if m < 0 else '+'}{abs(m) // 60:02d}{abs(m) % 60:02d}" for m in shown.tolist()]
        self.bouts = _runs(np.nan_to_num(self.steps) > 0)

    def write_to(self, write: Write) -> None:
        """Write the document."""
        date = self.at(60 * self.minutes)
        write('<?xml version="1.0" encoding="UTF-8"?>\n' + _DOCUMENT_TYPE)
        write(f'<HealthData locale="en_US" simulated="true">\n <ExportDate value="{date}"/>\n')
        write(' <Me HKCharacteristicTypeIdentifierBiologicalSex="HKBiologicalSexNotSet"/>\n')
        for part in (self._heart, self._steps, self._flights, self._energy, self._sleep, self._night):
            part(write)
        self._workouts(write)
        write("</HealthData>\n")

    def at(self, second: int) -> str:
        """Return the time so many seconds after the start, as an export shows it."""
        minute, rest = divmod(int(second), 60)
        return f"{self.shown[minute]}{rest:02d}{self.offset[minute]}"

    def record(
        self,
        kind: str,
        value: object,
        start: int,
        end: int,
        unit: str | None = None,
        by: str = _WATCH,
        inside: str = "",
    ) -> str:
        """Return one record."""
        source = by.format(pointer=0x280000000 + (start % 97) * 64)
        unit = "" if unit is None else f' unit="{unit}"'
        begin, finish = self.at(start), self.at(end)
        text = (
            f' <Record type="{kind}" {source}{unit} creationDate="{finish}" startDate="{begin}" '
            f'endDate="{finish}" value="{value}"'
        )
        return f"{text}>\n{inside} </Record>\n" if inside else f"{text}/>\n"

    def _heart(self, write: Write) -> None:
        motion = '  <MetadataEntry key="HKMetadataKeyHeartRateMotionContext" value="0"/>\n'
        dense = np.zeros(self.minutes, bool)
        for first, last in self._sessions():
            dense[first:last] = True
        second = int(self.rng.integers(0, 60))
        gaps = self.rng.uniform(0.7, 1.3, 4096) * self.beats_every
        count = 0
        while second < 60 * self.minutes:
            beats = self.heart[second // 60]
            if beats == beats:
                kind = "HKQuantityTypeIdentifierHeartRate"
                write(self.record(kind, f"{beats:g}", second, second, "count/min", inside=motion))
            count += 1
            second += 5 if dense[second // 60] else max(int(gaps[count % 4096]), 1)

    def _steps(self, write: Write) -> None:
        steps, distance = (
            f"HKQuantityTypeIdentifier{kind}" for kind in ("StepCount", "DistanceWalkingRunning")
        )
        carried = self.rng.random(len(self.bouts)) < 0.7
        for source, on in ((_PHONE, carried), (_WATCH, np.ones(len(self.bouts), bool))):
            factor = 0.97 if source is _PHONE else 1.0
            for kind, unit in ((steps, "count"), (distance, "km")):
                for (first, last), wanted in zip(self.bouts, on, strict=True):
                    for low in range(first, last, 8) if wanted else ():
                        high = min(low + 8, last)
                        count = round(float(self.steps[low:high].sum()) * factor)
                        shift = (low * 7) % 40 if source is _PHONE else (low * 11) % 30
                        value: Any = count if kind == steps else f"{count * 0.00072:.5f}"
                        write(
                            self.record(kind, value, 60 * low + shift, 60 * high + shift // 2, unit, source)
                        )

    def _flights(self, write: Write) -> None:
        for first, _ in self.bouts[::9]:
            start = 60 * first + 20
            write(
                self.record("HKQuantityTypeIdentifierFlightsClimbed", 1, start, start + 14, "count", _PHONE)
            )

    def _energy(self, write: Write) -> None:
        basal = np.nanmin(self.energy)
        step = self.energy_every
        for kind, amounts in (
            ("ActiveEnergyBurned", np.clip(self.energy - 1.2 * basal, 0, None)),
            ("BasalEnergyBurned", np.where(self.worn, basal, np.nan)),
        ):
            for low in range(0, self.minutes - step, step):
                amount = amounts[low : low + step].sum()
                if amount > 0:
                    start = 60 * low + low % 50
                    name = f"HKQuantityTypeIdentifier{kind}"
                    write(self.record(name, f"{amount:.3f}", start, start + 60 * step, "kcal"))

    def _sleep(self, write: Write) -> None:
        kind, stage = "HKCategoryTypeIdentifierSleepAnalysis", "HKCategoryValueSleepAnalysis"
        zone = '  <MetadataEntry key="HKTimeZone" value="America/New_York"/>\n'
        nights = [(low, high) for low, high in _runs(self.asleep == 1, bridge=60) if high - low > 120]
        for low, high in nights:
            start, end = max(60 * low - 600, 0), 60 * high + 300
            write(self.record(kind, f"{stage}InBed", start, end, by=_PHONE))
        for low, high in nights:
            for first, last in _runs(self.asleep[low:high] == 1):
                begin, end = low + first, low + last
                for at in range(begin, end, 35):
                    name = ("AsleepCore", "AsleepDeep", "AsleepCore", "AsleepREM")[(at - low) // 35 % 4]
                    write(
                        self.record(
                            kind, stage + name, 60 * at, 60 * min(at + 35, end), by=_WATCH, inside=zone
                        )
                    )
                following = self.asleep[end] if end < self.minutes else np.nan
                if following == 0 and end < high:
                    wakes = end + int(np.argmax(self.asleep[end:high] == 1))
                    write(self.record(kind, f"{stage}Awake", 60 * end, 60 * wakes, by=_WATCH))

    def _night(self, write: Write) -> None:
        quantity = "HKQuantityTypeIdentifier"
        for minute in range(90, self.minutes - 2, 240):
            if self.worn[minute]:
                value, at = f"{self.rng.gamma(12, 4):.4f}", 60 * minute
                beats = "  <HeartRateVariabilityMetadataList>\n  </HeartRateVariabilityMetadataList>\n"
                kind = f"{quantity}HeartRateVariabilitySDNN"
                write(self.record(kind, value, at, at + 60, "ms", inside=beats))
                share = f"{min(self.rng.normal(0.97, 0.01), 1):.2f}"
                write(self.record(f"{quantity}OxygenSaturation", share, at + 300, at + 315, "%"))
        for low, high in _runs(self.asleep == 1, bridge=60):
            if high - low > 120:
                for minute in range(low, high - 5, 12):
                    rate, at = f"{self.rng.normal(14, 1):g}", 60 * minute
                    write(self.record(f"{quantity}RespiratoryRate", rate, at, at + 60, "count/min"))
                degrees = f"{self.rng.normal(34.6, 0.4):.4f}"
                kind = f"{quantity}AppleSleepingWristTemperature"
                write(self.record(kind, degrees, 60 * low, 60 * high, "degC"))
        correlated = self.record(f"{quantity}BodyTemperature", 36.8, 60, 60, "degC", _PHONE)
        write(correlated)
        source = _PHONE.format(pointer=1)
        when = f'creationDate="{self.at(60)}" startDate="{self.at(60)}" endDate="{self.at(60)}"'
        kind = "HKCorrelationTypeIdentifierFood"
        write(f' <Correlation type="{kind}" {source} {when}>\n {correlated} </Correlation>\n')

    def _sessions(self) -> list[tuple[int, int]]:
        return [(low, high) for low, high in self.bouts if high - low >= 20]

    def _workouts(self, write: Write) -> None:
        for low, high in self._sessions():
            kind = "Running" if self.steps[low:high].mean() > 130 else "Walking"
            start, end = self.at(60 * low + 12), self.at(60 * high - 9)
            source = _WATCH.format(pointer=0x2811)
            burnt = np.clip(self.energy[low:high] - 1, 0, None).sum()
            write(
                f' <Workout workoutActivityType="HKWorkoutActivityType{kind}" '
                f'duration="{high - low - 0.35:.2f}" durationUnit="min" {source} '
                f'creationDate="{end}" startDate="{start}" endDate="{end}">\n'
                '  <MetadataEntry key="HKIndoorWorkout" value="0"/>\n'
                f'  <WorkoutStatistics type="HKQuantityTypeIdentifierActiveEnergyBurned" startDate="{start}" '
                f'endDate="{end}" sum="{burnt:.2f}" unit="kcal"/>\n </Workout>\n'
            )


def _runs(flags: np.ndarray, bridge: int = 0) -> list[tuple[int, int]]:
    """Return first and last + 1 of the runs of True, taken together where at most `bridge` lie between."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    runs: list[tuple[int, int]] = []
    for low, high in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if runs and low - runs[-1][1] <= bridge:
            runs[-1] = (runs[-1][0], high)
        else:
            runs.append((low, high))
    return runs
