"""Write measured numbers into README.md and into the model card of the shipped weights.

    lsm2 evaluate gaps --data DIR --split test -o docs/results/gaps-test
    python benchmarks/speed.py --json docs/results/speed.json
    python benchmarks/publish.py

Reads docs/results/gaps-test/results.json, docs/results/speed.json, the training log and the checkpoint's
config, and rewrites the model card (model_card.md beside this script is its form) and what stands between
`<!-- results:begin -->` and `<!-- results:end -->` of README.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"
WEIGHTS = ROOT / "lsm2" / "weights" / "lsm2-small"
METHODS = ("lsm2-small", "linear", "locf", "day mean")
CARD = Path(__file__).with_name("model_card.md")


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def gap_table(facts: dict[str, Any]) -> list[str]:
    cells: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in facts["rows"]:
        cells.setdefault((row["channel"], row["protocol"]), {})[row["method"]] = row
    lines = [
        "| channel | hidden | people | MSE: model | linear | LOCF | mean | MAE: model | linear | LOCF | mean "
        "| bias: model | linear |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (channel, protocol), by_method in cells.items():
        numbers = []
        for error in ("mse", "mae"):
            values = [by_method.get(method, {}).get(error) for method in METHODS]
            best = min(value for value in values if value is not None)
            numbers += [f"**{number(v)}**" if v == best else number(v) for v in values]
        for method in METHODS[:2]:
            bias = by_method.get(method, {}).get("bias")
            numbers.append("" if bias is None else f"{bias:+.1%}")
        people = by_method[METHODS[0]]["people"]
        lines.append(f"| {channel} | {protocol} | {people} | " + " | ".join(numbers) + " |")
    return lines


def verdicts(facts: dict[str, Any]) -> str:
    parts = []
    for error, what in (("mse", 'MSE of `point="mean"`'), ("mae", 'MAE of `point="median"`')):
        rows = [row for row in facts["rows"] if row["method"] == METHODS[0]]
        counts = {
            kind: sum(row[f"{error}_verdict"] == kind for row in rows) for kind in ("win", "tie", "loss")
        }
        few = len(rows) - sum(counts.values())
        lower = sum(row[f"{error}_ratio"] < 1 for row in rows if row[f"{error}_verdict"] not in counts)
        parts.append(
            f"{what}: {counts['win']} won, {counts['tie']} tied, {counts['loss']} lost; {few} with fewer "
            f"than 10 people and no verdict, of which the model has the lower error in {lower}"
        )
    return "; ".join(parts) + "."


def results(facts: dict[str, Any]) -> list[str]:
    checkpoint = ", ".join(f"`{value}`" for value in facts["checkpoints"].values())
    sets = len(facts["people_by_dataset"])
    return [
        f"{facts['people']} test people ({facts['days']} days) of {sets} data sets, whom neither training "
        'nor any choice has seen. Hidden are observed, worn minutes. MSE: of `point="mean"`, divided by the '
        'variance over train people. MAE: of `point="median"`, own units. Errors are averaged by person, '
        "over people; the lowest is bold. Bias: filled total over true total of the hidden minutes, less "
        "one. Mean: of the channel's day, or of the person's other days where the whole channel is hidden. "
        f"`{facts['command']}`, checkpoint {checkpoint}, {facts['date']}, {facts['machine']}.",
        "",
        "Cells (channel and protocol) against linear interpolation, by the 95 % interval of the paired ratio "
        f"of errors: {verdicts(facts)}",
        "",
        *gap_table(facts),
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


def card(config: dict[str, Any], gaps: dict[str, Any], log: list[dict[str, Any]]) -> str:
    training, network = config["training"], config["network"]
    counts = training["channels"]
    sources = ["| data set | people | days | licence |", "|---|---|---|---|"]
    sources += [
        f"| {s['name']} | {s['people']} | {s['days']} | {s['licence']} |" for s in training["sources"]
    ]
    checked = [line for line in log if "valid_loss" in line]
    size = (WEIGHTS / "model.safetensors").stat().st_size / 2e6
    return CARD.read_text().format(
        parameters=size,
        channels=len(config["channels"]["channels"]),
        width=network["encoder_dim"],
        people=training["people"],
        days=training["days"],
        sources="\n".join(sources),
        channel_rows="\n".join(
            f"| `{c['name']}` | {c['unit']} | {counts[c['name']]['people']} | {counts[c['name']]['days']} |"
            for c in config["channels"]["channels"]
        ),
        steps=f"{training['steps']:,}",
        recipe=f"{training['steps']:,} steps of {training['batch_windows']} windows by AdamW, warm-up and "
        f"cosine, bfloat16, {training['seconds'] / 60:.0f} minutes of wall time on a CPU with 2 cores (two "
        "processes).",
        curve="\n".join(
            f"| {x['step']} | {x['seconds']:.0f} | {x['train_loss']:.3f} | {x['valid_loss']:.3f} |"
            for x in checked
        ),
        results="\n".join(results(gaps)),
    )


def main() -> None:
    gaps = json.loads((RESULTS / "gaps-test" / "results.json").read_text())
    config = json.loads((WEIGHTS / "config.json").read_text())
    log = [json.loads(line) for line in (RESULTS / "lsm2-small-log.jsonl").read_text().splitlines()]
    text = card(config, gaps, log)
    (WEIGHTS / "README.md").write_text(text)
    readme = ROOT / "README.md"
    before, rest = readme.read_text().split("<!-- results:begin -->")
    after = rest.split("<!-- results:end -->")[1]
    block = [*results(gaps), "", *speed(json.loads((RESULTS / "speed.json").read_text()))]
    readme.write_text(
        before + "<!-- results:begin -->\n" + "\n".join(block) + "\n<!-- results:end -->" + after
    )


if __name__ == "__main__":
    main()
