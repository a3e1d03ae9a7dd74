"""Where heart rate is taken for failing when high (`lsm2/sensors.py`), and how far to trust the bounds there.

    python benchmarks/failing.py --data ../shared/data --out docs/results/failing.md

Train and valid people. Hides minutes as `lsm2 evaluate gaps` does, and counts the people whose gaps look like
those of a sensor that fails: nearly all should where the highest minutes are hidden, nobody elsewhere. Then
fills what is hidden of the highest minutes of valid people, and scores the bounds of 90 %, which were
calibrated on gaps that are there by chance.
"""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
from pathlib import Path

import numpy as np
import pandas as pd

import lsm2
from lsm2 import sensors
from lsm2.channels import Schema
from lsm2.days import read_days
from lsm2.evaluation import choose_protocols, read_recordings
from lsm2.evaluation.recordings import BoolArray, Recordings
from lsm2.training.config import PretrainConfig

ROOT = Path(__file__).resolve().parent.parent
HEART = "heart_rate"
WITH_HEART = (HEART, "calories", "mets")
FAILING = "intensity_failure"
PROTOCOLS = (FAILING, "10 min", "60 min", "short", "random 30 %", "random 80 %")
OWN = "gaps of their own"
_FEWEST, _LONGEST = 5, 180
"""Gaps, and minutes of each, of people whose own gaps count."""


def taken_for_failing(part: Recordings, hidden: BoolArray) -> set[str]:
    """People of whom a fill by the lowest valid rate is lifted."""
    seen = part.without(hidden)
    days = read_days(seen.frame(), Schema.from_names(seen.names))
    heart = seen.names.index(HEART)
    fill = np.full(days.values.shape, days.schema.channels[heart].minimum, np.float32)
    sensors.correct(days, ~days.observed, [fill])
    lifted = (fill[:, heart] > days.schema.channels[heart].minimum).any(axis=1)
    return set(days.participants[np.unique(days.person[lifted])].astype(str))


def with_gaps(part: Recordings) -> set[str]:
    """People with five gaps of heart rate or more of their own, of up to three hours."""
    counted = set()
    for person, own in part.people():
        seen = np.flatnonzero(part.observed[own, part.names.index(HEART)])
        lengths = np.diff(seen) - 1
        if ((lengths > 0) & (lengths <= _LONGEST)).sum() >= _FEWEST:
            counted.add(str(part.participants[person]))
    return counted


def bounds(part: Recordings, hidden: BoolArray) -> pd.DataFrame:
    """Of each person and channel: how often the bounds of 90 % hold, and filled over true sums."""
    filled = lsm2.reconstruct(part.without(hidden).frame(), interval=0.9, progress=False)
    truth = part.frame()
    rows = []
    for position, name in enumerate(part.names):
        if name not in WITH_HEART:
            continue
        cells = hidden[:, position].ravel()
        low, high = filled[f"{name}.lower"][cells], filled[f"{name}.upper"][cells]
        true = truth[name][cells]
        table = pd.DataFrame(
            {"held": (true >= low) & (true <= high), "true": true, "filled": filled[name][cells]}
        ).groupby(level=0)
        rows.append(
            pd.DataFrame(
                {
                    "channel": name,
                    "held": table["held"].mean(),
                    "total": table["filled"].sum() / table["true"].sum(),
                }
            )
        )
    return pd.concat(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path, default=ROOT / "lsm2/training/lsm2-small.json")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/results/failing.md")
    options = parser.parse_args()
    config = PretrainConfig.read(options.config)
    protocols = choose_protocols(PROTOCOLS)
    asked: dict[str, set[str]] = {name: set() for name in (*protocols, OWN)}
    found: dict[str, set[str]] = {name: set() for name in asked}
    scored = []
    for split in ("train", "valid"):
        for part in read_recordings(config, options.data, split):
            if HEART not in part.names:
                continue
            part = part.take(part.usable())
            if not len(part):
                continue
            drawn = part.draw_days()
            label = f"{split} {part.dataset} "
            nothing = np.zeros_like(part.observed)
            own = with_gaps(part)
            asked[OWN] |= {label + one for one in own}
            found[OWN] |= {label + one for one in own & taken_for_failing(part, nothing)}
            some = part.take(drawn)
            for name, protocol in protocols.items():
                for round_ in protocol.rounds:
                    hidden = round_(part, drawn, seed=0)[drawn]
                    with_gap = hidden[:, some.names.index(HEART)].any(axis=1)
                    who = some.participants[np.unique(some.person[with_gap])].astype(str)
                    asked[name] |= {label + one for one in who}
                    found[name] |= {label + one for one in taken_for_failing(some, hidden)}
                    if split == "valid" and name == FAILING and hidden.any():
                        scored.append(bounds(some, hidden))
            print(label, {name: (len(found[name]), len(asked[name])) for name in asked}, file=sys.stderr)
    words = shlex.join(["python", "benchmarks/failing.py", *sys.argv[1:]])
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    lines = ["# Heart rates that fail when high", "", f"`{words}`, {today}, train and valid people.", ""]
    lines += ["| hidden of heart rate | people | taken for failing |", "|---|---|---|"]
    lines += [f"| {name} | {len(asked[name])} | {len(found[name])} |" for name in asked]
    lines += ["", f"Valid people, {FAILING}, each person's share; range of people in brackets.", ""]
    lines += ["| channel | people | bounds of 90 % hold | filled / true |", "|---|---|---|---|"]
    for name, table in pd.concat(scored).groupby("channel"):
        held, total = 100 * table["held"], table["total"]
        lines.append(
            f"| {name} | {len(table)} | {held.mean():.0f} % ({held.min():.0f} to {held.max():.0f}) "
            f"| {total.mean():.2f} ({total.min():.2f} to {total.max():.2f}) |"
        )
    options.out.write_text("\n".join(lines) + "\n")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
