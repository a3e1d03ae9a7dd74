"""Write measured numbers into README.md and into the model cards of the shipped weights.

    lsm2 evaluate gaps --data DIR --split test -o docs/results/gaps-test
    lsm2 evaluate gaps --data DIR --split test --model lsm2-small --model lsm2-small-open \\
        -o docs/results/gaps-test-open
    python benchmarks/speed.py --json docs/results/speed.json
    python benchmarks/publish.py

Reads docs/results/gaps-SPLIT*/results.json (``--split``, test by default), docs/results/speed.json, the
training logs and the checkpoints' configs, and rewrites the model cards (cards/ beside this script holds
their forms) and what stands between `<!-- results:begin -->` and `<!-- results:end -->` of README.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"
WEIGHTS = ROOT / "lsm2" / "weights"
MODEL = "lsm2-small"
BASELINES = ("linear", "kalman", "ridge")
PROTOCOLS = ("10 min", "60 min", "180 min", "random 80 %", "next 60 min", "1 family")
IN_README = ("heart_rate", "steps", "activity_counts")
CARDS = Path(__file__).parent / "cards"
PEOPLE = {
    "test": "whom neither training nor any choice has seen",
    "valid": "who took no part in training, but by whom choices were made; test people follow",
}


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def gap_table(facts: dict[str, Any], channels: tuple[str, ...] | None, model: str) -> list[str]:
    cells: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in facts["rows"]:
        if row["protocol"] in PROTOCOLS and (channels is None or row["channel"] in channels):
            cells.setdefault((row["channel"], row["protocol"]), {})[row["method"]] = row
    lines = [
        "| channel | hidden | people | MSE: model | linear | Kalman | ridge | MAE: model | linear | Kalman "
        "| ridge | bias: model | linear |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (channel, protocol), by_method in cells.items():
        if model not in by_method:
            continue
        numbers = []
        for error in ("mse", "mae"):
            values = [by_method.get(method, {}).get(error) for method in (model, *BASELINES)]
            best = min(value for value in values if value is not None)
            numbers += [f"**{number(v)}**" if v == best else number(v) for v in values]
        for method in (model, "linear"):
            bias = by_method.get(method, {}).get("bias")
            numbers.append("" if bias is None else f"{bias:+.1%}")
        people = by_method[model]["people"]
        lines.append(f"| {channel} | {protocol} | {people} | " + " | ".join(numbers) + " |")
    return lines


def contests(facts: dict[str, Any], model: str) -> list[str]:
    lines = [
        "| against | MSE: won | tied | lost | lower with < 10 people | MAE: won | tied | lost | lower with "
        "< 10 people |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    own = [row for row in facts["contests"] if row["method"] == model]
    for against in dict.fromkeys(row["against"] for row in own):
        numbers = []
        for error in ("mse", "mae"):
            row = next(r for r in own if r["against"] == against and r["error"] == error)
            numbers += [row["win"], row["tie"], row["loss"], f"{row['lower']} of {row['few']}"]
        lines.append(f"| {against} | " + " | ".join(map(str, numbers)) + " |")
    return lines


def results(facts: dict[str, Any], channels: tuple[str, ...] | None = None, model: str = MODEL) -> list[str]:
    split, sets = facts["split"], len(facts["people_by_dataset"])
    page = f"docs/results/gaps-{split}{model.removeprefix(MODEL)}/table.md"
    skills = ", ".join(
        f"{name} {facts['skill'][name]:+.2f} ({facts['skill_openmhc'][name]:+.2f})"
        for name in (model, "kalman", "linear")
    )
    return [
        f"{facts['people']} {split} people ({facts['days']} days) of {sets} data sets, {PEOPLE[split]}. "
        'Hidden are observed, worn minutes. MSE: of `point="mean"`, divided by the variance over train '
        'people. MAE: of `point="median"`, own units. Errors are averaged by person, over people; the '
        "lowest is bold. Bias: filled total over true total of the hidden minutes, less one. Ridge: "
        "regression on the person's other channels and other days, where sensors fail. "
        f"`{facts['command']}`, checkpoint `{facts['checkpoints'][model]}`, {facts['date']}, "
        f"{facts['machine']}. All channels, protocols and methods: `{page}`; "
        "how it is measured: `docs/evaluation.md`.",
        "",
        f"Skill over last observation carried forward (OpenMHC's scenarios alone): {skills}.",
        "",
        "Cells (channel and protocol), by the 95 % interval of the paired ratio of errors:",
        "",
        *contests(facts, model),
        "",
        *gap_table(facts, channels, model),
    ]


def speed(facts: dict[str, Any]) -> list[str]:
    lines = [
        f"Speed from a pandas frame: `python benchmarks/speed.py`, {facts['machine']}, {facts['date']}, "
        f"{facts['rows'][0]['days']} simulated days of five channels a call, medians.",
        "",
        "| task | precision | days / s | ms / day | of it frame side | peak memory |",
        "|---|---|---|---|---|---|",
    ]
    return lines + [
        f"| `{row['task']}` | {row['precision']} | {row['days_per_second']} | {row['ms_per_day']} "
        f"| {row['frame_side_share']:.0%} | {row['peak_mb']} MB |"
        for row in facts["rows"]
    ]


def card(name: str, gaps: dict[str, Any]) -> str:
    folder = WEIGHTS / name
    config = json.loads((folder / "config.json").read_text())
    log = [json.loads(line) for line in (RESULTS / f"{name}-log.jsonl").read_text().splitlines()]
    training, network = config["training"], config["network"]
    masked = training
    while not masked["steps"]:  # only parts of the second stage were learnt
        masked = masked["initial"]
    counts = training["channels"]
    sources = ["| data set | people | days | licence |", "|---|---|---|---|"]
    sources += [
        f"| {s['name']} | {s['people']} | {s['days']} | {s['licence']} |" for s in training["sources"]
    ]
    checked = [line for line in log if "valid_loss" in line]
    size = (folder / "model.safetensors").stat().st_size / 2e6
    rows = [
        f"| `{c['name']}` | {c['unit']} | {counts[c['name']]['people']} | {counts[c['name']]['days']} |"
        for c in config["channels"]["channels"]
    ]
    curve = [
        f"| {x['step']} | {x['seconds']:.0f} | {x['train_loss']:.3f} | {x['valid_loss']:.3f} |"
        for x in checked
    ]
    form = (CARDS / f"{name}.md").read_text()
    return form.format(
        parameters=size,
        channels=len(rows),
        width=network["encoder_dim"],
        people=training["people"],
        days=training["days"],
        sources="\n".join(sources),
        channel_rows="\n".join(rows),
        steps=f"{masked['steps']:,}",
        batch=masked["batch_windows"],
        minutes=f"{masked['seconds'] / 60:.0f}",
        regression=f"{latest(training, 'regression_steps'):,}",
        summary=f"{latest(training, 'summary_steps'):,}",
        curve="\n".join(curve),
        results="\n".join(results(gaps, model=name)),
    )


def latest(training: dict[str, Any], name: str) -> int:
    """Steps of a stage in the last run that had it."""
    while name not in training:
        training = training["initial"]
    return int(training[name])


def gaps_of(name: str, split: str) -> dict[str, Any]:
    """Results of a model: of lsm2-small on all its channels, of others beside it on theirs."""
    folder = f"gaps-{split}{name.removeprefix(MODEL)}"
    found: dict[str, Any] = json.loads((RESULTS / folder / "results.json").read_text())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--split", choices=tuple(PEOPLE), default="test")
    options = parser.parse_args()
    for path in CARDS.glob("*.md"):
        (WEIGHTS / path.stem / "README.md").write_text(card(path.stem, gaps_of(path.stem, options.split)))
    gaps = gaps_of(MODEL, options.split)
    readme = ROOT / "README.md"
    before, rest = readme.read_text().split("<!-- results:begin -->")
    after = rest.split("<!-- results:end -->")[1]
    block = [*results(gaps, IN_README), "", *speed(json.loads((RESULTS / "speed.json").read_text()))]
    readme.write_text(
        before + "<!-- results:begin -->\n" + "\n".join(block) + "\n<!-- results:end -->" + after
    )


if __name__ == "__main__":
    main()
