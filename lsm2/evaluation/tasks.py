"""Tasks that embeddings are probed on: open recordings and their labels, each inside one data set."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

Kind = Literal["classification", "regression"]
SLOT = 10
"""Minutes of a labelled window."""
_MOST_SHIFT = 6 * 60
_SUNDAY = 6
_STAGES = {"wake": "wake", "n1": "light", "n2": "light", "n3": "deep", "n4": "deep", "rem": "rem"}
_ACTIVITIES = {
    "sleeping": "sleeping",
    "lying_down": "lying",
    "sitting": "sitting",
    "standing": "standing",
    "walking": "walking",
}


@dataclass(frozen=True)
class Task:
    """What is to be told from the recordings of one data set."""

    name: str
    dataset: str
    """Name of the source in the pretraining config."""
    level: Literal["participant", "window"]
    kind: Kind
    read: Callable[[Path], pd.DataFrame]
    """Directory -> ``participant_id`` and ``label``, for windows also ``start`` and ``end``."""
    weekday: int | None = None
    """Only this day of the week (0 is Monday), where how many days there are would tell the label."""
    without: tuple[str, ...] = ()
    """Channels that hold the label."""
    shifted: bool = False
    """The publisher made up the time of day: recordings and windows are moved by hours drawn per person."""


def _column(
    dataset: str, column: str, classes: dict[object, str] | None = None
) -> Callable[[Path], pd.DataFrame]:
    """Labels of participants from a column of their table; classes that are not named are left out."""

    def read(directory: Path) -> pd.DataFrame:
        table = pd.read_csv(directory / f"{dataset}_participants.csv", dtype={"participant_id": str})
        label = table[column] if classes is None else table[column].map(classes)
        return pd.DataFrame({"participant_id": table["participant_id"], "label": label}).dropna()

    return read


def _windows(dataset: str, classes: dict[str, str]) -> Callable[[Path], pd.DataFrame]:
    """Labels of slots of ten minutes: the class that covers most of it, and five minutes or more.

    Where classes overlap, that which ``classes`` names first counts: who sleeps also lies.
    """

    def read(directory: Path) -> pd.DataFrame:
        events = pd.read_parquet(directory / f"{dataset}_events.parquet")
        events = events[events["label"].isin(classes)]
        order = {label: at for at, label in enumerate(classes)}
        minutes = pd.DataFrame(
            {
                "participant_id": events["participant_id"].astype(str),
                "minute": [
                    np.arange(start, end)
                    for start, end in zip(
                        events["start"].to_numpy("datetime64[m]").astype(np.int64),
                        events["end"].to_numpy("datetime64[m]").astype(np.int64),
                        strict=True,
                    )
                ],
                "order": events["label"].map(order),
                "label": events["label"].map(classes),
            }
        ).explode("minute")
        minutes = minutes.dropna().sort_values("order", kind="stable")
        minutes = minutes.drop_duplicates(["participant_id", "minute"])
        slots = minutes.assign(slot=minutes["minute"].astype(np.int64) // SLOT)
        counted = (
            slots.groupby(["participant_id", "slot", "label"], sort=True).size().reset_index(name="count")
        )
        most = counted.sort_values("count", kind="stable").drop_duplicates(
            ["participant_id", "slot"], keep="last"
        )
        most = most[most["count"] >= SLOT // 2].sort_values(["participant_id", "slot"])
        start = pd.DatetimeIndex(most["slot"].to_numpy(np.int64) * SLOT * 60_000_000_000)
        return pd.DataFrame(
            {
                "participant_id": most["participant_id"].to_numpy(),
                "start": start,
                "end": start + pd.Timedelta(minutes=SLOT),
                "label": most["label"].to_numpy(),
            }
        )

    return read


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            "depression",
            "depresjon",
            "participant",
            "classification",
            _column(
                "depresjon",
                "diagnosis",
                {"depression (unipolar or bipolar)": "depression", "control": "control"},
            ),
        ),
        Task(
            "adhd",
            "hyperaktiv",
            "participant",
            "classification",
            _column("hyperaktiv", "adhd", {1: "adhd", 0: "no adhd"}),
        ),
        Task(
            "age",
            "nhanes_2003_2006_sample",
            "participant",
            "regression",
            _column("nhanes_2003_2006_sample", "age"),
            _SUNDAY,
        ),
        Task(
            "sex",
            "nhanes_2003_2006_sample",
            "participant",
            "classification",
            _column("nhanes_2003_2006_sample", "sex", {"F": "F", "M": "M"}),
            _SUNDAY,
        ),
        Task(
            "bmi",
            "nhanes_2003_2006_sample",
            "participant",
            "regression",
            _column("nhanes_2003_2006_sample", "bmi"),
            _SUNDAY,
        ),
        Task(
            "blood_pressure",
            "nhanes_2003_2006_sample",
            "participant",
            "classification",
            _column(
                "nhanes_2003_2006_sample", "measured_bp_140_90", {"yes": "140/90 or more", "no": "below"}
            ),
            _SUNDAY,
        ),
        Task("bmi_cgmacros", "cgmacros", "participant", "regression", _column("cgmacros", "bmi")),
        Task("hba1c", "cgmacros", "participant", "regression", _column("cgmacros", "a1c_pct")),
        Task(
            "diabetes",
            "cgmacros",
            "participant",
            "classification",
            _column(
                "cgmacros",
                "diabetes_group_by_a1c",
                {"type 2 diabetes": "type 2", "prediabetes": "no", "healthy": "no"},
            ),
        ),
        Task(
            "sleep",
            "sleep_accel",
            "window",
            "classification",
            _windows("sleep_accel", {stage: "awake" if stage == "wake" else "asleep" for stage in _STAGES}),
            without=("sleep_asleep",),
            shifted=True,
        ),
        Task(
            "sleep_stage",
            "sleep_accel",
            "window",
            "classification",
            _windows("sleep_accel", _STAGES),
            without=("sleep_asleep",),
            shifted=True,
        ),
        Task("activity", "extrasensory", "window", "classification", _windows("extrasensory", _ACTIVITIES)),
    )
}


def shift(frame: pd.DataFrame, columns: tuple[str, ...], seed: int = 0) -> pd.DataFrame:
    """Move times by up to six hours either way, the same for all rows of a participant.

    Args:
        frame: With ``participant_id`` and the columns.
        columns: Naive times.
        seed: Of the draws, which do not depend on who else is there.
    """
    people = frame["participant_id"].astype(str)
    hours = {
        person: int(
            np.random.default_rng([seed, zlib.crc32(person.encode())]).integers(-_MOST_SHIFT, _MOST_SHIFT + 1)
        )
        for person in people.unique()
    }
    by = pd.to_timedelta(people.map(hours), unit="m")
    return frame.assign(**{column: frame[column] + by for column in columns})
