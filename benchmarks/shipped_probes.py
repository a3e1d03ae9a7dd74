"""Fit the probes that come with a checkpoint, on train and valid people, and write their cards.

    python benchmarks/shipped_probes.py --data ../shared/data --ship lsm2/weights/lsm2-small

`sleep`: asleep or awake, per token, from heart rate, steps and intensity. `activity`: lying, sitting,
standing, walking or sleeping, per window. `age`, per participant, from activity counts. Each is written only
if its out-of-fold AUROC (or r) is above that of a probe that sees missingness alone, in all but 2.5 % of the
bootstrap draws of people. Test people are scored once, by the probes as written; enter that in
docs/test-log.md. --only names the probes to fit.
"""

from __future__ import annotations

import argparse
import datetime
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import lsm2
from lsm2.channels import Schema
from lsm2.checkpoint.native import replacing
from lsm2.days import read_days
from lsm2.evaluation.features import hand_made_of_events
from lsm2.evaluation.probes import MISSINGNESS, features_of, read_task
from lsm2.evaluation.probing import Features, Rows, out_of_fold
from lsm2.evaluation.tasks import SLOT, TASKS, shift
from lsm2.probe import scores
from lsm2.probe.linear import Recipe
from lsm2.training import PretrainConfig
from lsm2.training.sources import Split, load_source, split_people

ROOT = Path(__file__).resolve().parent.parent
SLEEP_CHANNELS = ["heart_rate", "steps", "intensity"]
ACTIVITY_CHANNELS = [f"{where}_acceleration{what}" for where in ("watch", "phone") for what in ("", "_sd")]
MOST_DAYS = 6
"""Of a person, for sleep: days are many, people few."""


@dataclass(frozen=True)
class Labelled:
    """Recordings and labelled windows of ten minutes."""

    recordings: pd.DataFrame
    labels: pd.DataFrame
    """``participant_id, start, end, label``."""


def read(config: PretrainConfig, directory: Path, name: str, splits: tuple[Split, ...]) -> pd.DataFrame:
    """Recordings of the people of some splits of a source."""
    source = next(source for source in config.sources if source.name == name)
    people: Any = [person for split in splits for person in split_people(source, config, directory, split)]
    return load_source(source, directory, people)


def fitbit_sleep(config: PretrainConfig, directory: Path, splits: tuple[Split, ...]) -> Labelled:
    """Days with a sleep log, which is no channel; a label where five minutes of ten or more have one."""
    frame = read(config, directory, "fitbit_mobius", splits)
    frame = frame.assign(participant_id=frame["participant_id"].astype(str))
    date = frame["timestamp"].dt.normalize()
    logged = frame.groupby(["participant_id", date])["sleep_asleep"].transform("max") == 1
    frame, date = frame[logged], date[logged]
    pairs = pd.DataFrame({"participant_id": frame["participant_id"], "date": date}).drop_duplicates()
    drawn = pairs.sample(frac=1, random_state=0).groupby("participant_id").head(MOST_DAYS)
    kept = pd.MultiIndex.from_frame(drawn)
    frame = frame[pd.MultiIndex.from_arrays([frame["participant_id"], date]).isin(kept)]
    slots = frame.assign(start=frame["timestamp"].dt.floor(f"{SLOT}min"))
    by_slot = slots.groupby(["participant_id", "start"])["sleep_asleep"].agg(["mean", "count"])
    by_slot = by_slot[by_slot["count"] >= SLOT // 2].reset_index()
    labels = by_slot[["participant_id", "start"]].assign(
        end=by_slot["start"] + pd.Timedelta(minutes=SLOT),
        label=np.where(by_slot["mean"] >= 0.5, "asleep", "awake"),
    )
    return Labelled(frame[["participant_id", "timestamp", *SLEEP_CHANNELS]], labels)


def task(config: PretrainConfig, directory: Path, name: str, splits: tuple[Split, ...]) -> Labelled:
    """Recordings and labels of a task."""
    found = TASKS[name]
    frame = read(config, directory, found.dataset, splits)
    frame = frame.assign(participant_id=frame["participant_id"].astype(str))
    labels = found.read(directory)
    labels = labels[labels["participant_id"].isin(frame["participant_id"])].reset_index(drop=True)
    if found.shifted:
        frame, labels = shift(frame, ("timestamp",)), shift(labels, ("start", "end"))
        labels["start"] = labels["start"].dt.round(f"{SLOT}min")
        labels["end"] = labels["start"] + pd.Timedelta(minutes=SLOT)
    known = [c for c in (*SLEEP_CHANNELS, *ACTIVITY_CHANNELS) if c in frame]
    return Labelled(frame[["participant_id", "timestamp", *known]], labels)


def together(*parts: Labelled) -> Labelled:
    recordings, labels = (
        pd.concat([getattr(part, what) for part in parts], ignore_index=True)
        for what in ("recordings", "labels")
    )
    return Labelled(recordings, labels.drop_duplicates(["participant_id", "start"]))


def from_missingness(labelled: Labelled) -> tuple[np.ndarray, Rows]:
    """Out-of-fold probabilities from the observed shares of each channel in the window alone."""
    channels = [c for c in labelled.recordings if c not in ("participant_id", "timestamp")]
    days = read_days(labelled.recordings, Schema.from_names(channels))
    shares = hand_made_of_events(days, labelled.labels).filter(like=" observed").fillna(0)
    names, y = np.unique(labelled.labels["label"], return_inverse=True)
    people = np.unique(labelled.labels["participant_id"], return_inverse=True)[1]
    rows = Rows(y.astype(np.int64), people.astype(np.int64), Recipe(len(names)))
    return out_of_fold(Features(shares.to_numpy(np.float64)), rows, repeats=1)[""], rows


def by_window(oof: pd.DataFrame, labels: pd.DataFrame, time: str, classes: list[str]) -> np.ndarray:
    """Out-of-fold probabilities of the labelled windows: means over the tokens of each; NaN without one."""
    means = oof.groupby(["participant_id", time])[[f"p_{name}" for name in classes]].mean()
    wanted = pd.MultiIndex.from_frame(labels[["participant_id", "start"]])
    return means.set_axis(means.index.set_names(wanted.names)).reindex(wanted).to_numpy()


def shown(numbers: dict[str, Any]) -> str:
    return f"{numbers['value']:.3f} [{numbers['low']:.3f}, {numbers['high']:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="directory of the parquet and split files")
    parser.add_argument("--ship", type=Path, required=True, help="the checkpoint's folder")
    parser.add_argument("--config", type=Path, default=ROOT / "lsm2" / "training" / "lsm2-small.json")
    parser.add_argument("--only", nargs="+", choices=("sleep", "activity", "age"))
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    config, model = PretrainConfig.read(options.config), lsm2.load_model(options.ship)

    def sleep(splits: tuple[Split, ...]) -> Labelled:
        return together(
            task(config, options.data, "sleep", splits), fitbit_sleep(config, options.data, splits)
        )

    def activity(splits: tuple[Split, ...]) -> Labelled:
        return task(config, options.data, "activity", splits)

    wanted = options.only or ["sleep", "activity", "age"]
    if "age" in wanted:
        ship_age(config, options.data, model, options.ship)
    for name, labelled_of in (("sleep", sleep), ("activity", activity)):
        if name not in wanted:
            continue
        labelled, test = labelled_of(("train", "valid")), labelled_of(("test",))
        if name == "sleep":
            labels = labelled.labels.rename(columns={"start": "timestamp"}).drop(columns="end")
            probe = lsm2.fit_probe(
                labelled.recordings, labels, label="label", level="token", model=model, progress=False
            )
            time = "timestamp"
        else:
            probe = lsm2.fit_probe(
                labelled.recordings, labelled.labels, label="label", model=model, progress=False
            )
            time = "start"
        classes = [str(one) for one in probe.classes_]
        found = probe.oof_.reset_index()
        found["participant_id"] = found["participant_id"].astype(str)
        ours = by_window(found, labelled.labels, time, classes)
        theirs, rows = from_missingness(labelled)
        there = ~np.isnan(ours).any(axis=1)
        people = np.unique(rows.people[there], return_inverse=True)[1]
        y = rows.y[there].astype(np.int64)
        own, other = (
            scores.bootstrap(scores.scorer(y, part[there], people), people, 0) for part in (ours, theirs)
        )
        beats = own.minus(other).intervals()["auroc"]
        windows, alone = own.intervals(), other.intervals()["auroc"]
        print(name, "AUROC of windows", shown(windows["auroc"]), "missingness", shown(alone), beats)
        if not (beats["low"] or 0) > 0:
            print(f"{name} is not clearly better than missingness alone: not written")
            continue
        predicted = predict(probe, test, name, model)
        codes = np.searchsorted(classes, test.labels["label"])
        seen = ~np.isnan(predicted).any(axis=1)
        who = np.unique(test.labels["participant_id"][seen], return_inverse=True)[1]
        tested = scores.classification(codes[seen], predicted[seen], who, 0)
        print(name, "test", {key: shown(value) for key, value in tested.items()})
        folder = probe.save(options.ship / "probes" / name)
        with replacing(folder / "README.md") as temporary:
            temporary.write_text(card(name, probe, windows, alone, tested, who.max() + 1, int(seen.sum())))


def ship_age(config: PretrainConfig, directory: Path, model: lsm2.Model, ship: Path) -> None:
    """Fit `age` on one Sunday of each person, since the number of days alone would tell it."""
    labelled = read_task(TASKS["age"], config, directory)
    age = labelled.labels.set_index("participant_id")["label"].rename("age")
    recordings, split = labelled.recordings, labelled.split.reindex(age.index)
    own, test = age[split != "test"], age[split == "test"]
    probe = lsm2.fit_probe(
        recordings, own, task="regression", level="participant", model=model, progress=False
    )
    out = probe.oof_.set_axis(probe.oof_.index.astype(str)).reindex(own.index)
    shares = features_of(labelled, {}, ())[MISSINGNESS].values[(split != "test").to_numpy()]
    people = np.arange(len(own))
    rows = Rows(own.to_numpy(float), people, Recipe(0))
    alone = out_of_fold(Features(shares), rows, repeats=1)[""]
    drawn, other = (
        scores.bootstrap(scores.scorer(rows.y, told, people), people, 0)
        for told in (out[["prediction"]].to_numpy(float), alone)
    )
    beats, missing = drawn.minus(other).intervals()["pearson_r"], other.intervals()["pearson_r"]
    fitted = drawn.intervals()
    print("age r", shown(fitted["pearson_r"]), "missingness", shown(missing), beats)
    if not (beats["low"] or 0) > 0:
        print("age is not clearly better than missingness alone: not written")
        return
    predicted = lsm2.predict(recordings, probe, model=model)["prediction"]
    predicted = predicted.set_axis(predicted.index.astype(str)).reindex(test.index)
    who = np.arange(len(test))
    tested = scores.regression(test.to_numpy(float), predicted.to_numpy(float), who, 0)
    print("age test", {key: shown(value) for key, value in tested.items()})
    kinds = {"pearson_r": "r", "mae": "mean absolute error, years", "r2": "R2"}
    lines = [
        f"| {title} | {shown(fitted[key])} | {shown(tested[key])} | {dummy(probe, key)} |"
        for key, title in kinds.items()
    ]
    folder = probe.save(ship / "probes" / "age")
    form = (Path(__file__).parent / "cards" / "probes" / "age.md").read_text()
    text = form.format(
        checkpoint=probe.checkpoint,
        people=len(own),
        youngest=f"{own.min():.0f}",
        oldest=f"{own.max():.0f}",
        scores="\n".join(lines),
        missingness=shown(missing),
        test_people=len(test),
        date=datetime.date.today().isoformat(),
    )
    with replacing(folder / "README.md") as temporary:
        temporary.write_text(text)


def dummy(probe: lsm2.Probe, score: str) -> str:
    """What the mean of all people would score."""
    value = probe.metrics_[score]["dummy"]
    return "-" if value is None else f"{value:.3f}"


def predict(probe: lsm2.Probe, test: Labelled, name: str, model: lsm2.Model) -> np.ndarray:
    """Probabilities of the labelled windows of test people."""
    columns = [f"p_{one}" for one in probe.classes_]
    if name == "activity":
        events = test.labels[["participant_id", "start", "end"]]
        return lsm2.predict(test.recordings, probe, events=events, model=model)[columns].to_numpy(float)
    tokens = lsm2.predict(test.recordings, probe, model=model).reset_index()
    return by_window(tokens, test.labels, "timestamp", [str(one) for one in probe.classes_])


def card(
    name: str,
    probe: lsm2.Probe,
    windows: dict[str, Any],
    missing: dict[str, Any],
    tested: dict[str, Any],
    people: int,
    rows: int,
) -> str:
    """The probe's card, from its form and its numbers."""
    form = (Path(__file__).parent / "cards" / "probes" / f"{name}.md").read_text()
    classes = probe.metrics_["classes"]
    counts = [f"| {one} | {n['rows']} | {n['people']} |" for one, n in classes.items()]
    kinds = {"auroc": "AUROC", "macro_f1": "macro F1", "balanced_accuracy": "balanced accuracy"}
    lines = [
        f"| {title} | {shown(windows[key])} | {shown(tested[key])} | {probe.metrics_[key]['dummy']:.3f} |"
        for key, title in kinds.items()
    ]
    return form.format(
        checkpoint=probe.checkpoint,
        people=probe.metrics_["people"],
        classes="\n".join(counts),
        scores="\n".join(lines),
        missingness=shown(missing),
        test_people=people,
        test_rows=rows,
        date=datetime.date.today().isoformat(),
    )


if __name__ == "__main__":
    main()
