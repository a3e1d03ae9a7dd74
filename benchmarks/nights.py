"""How people are filled who never wear the device at night: every night hidden, of all days of a person.

    python benchmarks/nights.py --data ../shared/data --out docs/results/nights-valid.md
    python benchmarks/nights.py --data ../shared/data --split test --out docs/results/nights-test.md

No protocol of `lsm2 evaluate gaps` does so: there other days show the person's nights. Days are drawn as
there, four a person; nothing else of the person is seen. Beside the model linear interpolation, the mean of
what is seen, and train people's mean of the minute ("same minute", which no own day corrects here); and how
often the bounds of 90 % hold.
"""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

import lsm2
from lsm2.days import DAY
from lsm2.evaluation import score_gaps, summarise
from lsm2.evaluation.baselines import BASELINES, same_minute
from lsm2.evaluation.cohorts import config_cohort
from lsm2.evaluation.evaluate import machine
from lsm2.evaluation.gaps import baseline_method, learnt_method, model_method, with_scales
from lsm2.evaluation.protocols import Protocol
from lsm2.evaluation.recordings import BoolArray, Recordings
from lsm2.evaluation.scores import bootstrap_mean
from lsm2.evaluation.tables import markdown, markdown_table
from lsm2.training.config import PretrainConfig

ROOT = Path(__file__).resolve().parent.parent
NIGHTS = {"23:00 to 7:00": (23, 7), "20:00 to 8:00": (20, 8)}
_DAYS = 4


def hide(recordings: Recordings, days: BoolArray, *, seed: int, first: int, last: int) -> BoolArray:
    """The same hours of all days."""
    minute = np.arange(DAY)
    return recordings.observed & ((minute >= 60 * first) | (minute < 60 * last))


def held(model: lsm2.Model, part: Recordings, hidden: BoolArray) -> list[dict[str, object]]:
    """How often the bounds of 90 % hold a person's hidden minutes, by channel."""
    truth, person, rows = part.frame(), np.repeat(part.person, DAY), []
    filled = model.reconstruct(part.without(hidden).frame(), interval=0.9, progress=False)
    filled = filled.reindex(truth.index)  # of a day of which nothing else was seen, nothing is told
    for position, name in enumerate(part.names):
        cells = hidden[:, position].ravel()
        inside = (truth[name] >= filled[f"{name}.lower"]) & (truth[name] <= filled[f"{name}.upper"])
        cells &= filled[name].notna().to_numpy()
        for who in np.unique(person[cells]):
            rows.append({"channel": name, "held": inside[cells & (person == who)].mean()})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="directory of the parquet and split files")
    parser.add_argument("--model", default="lsm2-small")
    parser.add_argument("--config", type=Path, default=ROOT / "lsm2/training/lsm2-small.json")
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    model = lsm2.load_model(options.model)
    [cohort], said = config_cohort(PretrainConfig.read(options.config), options.data, options.split)
    parts = [with_scales(part, cohort.scales) for part in cohort.recordings]
    parts = [part.take(part.draw_days(_DAYS)) for part in parts]
    protocols = {
        name: Protocol("blocks", (partial(hide, first=first, last=last),))
        for name, (first, last) in NIGHTS.items()
    }
    methods = {
        options.model: model_method(model),
        **{name: baseline_method(BASELINES[name]) for name in ("linear", "day mean")},
        "same minute": learnt_method(same_minute, cohort.train, cohort.scales),
    }
    parts = [part for part in parts if len(part)]
    scores = score_gaps(parts, methods, cohort.scales, protocols=protocols, most_days=_DAYS)
    rows = []
    for name, protocol in protocols.items():
        for part in parts:
            hidden = protocol.rounds[0](part, np.ones(len(part), bool), seed=0)
            if hidden.any():
                rows += [{**row, "hidden": name} for row in held(model, part, hidden)]
    coverage = []
    for (channel, name), some in pd.DataFrame(rows).groupby(["channel", "hidden"], sort=False):
        mean, low, high = bootstrap_mean(some["held"])
        coverage.append(
            [channel, name, str(len(some)), f"{100 * mean:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"]
        )
    people = scores[["dataset", "participant"]].drop_duplicates()
    words = shlex.join(["python", "benchmarks/nights.py", *sys.argv[1:]])
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    page = [
        f"# Nights of who is never seen at night, {options.split} people",
        f"`{words}`, {today}, {machine()}, checkpoint `{model.hash}`, {len(people)} people, at most {_DAYS} "
        f"days each. The same hours of all their days are hidden. {said}",
        markdown(summarise(scores), judged=[options.model]).strip(),
        "### Bounds of 90 %\n\n" + markdown_table(["channel", "hidden", "people", "hold"], coverage),
    ]
    options.out.write_text("\n\n".join(page) + "\n")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
