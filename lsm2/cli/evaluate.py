"""``lsm2 evaluate``: how good fills are, measured on recordings of which minutes are hidden."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lsm2.cli.app import app
from lsm2.cli.options import (
    MODEL_HELP,
    Columns,
    Device,
    KeepZeros,
    Participant,
    Precision,
    Timestamp,
    Units,
    Zone,
    check_folder,
    frame_options,
)
from lsm2.wording import counted

if TYPE_CHECKING:
    from lsm2.model import Model
    from lsm2.training.config import PretrainConfig

_evaluate = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="Measure on recordings: hide what was observed, and compare.",
)
app.add_typer(_evaluate, name="evaluate")

_LOG_HEADER = """# Runs on test people

Everything is developed on train and valid people. Each run on test people is entered here by the command
itself.

| date | command | checkpoint | people | days |
| --- | --- | --- | --- | --- |
"""


@_evaluate.command()
def gaps(
    recording: Annotated[
        Path | None,
        typer.Argument(metavar="[IN]", help="A recording (.parquet or .csv); or give --data and --split."),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="The directory to write to; what it already holds is not computed again."
        ),
    ] = Path("lsm2-gaps"),
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="[LABEL=]MODEL", help=f"{MODEL_HELP} Repeat for more."),
    ] = None,
    no_model: Annotated[bool, typer.Option("--no-model", help="Score baselines only.")] = False,
    train: Annotated[
        Path | None,
        typer.Option(
            help="A recording of other people, for scales and learnt baselines; else the file's others."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The directory of the files that a pretraining config names.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="The pretraining config, with --data; by default that of the shipped weights."),
    ] = None,
    split: Annotated[
        Literal["valid", "test"] | None, typer.Option(help="Whose recordings to score, with --data.")
    ] = None,
    protocols: Annotated[
        str | None, typer.Option(help="Protocols or groups of them, by name with commas; by default all.")
    ] = None,
    baselines: Annotated[
        str | None,
        typer.Option(help="Baselines, by name with commas; by default all but saits and brits."),
    ] = None,
    pypots_seconds: Annotated[
        float, typer.Option(min=1, help="Processor time of each training of PyPOTS.")
    ] = 600.0,
    most_days: Annotated[int, typer.Option(min=1, help="Days per participant.")] = 8,
    seed: Annotated[int, typer.Option(help="Seed of what is hidden.")] = 0,
    test_log: Annotated[
        Path, typer.Option(help="Where a run on test people is entered, with --split test.")
    ] = Path("docs/test-log.md"),
    precision: Precision = "float32",
    device: Device = "auto",
    tz: Zone = None,
    participant: Participant = "participant_id",
    timestamp: Timestamp = "timestamp",
    columns: Columns = None,
    units: Units = None,
    keep_zeros: KeepZeros = False,
) -> None:
    """Hide observed minutes, fill them by models and baselines, and score all on the same minutes.

    Writes scores.parquet, results.json, table.md and figures; masks and finished parts stay in the directory,
    so that a run that was stopped goes on.
    """
    from lsm2.evaluation import choose_baselines, choose_protocols, config_cohort, evaluate_gaps
    from lsm2.files import replacing
    from lsm2.tables import read_table

    if (recording is None) == (data is None):
        raise ValueError("give either a recording, or --data with --split")
    if (data is None) != (split is None):
        raise ValueError("--data and --split go together: which files, and whose recordings in them")
    if data is not None and train is not None:
        raise ValueError("--train goes with a recording; with --data, the config names the train people")
    if no_model and model:
        raise ValueError("--no-model and --model exclude each other")
    check_folder(output, "name a directory to write to")
    options: dict[str, Any] = {}
    wanted = list(choose_protocols(_names(protocols)))
    known = list(choose_baselines(_names(baselines)))
    given: Any
    default = "lsm2-small"
    if data is not None and split is not None:
        read = _config(config)
        models = {} if no_model else _models(model or [default], device, precision)
        given, note = config_cohort(read, data, split)
        notes = [note]
    elif recording is not None:
        models = {} if no_model else _models(model or [default], device, precision)
        given = read_table(recording, participant=participant, timestamp=timestamp)
        notes = []
        options = frame_options(tz, participant, timestamp, columns, units, keep_zeros)
        if train is not None:
            options["train"] = read_table(train, participant=participant, timestamp=timestamp)
        options["name"] = recording.name.split(".")[0]
    found = evaluate_gaps(
        given,
        models=models,
        out=output,
        most_days=most_days,
        seed=seed,
        pypots_seconds=pypots_seconds,
        notes=notes,
        progress=_teller(),
        protocols=wanted,
        baselines=known,
        **options,
    )
    found.facts["command"] = _command()
    if split is not None:
        found.facts["split"] = split
    found.save(output)
    if split == "test":
        written = test_log.read_text() if test_log.exists() else _LOG_HEADER
        line = _log_line(found.facts)
        test_log.parent.mkdir(parents=True, exist_ok=True)
        with replacing(test_log) as temporary:
            temporary.write_text(written + line)
    people = counted(found.facts["people"], "person", "people")
    typer.echo(f"{output}: table.md, results.json, scores.parquet and figures, of {people}")


@_evaluate.command()
def probes(
    data: Annotated[Path, typer.Option(help="The directory of recordings and labels of the open data sets.")],
    output: Annotated[Path, typer.Option("--out", "-o", help="The directory to write to.")] = Path(
        "lsm2-probes"
    ),
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="[LABEL=]MODEL", help=f"{MODEL_HELP} Repeat for more."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="The pretraining config; by default that of the shipped weights.")
    ] = None,
    tasks: Annotated[str | None, typer.Option(help="Tasks, by name with commas; by default all.")] = None,
    removals: Annotated[
        bool, typer.Option(help="Also score on recordings without a period or a family.")
    ] = True,
    few: Annotated[bool, typer.Option(help="Also fit on few labelled people.")] = True,
    finetune: Annotated[
        bool, typer.Option("--finetune", help="Also fine-tune the first model, and train it from scratch.")
    ] = False,
    components: Annotated[
        int | None, typer.Option(min=1, help="Principal components to reduce features to.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Draws of the folds.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of all draws.")] = 0,
    precision: Precision = "float32",
    device: Device = "auto",
) -> None:
    """Probe embeddings on labelled open recordings, beside features made by hand.

    Writes scores.parquet, differences.parquet, facts.json, table.md and figures; finished predictions stay
    in the directory, so that a run that was stopped goes on.
    """
    from lsm2.evaluation.probes import evaluate_probes

    check_folder(output, "name a directory to write to")
    found = evaluate_probes(
        _config(config),
        data,
        _models(model or ["lsm2-small"], device, precision),
        tasks=_names(tasks),
        removals=removals,
        few=few,
        finetune=finetune,
        components=components,
        repeats=repeats,
        seed=seed,
        out=output,
        progress=_teller(),
    )
    found.facts["command"] = _command()
    found.save(output)
    typer.echo(f"{output}: table.md, scores.parquet, differences.parquet, facts.json and figures")


def _config(path: Path | None) -> PretrainConfig:
    """The pretraining config, by default that of the shipped weights."""
    from lsm2.training.config import PretrainConfig

    return PretrainConfig.read(path or Path(__file__).parent.parent / "training" / "lsm2-small.json")


def _teller() -> Callable[[str], None]:
    """Prints lines with the seconds since now."""
    started = time.perf_counter()

    def tell(line: str) -> None:
        print(f"{time.perf_counter() - started:6.0f} s  {line}", file=sys.stderr, flush=True)

    return tell


def _names(given: str | None) -> list[str] | None:
    """Split names at commas; those of protocols may hold a comma themselves."""
    if given is None:
        return None
    from lsm2.evaluation import PROTOCOLS

    for name in PROTOCOLS:
        given = given.replace(name, name.replace(",", "\0"))
    return [name.strip().replace("\0", ",") for name in given.split(",") if name.strip()]


def _models(given: list[str], device: str, precision: str) -> dict[str, Model]:
    """Load models by the label under which they stand in tables."""
    import lsm2

    models: dict[str, Model] = {}
    for item in given:
        label, equals, name = item.partition("=")
        if not equals:
            label, name = Path(item).name, item
        if label in models:
            raise ValueError(f"two models are called {label!r}; call one of them by LABEL=MODEL")
        models[label] = lsm2.load_model(name, device=device, precision=precision)
    return models


def _command() -> str:
    """The command as it can be repeated, without paths of this machine."""
    words = []
    for word in sys.argv[1:]:
        label, equals, path = word.rpartition("=")
        words.append(label + equals + (os.path.relpath(path) if os.path.isabs(path) else path))
    return shlex.join(["lsm2", *words])


def _log_line(facts: dict[str, Any]) -> str:
    checkpoints = ", ".join(facts["checkpoints"].values()) or "baselines only"
    cells = (facts["date"], f"`{facts['command']}`", checkpoints, str(facts["people"]), str(facts["days"]))
    return "| " + " | ".join(cells) + " |\n"
