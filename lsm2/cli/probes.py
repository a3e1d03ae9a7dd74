"""``lsm2 fit-probe`` and ``lsm2 predict``: linear models on embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lsm2.cli.app import app
from lsm2.cli.options import (
    BatchSize,
    Columns,
    Device,
    Events,
    KeepZeros,
    ModelName,
    Output,
    Participant,
    Precision,
    Progress,
    Timestamp,
    Units,
    Zone,
    check_folder,
    frame_options,
    read_keyed,
    read_recording,
)
from lsm2.cli.text import rows_line, table_lines
from lsm2.wording import counted

Level = Literal["participant", "day", "hour", "token", "window"]
Task = Literal["auto", "classification", "regression"]
Data = Annotated[
    Path, typer.Argument(metavar="IN", help="A recording, or what lsm2 embed wrote: .parquet or .csv.")
]
MinObserved = Annotated[
    float, typer.Option(min=0, max=1, help="Days with a smaller observed share count as missing.")
]


@app.command("fit-probe")
def fit_probe(
    recording: Data,
    labels: Annotated[
        Path,
        typer.Option(
            help="Labels: .parquet or .csv with participant_id, and date, or start and end, and the label."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write the probe into.")],
    label: Annotated[str | None, typer.Option(help="The column of labels; by default label.")] = None,
    task: Annotated[Task, typer.Option(help="Classes, or numbers.")] = "auto",
    level: Annotated[
        Level | None, typer.Option(help="What a row stands for; by default what the labels are by.")
    ] = None,
    groups: Annotated[
        str | None, typer.Option(help="A column of the labels that folds keep together, such as a site.")
    ] = None,
    cv: Annotated[int, typer.Option(min=2, help="Folds.")] = 5,
    components: Annotated[int | None, typer.Option(min=1, help="Principal components to keep.")] = None,
    min_observed: MinObserved = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of folds and bootstrap.")] = 0,
    model: Annotated[
        str | None,
        typer.Option(help="As for lsm2 embed; of embeddings in a CSV, the model that made them."),
    ] = None,
    precision: Precision = "float32",
    device: Device = "auto",
    tz: Zone = None,
    participant: Participant = "participant_id",
    timestamp: Timestamp = "timestamp",
    columns: Columns = None,
    units: Units = None,
    keep_zeros: KeepZeros = False,
    batch_size: BatchSize = None,
    progress: Progress = None,
) -> None:
    """Fit a linear model on embeddings, and score it on people that it has not seen."""
    import lsm2
    from lsm2.probe import is_embeddings

    check_folder(output, "give a folder for the probe")
    data = read_recording(recording, None, participant, timestamp)
    table = read_keyed(labels, data, participant, timestamp)
    if model is None and not is_embeddings(data):
        model = "lsm2-small"
    probe = lsm2.fit_probe(
        data,
        table,
        task=task,
        level=level,
        label=label,
        groups=groups,
        cv=cv,
        components=components,
        min_observed=min_observed,
        seed=seed,
        model=None if model is None else lsm2.load_model(model, device=device, precision=precision),
        batch_size=batch_size,
        progress=progress,
        **frame_options(tz, participant, timestamp, columns, units, keep_zeros),
    )
    probe.save(output)
    for line in [f"{output}: the probe; use it with lsm2 predict --probe {output}", *_scores(probe.metrics_)]:
        typer.echo(line)


@app.command()
def predict(
    recording: Data,
    output: Output,
    probe: Annotated[str, typer.Option(help="A probe's folder, or the name of one shipped with the model.")],
    events: Events = None,
    min_observed: MinObserved = 0.0,
    model: ModelName = "lsm2-small",
    precision: Precision = "float32",
    device: Device = "auto",
    tz: Zone = None,
    participant: Participant = "participant_id",
    timestamp: Timestamp = "timestamp",
    columns: Columns = None,
    units: Units = None,
    keep_zeros: KeepZeros = False,
    batch_size: BatchSize = None,
    progress: Progress = None,
) -> None:
    """Predict by a probe: a row for each participant, day, hour, token or interval."""
    import lsm2
    from lsm2.tables import write_table

    data = read_recording(recording, output, participant, timestamp)
    intervals = None if events is None else read_keyed(events, data, participant, timestamp)
    predicted = lsm2.predict(
        data,
        probe,
        events=intervals,
        min_observed=min_observed,
        model=lsm2.load_model(model, device=device, precision=precision),
        batch_size=batch_size,
        progress=progress,
        **frame_options(tz, participant, timestamp, columns, units, keep_zeros),
    )
    write_table(predicted, output)
    missing = int(predicted["prediction"].isna().sum())
    line = rows_line(output, predicted, f"{missing} of them missing" if missing else "")
    typer.echo(f"{line}; columns {', '.join(predicted.columns)}")


def _scores(metrics: dict[str, Any]) -> list[str]:
    """Sizes, and the scores as a table."""
    sizes = f"{metrics['rows']} rows of {metrics['people']} people, {metrics['folds']} folds"
    classes = [
        f"{name}: {counted(count['rows'], 'row')} of {counted(count['people'], 'person', 'people')}"
        for name, count in metrics.get("classes", {}).items()
    ]
    rows = [
        {"score": name}
        | {key: "" if score[key] is None else score[key] for key in ("value", "low", "high", "dummy")}
        for name, score in metrics.items()
        if isinstance(score, dict) and "dummy" in score
    ]
    return [f"{metrics['task']} by {metrics['level']}: {sizes}", *classes, *table_lines(rows)]
