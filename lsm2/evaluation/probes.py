"""Evaluate embeddings by linear probes, beside features made by hand and what missingness alone tells."""

from __future__ import annotations

import datetime
import json
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from lsm2.channels import Schema
from lsm2.days import read_days
from lsm2.probe import scores
from lsm2.probe.linear import Recipe
from lsm2.tables import content_hash
from lsm2.wording import counted

from .evaluate import machine, write_files
from .features import hand_made, hand_made_of_events, missingness
from .parts import PredictionStore
from .probing import Features, Float, Rows, by_number_of_people, out_of_fold
from .recordings import read_recordings
from .tasks import TASKS, Task, shift
from .tuned import tuned_out_of_fold

if TYPE_CHECKING:
    from lsm2.model import Model
    from lsm2.training.config import PretrainConfig

PERIODS = {"night": (0, 6), "morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24)}
"""Hours of the day that are removed, one at a time."""
HAND_MADE, MISSINGNESS, TIME, DUMMY = "hand-made", "missingness", "time of day", "dummy"
SCRATCH = "from scratch"
SIZES = (5, 10, 20)
"""Numbers of labelled people, beside all."""
MOST_DAYS = 8
"""Of a person, drawn by seed, where labels are of persons: lengths of recordings may tell the label."""
FEWEST = 10
"""A task needs so many people with labels and recordings."""
_COLUMNS = [
    *("task", "dataset", "kind", "level", "people", "rows", "whose", "method", "removed", "labelled"),
    *("score", "value", "low", "high"),
]
_SPLITS: tuple[Literal["train", "valid", "test"], ...] = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class Labelled:
    """The recordings and labels of one task."""

    task: Task
    recordings: pd.DataFrame
    """``participant_id``, ``timestamp`` and channels; worn minutes."""
    labels: pd.DataFrame
    """One row for each thing to be told: ``participant_id``, ``label``, for windows ``start`` and ``end``."""
    split: pd.Series
    """Of each participant: in which part of the split the encoder's training had them."""

    @property
    def channels(self) -> list[str]:
        """Names of the channels."""
        return [str(name) for name in self.recordings if name not in ("participant_id", "timestamp")]

    def without(self, removed: str) -> pd.DataFrame:
        """The recordings without a period of the day, or without a family of channels."""
        frame, channels = self.recordings.copy(), self.channels
        if removed in PERIODS:
            first, last = PERIODS[removed]
            hour = frame["timestamp"].dt.hour
            frame.loc[(hour >= first) & (hour < last), channels] = np.nan
        else:
            families = Schema.from_names(channels).families
            frame[[channels[i] for i in families[removed.removeprefix("no ")]]] = np.nan
        return frame

    def removals(self) -> tuple[str, ...]:
        """What can be removed: periods, and families where there are two or more."""
        families = Schema.from_names(self.channels).families
        return (*PERIODS, *(f"no {family}" for family in families if len(families) > 1))


def read_task(task: Task, config: PretrainConfig, directory: Path, seed: int = 0) -> Labelled:
    """Read the recordings of all people of a task's data set, and the labels of those that have both.

    Args:
        task: What is to be told.
        config: Names the source, its file and the split.
        directory: Where the files are.
        seed: Of the hours by which made-up times of day are moved.

    Raises:
        ValueError: The config has no such source.
        FileNotFoundError: A file is missing.
    """
    sources = tuple(source for source in config.sources if source.name == task.dataset)
    if not sources:
        raise ValueError(f"the config has no source {task.dataset!r}, which task {task.name!r} is about")
    own = config.model_copy(update={"sources": sources})
    frames: list[pd.DataFrame] = []
    split: dict[str, str] = {}
    for part in _SPLITS:
        for recordings in read_recordings(own, directory, part):
            if task.level == "participant" and task.weekday is None:
                recordings = recordings.take(recordings.draw_days(MOST_DAYS, seed=seed))
            frame = recordings.frame().dropna(how="all").reset_index()
            frame["participant_id"] = frame["participant_id"].astype(str)
            frames.append(frame)
            split |= dict.fromkeys(frame["participant_id"].unique(), part)
    together = pd.concat(frames, ignore_index=True).drop(columns=list(task.without), errors="ignore")
    labels = task.read(directory)
    labels = labels[labels["participant_id"].isin(list(split))].reset_index(drop=True)
    if task.weekday is not None:
        together = together[together["timestamp"].dt.day_of_week == task.weekday].reset_index(drop=True)
        labels = labels[labels["participant_id"].isin(together["participant_id"])].reset_index(drop=True)
    if task.shifted:
        together = shift(together, ("timestamp",), seed)
        labels = shift(labels, ("start", "end"), seed)
    return Labelled(task, together, labels, pd.Series(split))


def features_of(
    labelled: Labelled, models: Mapping[str, Model], removals: Sequence[str]
) -> dict[str, Features]:
    """All tables of features of a task's rows: of each model, by hand, of missingness and of the clock."""
    tables: dict[str, dict[str, Float]] = {}
    for removed in ("", *removals):
        frame = labelled.without(removed) if removed else labelled.recordings
        for name, table in _tables(frame, labelled, models).items():
            tables.setdefault(name, {})[removed] = table
    return {name: Features(parts.pop(""), parts) for name, parts in tables.items()}


def _tables(frame: pd.DataFrame, labelled: Labelled, models: Mapping[str, Model]) -> dict[str, Float]:
    labels, level = labelled.labels, labelled.task.level
    events = labels[["participant_id", "start", "end"]] if level == "window" else None
    tables: dict[str, Float] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of columns that a model lacks, of rows without data
        for name, model in models.items():
            table = model.embed(frame, level=level, events=events, progress=False)
            tables[name] = _rows(table, labels, level)
        days = read_days(frame, Schema.from_names(labelled.channels))
    if events is not None:
        by_hand = hand_made_of_events(days, events)
        tables[HAND_MADE] = by_hand.to_numpy(np.float64)
        tables[MISSINGNESS] = by_hand.filter(like=" observed").fillna(0).to_numpy(np.float64)
        middle = labels["start"] + (labels["end"] - labels["start"]) / 2
        angle = 2 * np.pi * (middle.dt.hour * 60 + middle.dt.minute).to_numpy() / 1440
        waves = [wave(n * angle) for n in (1, 2) for wave in (np.sin, np.cos)]
        tables[TIME] = np.column_stack(waves)
    else:
        tables[HAND_MADE] = _rows(hand_made(days, "participant"), labels, level)
        tables[MISSINGNESS] = _rows(missingness(days, "participant"), labels, level)
    return tables


def _rows(table: pd.DataFrame, labels: pd.DataFrame, level: str) -> Float:
    """A table's numbers in the order of the labels."""
    if level == "participant":
        table = table.set_axis(table.index.astype(str)).reindex(labels["participant_id"])
    return table.to_numpy(np.float64)


@dataclass(frozen=True)
class ProbeEvaluation:
    """What an evaluation found."""

    scores: pd.DataFrame
    """``task, dataset, kind, level, people, rows, whose, method, removed, labelled, score`` and its
    ``value``, ``low`` and ``high``: ``whose`` is all people, or those of a part of the split; ``removed``
    says what was removed from the recordings held out; ``labelled`` on how many people the probe was
    fitted, if not on all.
    """
    differences: pd.DataFrame
    """``task, method, against, score, value, low, high``: paired by person, positive where the method is
    higher.
    """
    facts: dict[str, Any]
    """When, where, by what checkpoints; JSON can hold it."""

    def save(self, directory: str | Path) -> Path:
        """Write scores.parquet, differences.parquet, facts.json, table.md and figures.

        Args:
            directory: Made if needed; files are written under temporary names and renamed.

        Returns:
            The directory.
        """
        from .probe_report import draw_probes, probe_page

        out = Path(directory)
        files: dict[str, Callable[[Path], Any]] = {
            "scores.parquet": partial(self.scores.to_parquet, index=False),
            "differences.parquet": partial(self.differences.to_parquet, index=False),
            "facts.json": lambda path: path.write_text(json.dumps(self.facts, indent=1) + "\n"),
            "table.md": lambda path: path.write_text(probe_page(self.facts, self.scores, self.differences)),
        }
        write_files(out, files, draw_probes(self.scores))
        return out


def evaluate_probes(
    config: PretrainConfig,
    directory: Path,
    models: Mapping[str, Model],
    *,
    tasks: Iterable[str] | None = None,
    removals: bool = True,
    few: bool = True,
    finetune: bool = False,
    components: int | None = None,
    repeats: int = 5,
    seed: int = 0,
    out: str | Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> ProbeEvaluation:
    """Probe embeddings and baselines on the tasks of open recordings, by nested cross-validation over people.

    Args:
        config: The pretraining config that names sources, files and the split.
        directory: Of recordings and labels.
        models: By the name under which they stand in tables.
        tasks: Names of :data:`TASKS`; None for all that the config's sources allow.
        removals: Also score the probes on recordings from which periods or families were removed.
        few: Also fit probes on few people.
        finetune: Also fine-tune the first model, and train its architecture from random weights, on each fold
            of labels by participant (folds drawn once).
        components: Principal components that features are reduced to; None for none.
        repeats: How often folds are drawn for participants' labels (windows: once).
        seed: Of hours by which made-up clocks are moved, and of bootstraps.
        out: Directory in which finished predictions are kept, so that a run that was stopped goes on there,
            and one with more models or tasks begins with them; None keeps nothing.
            :meth:`ProbeEvaluation.save` writes the results.
        progress: Called with a line after each step.

    Raises:
        ValueError: An unknown task.
        FileNotFoundError: A file is missing.
    """
    known = [name for name, task in TASKS.items() if task.dataset in {s.name for s in config.sources}]
    chosen = known if tasks is None else list(tasks)
    for name in chosen:
        if name not in known:
            raise ValueError(f"task {name!r} is not known; it is one of {', '.join(known)}")
    started = time.perf_counter()
    rows: list[dict[str, Any]] = []
    differences: list[dict[str, Any]] = []
    kept = PredictionStore(None if out is None else Path(out) / "parts")
    for name in chosen:
        labelled = read_task(TASKS[name], config, directory, seed)
        people = labelled.labels["participant_id"].nunique()
        if people < FEWEST:
            progress(f"{name}: left out, {counted(people, 'person', 'people')} with labels and recordings")
            continue
        tables = features_of(labelled, models, labelled.removals() if removals else ())
        progress(f"{name}: features of {len(labelled.labels)} rows")
        found, paired = _score_task(
            labelled, tables, models, few, finetune, components, repeats, seed, kept, progress
        )
        rows += found
        differences += paired
    facts = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "seconds": round(time.perf_counter() - started),
        "checkpoints": {name: model.hash for name, model in models.items()},
        "repeats": repeats,
        "components": components,
    }
    table = pd.DataFrame(rows).reindex(columns=_COLUMNS)
    return ProbeEvaluation(table, pd.DataFrame(differences), facts)


def _score_task(
    labelled: Labelled,
    tables: dict[str, Features],
    models: Mapping[str, Model],
    few: bool,
    finetune: bool,
    components: int | None,
    repeats: int,
    seed: int,
    kept: PredictionStore,
    progress: Callable[[str], None],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    task, labels = labelled.task, labelled.labels
    classes: tuple[Any, ...] = ()
    if task.kind == "classification":
        classes = tuple(sorted(labels["label"].unique()))
        y: Any = np.searchsorted(np.array(classes), labels["label"].to_numpy(str)).astype(np.int64)
    else:
        y = labels["label"].to_numpy(np.float64)
    names, people = np.unique(labels["participant_id"], return_inverse=True)
    rows = Rows(y, people.astype(np.int64), Recipe(len(classes), components, "balanced", seed))
    repeats = repeats if task.level == "participant" else 1
    part = labelled.split.reindex(labels["participant_id"]).to_numpy(str)
    facts = {"task": task.name, "dataset": task.dataset, "kind": task.kind, "level": task.level}
    found: list[dict[str, Any]] = []

    def score(method: str, predicted: Float, **which: Any) -> scores.Bootstrap:
        """Note the scores of all people, and of the parts of the split; return those of all."""
        drawn: dict[str, scores.Bootstrap] = {}
        for whose in ("all", *_SPLITS):
            kept = np.flatnonzero((part == whose) | (whose == "all"))
            some = np.unique(people[kept], return_inverse=True)[1]
            if not len(kept) or (whose != "all" and which):
                continue
            row = facts | {"people": int(some.max()) + 1, "rows": len(kept), "whose": whose, "method": method}
            drawn[whose] = scores.bootstrap(scores.scorer(y[kept], predicted[kept], some), some, seed)
            for name, numbers in drawn[whose].intervals().items():
                found.append(row | which | {"score": name} | numbers)
        return drawn["all"]

    predictions = {DUMMY: scores.dummy(y, len(classes))}
    outputs: dict[str, dict[str, Float]] = {}
    for model in models:
        tables[f"{model} + {HAND_MADE}"] = tables[model].beside(tables[HAND_MADE])
    known = [content_hash(labelled.recordings), content_hash(labels), seed]
    for method, features in tables.items():
        predict = partial(out_of_fold, features, rows, repeats=repeats)
        depends_on = [*known, components, repeats, features.fingerprint]
        outputs[method] = kept.get(task.name, method, depends_on, predict)
        progress(f"{task.name}: {method}")
    own = set(models)
    if finetune and task.level == "participant":
        first, base = next(iter(models.items()))
        removals = next(iter(tables.values())).removed
        frames = {"": labelled.recordings} | {name: labelled.without(name) for name in removals}
        for method, scratch in ((f"{first}, fine-tuned", False), (SCRATCH, True)):
            tune = partial(tuned_out_of_fold, base, frames, labels, rows, classes, scratch=scratch, seed=seed)
            outputs[method] = kept.get(task.name, method, [*known, base.hash, list(frames)], tune)
            own.add(method)
            progress(f"{task.name}: {method}")
    for method, out in outputs.items():
        predictions[method] = out.pop("")
        for removed, predicted in out.items():
            score(method, predicted, removed=removed)
    drawn = {method: score(method, predicted) for method, predicted in predictions.items()}
    if few and task.level == "participant":
        sizes = tuple(size for size in SIZES if size <= 0.7 * len(names))
        for method in (*models, HAND_MADE):
            by_size = by_number_of_people(tables[method], rows, sizes, repeats=repeats)
            for size, predicted in by_size.items():
                score(method, predicted, labelled=size)
        progress(f"{task.name}: few labels")
    paired = []
    for method, against in permutations(drawn, 2):
        if method.split(" + ")[0] in own:
            which = {"task": task.name, "method": method, "against": against}
            for name, numbers in drawn[method].minus(drawn[against]).intervals().items():
                paired.append(which | {"score": name} | numbers)
    return found, paired
