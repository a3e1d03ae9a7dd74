"""What embeddings of days tell of what was recorded: features made by hand, by ridge regression.

    python benchmarks/told.py --data ../shared/data --split valid --out docs/results/told-valid.md

The regressions are fitted on days of train people, inside each data set, and scored on days of people of
another part of the split; no labels are needed, so there are enough days to tell embeddings apart. Shown are
means over features of the share of the variance told, each not below -1. --model LABEL=CHECKPOINT adds
models; with `test`, enter the run in docs/test-log.md.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lsm2
from lsm2.channels import Schema
from lsm2.days import read_days
from lsm2.evaluation.evaluate import machine
from lsm2.evaluation.features import hand_made
from lsm2.evaluation.recordings import Recordings, read_recordings
from lsm2.files import replacing
from lsm2.training import PretrainConfig

ROOT = Path(__file__).resolve().parent.parent
MOST_DAYS = 8
FEWEST = 40
"""Days of train people, and half as many of the others, for a feature to count."""
KINDS = {
    "level": ("mean", "q5", "q25", "q50", "q75", "q95"),
    "spread": ("sd", "jump"),
    "day": ("cosinor_mesor", "least_5h", "most_10h"),
    "rhythm": ("cosinor_amplitude", "cosinor_cos", "cosinor_sin", "relative_amplitude"),
}
Float = npt.NDArray[np.float64]


def kind_of(feature: str) -> str | None:
    """What a feature is about; None for what is not asked."""
    if feature.startswith("mean ") and feature.endswith("h"):
        return "hour"
    return next((kind for kind, names in KINDS.items() if feature in names), None)


def tables(recordings: Recordings, models: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, Float]]:
    """Features made by hand and embeddings of the same days."""
    days = recordings.take(recordings.draw_days(MOST_DAYS, seed=0))
    frame = days.frame().dropna(how="all")
    recorded = [name for name in days.names if frame[name].notna().any()]
    if not recorded:
        return pd.DataFrame(), {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        features = hand_made(read_days(frame, Schema.from_names(recorded)), "day")
        return features, {
            name: model.embed(frame, progress=False).to_numpy(float) for name, model in models.items()
        }


def told(x: Float, y: Float, other_x: Float, other_y: Float) -> float:
    """Share of the variance of ``other_y`` that a ridge regression fitted on ``y`` tells from embeddings."""
    low, high = np.quantile(y, [0.01, 0.99])
    y, other_y = y.clip(low, high), other_y.clip(low, high)
    if np.var(y) < 1e-12 or np.var(other_y) < 1e-12:
        return np.nan
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 11))).fit(x, y)
    left = np.mean((model.predict(other_x) - other_y) ** 2)
    return max(-1.0, 1 - float(left / np.var(other_y)))


def measure(config: PretrainConfig, directory: Path, split: Any, models: dict[str, Any]) -> pd.DataFrame:
    """``dataset, channel, feature, kind, days, people`` and a column for each model."""
    rows: list[dict[str, Any]] = []
    theirs = {one.dataset: one for one in read_recordings(config, directory, split)}
    for train in read_recordings(config, directory, "train"):
        others = theirs.get(train.dataset)
        if others is None:
            continue
        (features, x), (other_features, other_x) = tables(train, models), tables(others, models)
        for column in features.columns.intersection(other_features.columns):
            channel, feature = column.split(" ", 1)
            kind = kind_of(feature)
            y, other_y = (table[column].to_numpy(float) for table in (features, other_features))
            there, other_there = (
                np.isfinite(values) & np.all([np.isfinite(e).all(axis=1) for e in embedded.values()], axis=0)
                for values, embedded in ((y, x), (other_y, other_x))
            )
            if kind is None or there.sum() < FEWEST or other_there.sum() < FEWEST / 2:
                continue
            people = len(other_features.index[other_there].unique(0))
            row = {"dataset": train.dataset, "channel": channel, "feature": feature, "kind": kind}
            row |= {"days": int(other_there.sum()), "people": people}
            for name in models:
                row[name] = told(x[name][there], y[there], other_x[name][other_there], other_y[other_there])
            rows.append(row)
        print(f"{train.dataset}: {len(train)} and {len(others)} days", file=sys.stderr)
    return pd.DataFrame(rows)


def page(found: pd.DataFrame, models: dict[str, Any], asked: str, split: str, seconds: float) -> str:
    """The tables as Markdown; ``asked`` are the arguments that name models."""
    checkpoints = ", ".join(f"{name} `{model.hash}`" for name, model in models.items())
    lines = [
        "# What embeddings of days tell",
        "",
        f"`python benchmarks/told.py --data ../shared/data --split {split}{asked}`, {datetime.date.today()}, "
        f"{machine()}, {seconds:.0f} s. {checkpoints}.",
        "",
        "Ridge regressions from embeddings to features made by hand, fitted on days of train people of the "
        f"same data set, scored on days of {split} people: share of the variance told, mean over features "
        "(each not below -1). *level*: mean and quantiles; *spread*: standard deviation and jumps; *day*: "
        "mesor, least 5 and most 10 hours; *rhythm*: the cosinor, relative amplitude; *hour*: the means of "
        "24 hours.",
        "",
    ]
    names = list(models)
    for title, by in (
        ("By kind", ["kind"]),
        ("By data set, channel and kind", ["dataset", "channel", "kind"]),
    ):
        table = found.groupby(by, sort=True)[names].mean()
        sizes = found.groupby(by, sort=True)[["people", "days"]].max()
        lines += [f"## {title}", "", "| " + " | ".join([*by, "people", "days", *names]) + " |"]
        lines += ["|" + " --- |" * (len(by) + 2 + len(names))]
        for key, row in table.iterrows():
            size = sizes.loc[key]
            key = key if isinstance(key, tuple) else (key,)
            cells = [*map(str, key), str(size["people"]), str(size["days"]), *(f"{v:.2f}" for v in row)]
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("--config", type=Path, default=ROOT / "lsm2" / "training" / "lsm2-small.json")
    parser.add_argument("--model", action="append", default=[], metavar="[LABEL=]MODEL")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    began = datetime.datetime.now()
    models = {}
    for given in options.model or ["lsm2-small"]:
        label, _, name = given.rpartition("=")
        models[label or name] = lsm2.load_model(name)
    found = measure(PretrainConfig.read(options.config), options.data, options.split, models)
    asked = "".join(f" --model {given}" for given in options.model)
    text = page(found, models, asked, options.split, (datetime.datetime.now() - began).total_seconds())
    with replacing(options.out) as temporary:
        temporary.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
