"""Coverage and width of intervals on people who were left out of the calibration, as a Markdown page.

    python benchmarks/intervals.py --data ../shared/data --out docs/results/intervals-valid.md
    python benchmarks/intervals.py --data ../shared/data --split test --out docs/results/intervals-test.md

Hides gaps in recordings and fills them with the model and by linear interpolation. Of valid people:
calibrates intervals around both on four fifths of the people and scores them on the others; ``--ship FOLDER``
also writes a provisional calibration on all of them into a checkpoint's folder. Of test people: scores the
calibration that the checkpoint holds, beside one around linear interpolation of train and valid people.
"""

from __future__ import annotations

import argparse
import datetime
import os
import shlex
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

import lsm2
from lsm2.days import DAY, Days, read_days
from lsm2.evaluation.recordings import read_recordings
from lsm2.intervals import Residuals, collect, fit, interpolation
from lsm2.intervals.calibration import ChannelCalibration
from lsm2.intervals.correlation import draw, spread_of_sum, stationary
from lsm2.intervals.fit import fit_channel
from lsm2.intervals.tables import LEVELS as NODES
from lsm2.intervals.tables import Minutes, Table
from lsm2.intervals.totals import Totals
from lsm2.training.config import PretrainConfig
from lsm2.training.sources import Split

ROOT = Path(__file__).resolve().parent.parent
LEVELS = (0.5, 0.8, 0.9, 0.95)
GAPS = ((1, 10), (11, 60), (61, 360), (361, 2880))
_NEVER = "never recorded"
_FOLDS = 5
_SAMPLES = 40
_DRAWS = 1000
_BY = {
    "valid": "Each person is scored by a calibration on others (five folds).",
    "test": "Scored by the calibration that comes with the checkpoint.",
}
_PREFACE = """\
Coverage in percent and mean width in the
channel's own unit, averaged per person, then over people, with a 95 % bootstrap interval over people
(1,000 draws). A value that equals a bound counts as covered. *Ties split*: zeros of counts count as
drawn from the range of levels that they share, so that a calibrated forecast gives the nominal figure.
*Linear*: intervals made the same way around linear interpolation, on the same gaps. *never recorded*:
the channel is missing on all days of the person; `all` leaves those out. Binary channels: bounds of the
probability, which do not count as covering 0 or 1."""
_PREFACE_OF_SUMS = f"""\
The day's own bounds (`summary="day"`), not sums of minute bounds; and the share of truths whose rank
among {_SAMPLES} completions (`n_samples=`) lies in the central 50, 80, 90, 95 %. *filled / true* and
*drawn / true*: sums of means and of completions over all hidden minutes against the truth.
Channels never recorded are left out."""


def frame_of_people(config: PretrainConfig, directory: Path, *splits: Split) -> pd.DataFrame:
    """Worn minutes of all people of the splits, canonical units, participants named by data set."""
    parts = []
    for recordings in (part for split in splits for part in read_recordings(config, directory, split)):
        frame = recordings.frame().dropna(how="all").reset_index()
        frame["participant_id"] = recordings.dataset + "/" + frame["participant_id"].astype(str)
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def gap_class(residuals: Residuals) -> np.ndarray:
    """Name of the length of the gap that each minute is in."""
    cells = residuals.cells
    length = np.where(np.isfinite(cells.before + cells.after), cells.before + cells.after - 1, GAPS[-1][1])
    names = np.array([f"{low} to {high}" for low, high in GAPS[:-1]] + [f"over {GAPS[-1][0] - 1}"], object)
    chosen = names[np.searchsorted([high for _, high in GAPS], length, side="left").clip(0, len(GAPS) - 1)]
    return np.where(np.isinf(cells.distance), _NEVER, chosen)


def score_by_others(
    residuals: Residuals, model: lsm2.Model, position: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score each fifth of the people by a calibration of one channel on the others."""
    channel, constants = model.schema.channels[position], model.config.network.normalisation[position]
    mine = residuals.take(residuals.cells.channel == position)
    people, who = np.unique(mine.person, return_inverse=True)
    fold = np.random.default_rng(1).permutation(len(people))[who] % _FOLDS
    scored = [
        score(mine.take(fold == left), fit_channel(mine.take(fold != left), channel, constants))
        for left in np.unique(fold)
    ]
    minutes, sums = zip(*scored, strict=True)
    return pd.concat(minutes), pd.concat(sums)


def score(
    part: Residuals, calibration: tuple[ChannelCalibration, Table, Totals]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row per person and gap length, of minutes: coverage and width; and one per person, of sums."""
    facts, table, totals = calibration
    where = table.where(Minutes.of(part.cells, part.mean, np.arange(len(part))))
    scored = pd.DataFrame({"person": part.person, "gap": gap_class(part), "minutes": 1})
    rank = table.rank(part.truth, where, np.random.default_rng(2).random(len(part)))
    nominal = np.interp(rank, [0, *table.corrected, 1], [0, *NODES, 1])
    for level in LEVELS:
        low, high = table.interval(level, where)
        low, high = np.minimum(low, part.mean), np.maximum(high, part.mean)
        scored[f"covered {level}"] = (part.truth >= low - 1e-6) & (part.truth <= high + 1e-6)
        scored[f"width {level}"] = high - low
        scored[f"split {level}"] = np.abs(nominal - 0.5) <= level / 2
    groups = scored.groupby(["person", "gap"])
    minutes = groups.agg("mean").assign(minutes=groups.size())
    seen = np.isfinite(part.cells.distance)  # interpolation has no answer for the others
    sums = score_sums(part.take(seen), facts, table, totals, where.take(seen))
    return minutes.reset_index(), sums.reset_index()


def score_sums(part: Residuals, facts: Any, table: Any, totals: Any, where: Any) -> pd.DataFrame:
    """Per person: coverage of sums over the gaps of a day, by their own bounds and by drawn completions."""
    _, gap = np.unique(part.gap, return_inverse=True)
    count = np.bincount(gap)
    person = np.zeros(len(count), np.int64)
    person[gap] = part.person
    spread = (
        np.sqrt(np.maximum(part.mean * (1 - part.mean), 1e-6)) if facts.binary else where.mix(table.spread)
    )
    dense = np.zeros((len(count), DAY))
    dense[gap, part.cells.minute] = spread
    expected = spread_of_sum(dense, facts.error_correlation)
    truth, mean = np.bincount(gap, part.truth.astype(float)), np.bincount(gap, part.mean.astype(float))
    scored = pd.DataFrame({"person": person, "truth": truth, "filled": mean})
    random = np.random.default_rng(3)
    drawn = np.empty((_SAMPLES, len(count)))
    for sample in range(_SAMPLES):
        process = np.empty((DAY, len(count)), np.float32)
        for first in range(0, len(count), 200):
            some = slice(first, min(first + 200, len(count)))
            noise = random.standard_normal((DAY, some.stop - some.start, len(facts.rank_correlation)))
            process[:, some] = stationary(noise) @ np.sqrt(np.array(facts.rank_correlation))
        values = draw(table, ndtr(process[part.cells.minute, gap]), where, binary=facts.binary)
        drawn[sample] = np.bincount(gap, values)
    for level in LEVELS:
        tail = (1 - level) / 2
        low = mean + expected * totals.quantile(tail, count)
        high = mean + expected * totals.quantile(1 - tail, count)
        low = np.maximum(low, facts.scale.minimum * count)
        scored[f"covered {level}"] = (truth >= low - 1e-6) & (truth <= high + 1e-6)
        scored[f"width {level}"] = (high - low) / count
        # of completions and truth all alike, the truth's rank is uniform; ties are drawn
        below = (drawn < truth - 1e-9).sum(0) + random.random(len(count)) * (
            1 + (np.abs(drawn - truth) <= 1e-9).sum(0)
        )
        scored[f"drawn {level}"] = np.abs(below / (_SAMPLES + 1) - 0.5) <= level / 2
    scored["drawn sum"] = drawn.mean(0)
    sums = scored.groupby("person")[["truth", "filled", "drawn sum"]].sum()
    return (
        scored.drop(columns=["truth", "filled", "drawn sum"])
        .groupby("person")
        .mean()
        .join(sums)
        .assign(sums=scored.groupby("person").size())
    )


def bootstrap(values: np.ndarray) -> str:
    """95 % interval of the mean over people."""
    if len(values) < 2:
        return "-"
    random = np.random.default_rng(0)
    means = values[random.integers(len(values), size=(_DRAWS, len(values)))].mean(axis=1)
    return "{:.0f} to {:.0f}".format(*(100 * np.quantile(means, [0.025, 0.975])))


def per_person(table: pd.DataFrame) -> pd.DataFrame:
    """A person's minutes of all gap lengths together."""
    values = table.drop(columns=["gap", "minutes", "person", "channel"])
    weighted = values.mul(table["minutes"], axis=0).groupby(table["person"]).sum()
    return weighted.div(table.groupby("person")["minutes"].sum(), axis=0)


def minutes_table(scored: dict[str, pd.DataFrame]) -> list[str]:
    """Coverage and width per channel and gap length, beside the width around linear interpolation."""
    head = "| channel | gap (min) | people | " + " | ".join(f"{100 * level:.0f} %" for level in LEVELS)
    lines = [
        head
        + " | 95 % of people at 90 % | ties split, 90 % | width 50 % | width 90 % | linear: covered 90 % | "
        "linear: width 90 % | ratio |",
        "|---|---|---|" + "---|" * (len(LEVELS) + 7),
    ]
    ours, linear = scored["model"], scored["linear"]
    for name in ours["channel"].unique():
        for gap in (
            "all",
            *(f"{low} to {high}" for low, high in GAPS[:-1]),
            f"over {GAPS[-1][0] - 1}",
            _NEVER,
        ):
            chosen, other = (
                table[
                    (table["channel"] == name)
                    & ((table["gap"] == gap) if gap != "all" else (table["gap"] != _NEVER))
                ]
                for table in (ours, linear)
            )
            if not len(chosen):
                continue
            mean, theirs = per_person(chosen), per_person(other)
            cells = [f"{100 * mean[f'covered {level}'].mean():.0f}" for level in LEVELS]
            at90 = mean["covered 0.9"].to_numpy()
            row = [
                name,
                gap,
                str(len(mean)),
                *cells,
                bootstrap(at90),
                f"{100 * mean['split 0.9'].mean():.0f}",
            ]
            row += [f"{mean[f'width {level}'].mean():.3g}" for level in (0.5, 0.9)]
            if len(theirs):
                width = theirs["width 0.9"].mean()
                row += [f"{100 * theirs['covered 0.9'].mean():.0f}", f"{width:.3g}"]
                row += [f"{mean['width 0.9'].mean() / width:.2f}"]
            else:
                row += ["-", "-", "-"]
            lines.append("| " + " | ".join(row) + " |")
    return lines


def sums_table(scored: dict[str, pd.DataFrame]) -> list[str]:
    """Coverage of sums by their own bounds and by completions, and how much of them fills keep."""
    head = "| channel | people | sums | " + " | ".join(f"{100 * level:.0f} %" for level in LEVELS)
    lines = [
        head
        + " | width 90 % a minute | linear | "
        + " | ".join(f"drawn {100 * x:.0f} %" for x in LEVELS)
        + " | filled / true | drawn / true |",
        "|---|---|---|" + "---|" * (2 * len(LEVELS) + 4),
    ]
    ours, linear = scored["model"], scored["linear"]
    for name in ours["channel"].unique():
        mine, other = (table[table["channel"] == name] for table in (ours, linear))
        row = [name, str(len(mine)), str(int(mine["sums"].sum()))]
        row += [f"{100 * mine[f'covered {level}'].mean():.0f}" for level in LEVELS]
        row += [f"{mine['width 0.9'].mean():.3g}", f"{other['width 0.9'].mean():.3g}" if len(other) else "-"]
        row += [f"{100 * mine[f'drawn {level}'].mean():.0f}" for level in LEVELS]
        row += [f"{mine[what].sum() / mine['truth'].sum():.2f}" for what in ("filled", "drawn sum")]
        lines.append("| " + " | ".join(row) + " |")
    return lines


def main(arguments: list[str] | None = None) -> None:
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="directory of the parquet and split files")
    parser.add_argument("--model", default="lsm2-small")
    parser.add_argument("--config", type=Path, default=ROOT / "lsm2" / "training" / "lsm2-small.json")
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("--out", type=Path, help="by default docs/results/intervals-SPLIT.md")
    parser.add_argument(
        "--ship", type=Path, help="a checkpoint's folder to write a provisional calibration to"
    )
    options = parser.parse_args(arguments)
    started = time.perf_counter()

    def say(line: str) -> None:
        print(f"{time.perf_counter() - started:6.1f} s  {line}", file=sys.stderr, flush=True)

    if options.ship is not None and options.split != "valid":
        raise SystemExit("--ship calibrates on valid people: leave out --split test")
    model, config = lsm2.load_model(options.model), PretrainConfig.read(options.config)
    frame = frame_of_people(config, options.data, options.split)
    days = read_days(frame, model.schema)
    propose = partial(model.propose, point="mean", batch_size=None, progress=False)
    methods = {"model": propose, "linear": interpolation}

    def collected(name: str, of: Days) -> Residuals:
        return collect(of, methods[name], per_day=8, progress=lambda line: say(f"{name}: {line}"))

    residuals = {name: collected(name, days) for name in methods}
    if options.ship is not None:
        people = frame["participant_id"].nunique()
        calibration = fit(
            residuals["model"],
            model.schema,
            model.config.network.normalisation,
            checkpoint=model.hash,
            provisional=True,
            description=f"Provisional: {people} valid people, on whom the weights were not trained. To be "
            "replaced by out-of-fold residuals of train and valid people.",
            data={"people": people, "days": len(days), "split": "valid"},
        )
        calibration.save(options.ship)
        say(f"wrote a calibration to {options.ship}")
    shipped = others = None
    if options.split == "test":
        shipped = model.calibrated()
        others = collected(
            "linear", read_days(frame_of_people(config, options.data, "train", "valid"), model.schema)
        )
    minutes: dict[str, list[pd.DataFrame]] = {name: [] for name in methods}
    sums: dict[str, list[pd.DataFrame]] = {name: [] for name in methods}
    for position, channel in enumerate(model.schema.channels):
        for name, of_method in residuals.items():
            mine = of_method.take(of_method.cells.channel == position)
            if len(np.unique(mine.person)) < 3:  # two must be left to calibrate on
                continue
            if shipped is None or others is None:
                by_gap, by_sum = score_by_others(of_method, model, position)
            elif channel.name not in shipped.tables:
                continue
            elif name == "model":
                facts = shipped.channel(channel.name)
                by_gap, by_sum = score(
                    mine, (facts, shipped.tables[channel.name], shipped.totals[channel.name])
                )
            else:
                constants = model.config.network.normalisation[position]
                theirs = others.take(others.cells.channel == position)
                by_gap, by_sum = score(mine, fit_channel(theirs, channel, constants))
            minutes[name].append(by_gap.assign(channel=channel.name))
            sums[name].append(by_sum.assign(channel=channel.name))
            say(f"{channel.name}: {name}")
    words = [os.path.relpath(word, ROOT) if os.path.isabs(word) else word for word in arguments]
    both = {name: pd.concat(parts) for name, parts in minutes.items()}
    of_sums = {name: pd.concat(parts) for name, parts in sums.items()}
    command = shlex.join(["python", "benchmarks/intervals.py", *words])
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    facts = (
        f"`{command}`, {today}, checkpoint `{model.hash}`, {frame['participant_id'].nunique()} people, "
        f"{time.perf_counter() - started:.0f} s."
    )
    page = [
        f"# Intervals, {options.split} people",
        facts,
        f"{_BY[options.split]} {_PREFACE}",
        "## Minutes",
        "\n".join(minutes_table(both)),
        "## Sums over the gaps of a day",
        _PREFACE_OF_SUMS,
        "\n".join(sums_table(of_sums)),
    ]
    out = options.out or ROOT / "docs" / "results" / f"intervals-{options.split}.md"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n\n".join(page) + "\n")
    say(f"wrote {out}")


if __name__ == "__main__":
    main()
