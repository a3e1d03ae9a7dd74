"""Fill hidden minutes of real recordings by a model and by baselines, and write what came of it.

    python benchmarks/gaps.py --data DIR --split valid|test [--model NAME_OR_DIR ...] [--out DIR]

Reads the sources that the pretraining configuration names, hides observed and worn minutes (10, 30, 60 and
180 minutes of all channels, 80 % of the 10-minute tokens, one whole family), and scores a model and the
baselines on the same minutes. Writes scores.parquet (a row per participant, channel, protocol and method),
results.json and table.md. A run on test people is entered in docs/test-log.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import lsm2
from lsm2.evaluation import (
    BASELINES,
    baseline_method,
    channel_scales,
    markdown,
    model_method,
    read_recordings,
    score_gaps,
    skill,
    summarise,
)
from lsm2.training.config import PretrainConfig

ROOT = Path(__file__).resolve().parent.parent
TEST_LOG = ROOT / "docs" / "test-log.md"
_LOG_HEADER = """# Runs on test people

Everything is developed on train and valid people. Each run on test people is entered here by the command
itself.

| date | command | checkpoint | people | days |
| --- | --- | --- | --- | --- |
"""


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="directory of the parquet files and the split file"
    )
    parser.add_argument("--split", choices=("valid", "test"), required=True, help="whose recordings to score")
    parser.add_argument("--model", action="append", help="checkpoint, by name or directory; may be repeated")
    parser.add_argument("--baselines-only", action="store_true", help="score no model")
    parser.add_argument("--out", type=Path, help="where to write (default: benchmarks/results/gaps-SPLIT)")
    parser.add_argument(
        "--config",
        type=Path,
        default=ROOT / "lsm2" / "training" / "lsm2-small.json",
        help="pretraining configuration that names the sources",
    )
    parser.add_argument("--most-days", type=int, default=8, help="days per participant")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.baselines_only and options.model:
        parser.error("--baselines-only and --model exclude each other")
    return options


def command_line(arguments: list[str]) -> str:
    """The command as it can be repeated from the repository, without paths of this machine."""
    words = [os.path.relpath(word, ROOT) if os.path.isabs(word) else word for word in arguments]
    return shlex.join(["python", "benchmarks/gaps.py", *words])


def machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file under a temporary name and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    write(temporary)
    os.replace(temporary, path)


def verdict_line(summary: pd.DataFrame, model: str, against: str) -> str:
    """How many cells the model won, by error."""
    of_model = summary[summary["method"] == model]
    parts = []
    for error, what in (("mse", "squared error of the mean"), ("mae", "absolute error of the median")):
        counts = of_model[f"{error}_verdict"].value_counts()
        found = ", ".join(
            f"{counts.get(name, 0)} {name}" for name in ("win", "tie", "loss", "too few people")
        )
        parts.append(f"{what}: {found}")
    return f"**{model}** against {against}, cells of channel and protocol. " + "; ".join(parts) + "."


def report(facts: dict[str, Any], results: pd.DataFrame, summary: pd.DataFrame, models: list[str]) -> str:
    """The Markdown page."""
    family = results[(results["protocol"] == "family") & (results["method"] == "day mean")]
    sources = ", ".join(f"{count} from {name}" for name, count in family["mean_from"].value_counts().items())
    lines = [
        f"# Filled gaps, {facts['split']} people",
        f"`{facts['command']}`, {facts['date']}, {facts['machine']}, {facts['seconds']:.0f} s. "
        f"{facts['people']} people, {facts['days']} days."
        + "".join(f" {name}: checkpoint `{value}`." for name, value in facts["checkpoints"].items()),
        "Errors are averaged per participant, then over participants. Ratios are geometric means of the "
        "participants' own ratios with a 95 % bootstrap interval over participants (1,000 draws); with fewer "
        "than 10 people each person's ratio stands instead of a verdict.",
    ]
    if sources:
        lines.append(
            "Where a whole family is hidden, the day mean is of the person's other days or of train people: "
            f"{sources} (participants and channels)."
        )
    for model in models:
        lines.append(verdict_line(summary, model, "linear interpolation"))
        lines.append(f"Skill over LOCF, {model}: {facts['skill'][model]:.3f}.")
    return "\n\n".join(lines) + "\n\n" + markdown(summary, judged=models)


def main(arguments: list[str] | None = None) -> None:
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse(arguments)
    started = time.perf_counter()

    def say(line: str) -> None:
        print(f"{time.perf_counter() - started:6.1f} s  {line}", file=sys.stderr, flush=True)

    config = PretrainConfig.read(options.config)
    checkpoints: dict[str, str] = {}
    methods = {}
    for name in [] if options.baselines_only else options.model or [config.name]:
        model = lsm2.load_model(name)
        label = Path(name).name
        if label in methods:
            raise SystemExit(f"two models are called {label!r}; give directories of different names")
        methods[label] = model_method(model)
        checkpoints[label] = model.hash
    models = list(methods)
    methods |= {name: baseline_method(baseline) for name, baseline in BASELINES.items()}

    transforms = {name: channel.transform for name, channel in config.channels.items()}
    scales = channel_scales(read_recordings(config, options.data, "train"), transforms)
    say("read the train people")
    results = score_gaps(
        read_recordings(config, options.data, options.split),
        methods,
        scales,
        most_days=options.most_days,
        seed=options.seed,
        progress=say,
    )
    summary = summarise(results)

    people = results[["dataset", "participant"]].drop_duplicates()
    days = results[results["method"] == "linear"].groupby(["dataset", "participant"])["days"].max().sum()
    facts: dict[str, Any] = {
        "command": command_line(arguments),
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "split": options.split,
        "checkpoints": checkpoints,
        "machine": machine(),
        "versions": {"lsm2": lsm2.__version__, "numpy": np.__version__, "pandas": pd.__version__},
        "seconds": round(time.perf_counter() - started, 1),
        "people": len(people),
        "people_by_dataset": people["dataset"].value_counts(sort=False).to_dict(),
        "days": int(days),
        "seed": options.seed,
        "skill": {model: skill(results, model) for model in models},
    }
    out = options.out or ROOT / "benchmarks" / "results" / f"gaps-{options.split}"
    rows = json.loads(summary.to_json(orient="records", double_precision=6))
    trimmed = [{key: value for key, value in row.items() if value is not None} for row in rows]
    page = report(facts, results, summary, models)
    write_atomically(out / "scores.parquet", lambda path: results.to_parquet(path, index=False))
    write_atomically(
        out / "results.json",
        lambda path: path.write_text(json.dumps({**facts, "rows": trimmed}, indent=1) + "\n"),
    )
    write_atomically(out / "table.md", lambda path: path.write_text(page))
    if options.split == "test":
        log(facts)
    print(page)
    say(f"wrote scores.parquet, results.json and table.md to {out}")


def log(facts: dict[str, Any]) -> None:
    """Enter a run on test people."""
    written = TEST_LOG.read_text() if TEST_LOG.exists() else _LOG_HEADER
    checkpoint = ", ".join(facts["checkpoints"].values()) or "baselines only"
    cells = (facts["date"], f"`{facts['command']}`", checkpoint, str(facts["people"]), str(facts["days"]))
    write_atomically(TEST_LOG, lambda path: path.write_text(written + "| " + " | ".join(cells) + " |\n"))


if __name__ == "__main__":
    main()
