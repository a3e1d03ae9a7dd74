"""Fine-tuning: an encoder and a linear head, learnt together from labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from lsm2.aim import AIM
from lsm2.arguments import one_of
from lsm2.checkpoint import CheckpointConfig
from lsm2.days import DAY, FrameError, Windows, make_windows, read_days
from lsm2.levels import by_window
from lsm2.loading import resolve
from lsm2.model import Model
from lsm2.probe.embeddings import read_embeddings
from lsm2.probe.fit import Rows, fit, measure
from lsm2.probe.gather import gather
from lsm2.probe.labels import read_labels
from lsm2.probe.linear import Linear, Recipe, folds, most_folds
from lsm2.probe.probe import Probe, ProbeConfig
from lsm2.training.pooled import embed_padded

LEVELS = ("participant", "day")
_MICRO = 8  # windows computed at once


@dataclass(frozen=True)
class Options:
    """How to fine-tune."""

    layers: int | Literal["all"]
    scratch: bool
    epochs: int
    patience: int
    learning_rate: float
    weight_decay: float
    batch_rows: int
    days_per_row: int
    valid_fraction: float
    class_weight: Literal["balanced"] | None
    seed: int


def finetune(
    model: Model | str | Path | None,
    data: pd.DataFrame,
    labels: pd.Series | pd.DataFrame | Mapping[Any, Any],
    *,
    task: Literal["auto", "classification", "regression"] = "auto",
    level: Literal["participant", "day"] | None = None,
    label: str | None = None,
    groups: Any = None,
    layers: int | Literal["all"] = "all",
    scratch: bool = False,
    epochs: int = 20,
    patience: int = 4,
    learning_rate: float = 1e-4,
    weight_decay: float = 0.05,
    batch_rows: int = 8,
    days_per_row: int = 4,
    valid_fraction: float = 0.2,
    class_weight: Literal["balanced"] | None = "balanced",
    seed: int = 0,
    columns: Mapping[Any, str] | None = None,
    units: Mapping[str, str] | None = None,
    tz: Any = None,
    participant: str = "participant_id",
    timestamp: str = "timestamp",
    keep_zeros: bool = False,
    progress: bool | None = None,
) -> Model:
    """Train the encoder further on labels, with a linear head on its embeddings.

    A part of the people is held out; training stops when their loss no longer falls, and the best weights are
    kept. The head starts as the linear probe of the other people (Kumar et al. 2022, arXiv 2202.10054), so
    that the result is not worse than the probe on those held out. With few people a probe
    (:func:`lsm2.fit_probe`) is often as good, and it is honest about how good: compare.

    Args:
        model: What to start from: a model, a name or folder, or None for the shipped default. It is not
            changed.
        data: Recordings, as for :func:`lsm2.embed`.
        labels: By participant or by (participant, date), as for :func:`lsm2.fit_probe`.
        task, label, groups, class_weight: See :func:`lsm2.fit_probe`.
        level: ``"participant"``: the head reads the mean over days; ``"day"``; None: what the labels are by.
        layers: ``"all"``, or how many of the encoder's last blocks learn, and the summary of networks that
            have one (0: the head alone).
        scratch: Start from random weights, to see what pretraining is worth.
        epochs: Most passes over the training rows.
        patience: Passes without improvement before it stops.
        learning_rate: Of the encoder; the head's is ten times as large.
        weight_decay: Of AdamW.
        batch_rows: Rows (participants or days) of a step.
        days_per_row: Most days of a participant in a step, drawn anew each time.
        valid_fraction: Share of the people held out, rounded up; one of each class at least.
        seed: Of everything drawn.
        columns, units, tz, participant, timestamp, keep_zeros: See :func:`lsm2.embed`.
        progress: Show a progress bar; None shows it on a terminal.

    Returns:
        A new model, whose ``head`` is a :class:`lsm2.Probe`: ``lsm2.predict(data, "head", model=...)``.
        ``head.metrics_`` holds its scores on the people held out, which chose when to stop: they flatter.
        :meth:`Model.save` writes both. The decoder was not trained along: do not fill gaps with it.

    Raises:
        TypeError, ValueError: As for :func:`lsm2.fit_probe`; fewer than two people of a class; labels by
            interval; a model that reads several days at once.

    Example:
        >>> import lsm2
        >>> recordings = lsm2.simulate(participants=6, days=1, seed=1)
        >>> people = recordings.index.levels[0]
        >>> tuned = lsm2.finetune(None, recordings, pd.Series(["a", "b"] * 3, people), epochs=1, layers=1)
        >>> lsm2.predict(recordings, "head", model=tuned).shape
        (6, 3)
    """
    base = resolve(model)
    options = Options(
        layers,
        scratch,
        epochs,
        patience,
        learning_rate,
        weight_decay,
        batch_rows,
        days_per_row,
        valid_fraction,
        class_weight,
        seed,
    )
    _check(base, options)
    read = read_labels(labels, label=label, groups=groups, participant=participant)
    level = level or read.level()  # type: ignore[assignment]
    one_of("level", level, LEVELS)
    frame = {"columns": columns, "units": units, "tz": tz, "participant": participant}
    frame |= {"timestamp": timestamp, "keep_zeros": keep_zeros}
    days = read_days(data, base.schema, **frame)
    windows = make_windows(days, 1)
    table = base.embed(data, level="day", progress=False, **frame)
    by_row = table
    if level == "participant":
        by_row = by_window(windows, table.to_numpy(), "participant").filter(like="_mean")
        by_row.attrs = table.attrs | {"level": level}
    embeddings = read_embeddings(by_row, participant=participant)
    found = gather(embeddings, read, str(level), task, groups)
    row_of_day = np.arange(len(days)) if level == "day" else days.person
    there = ~table.isna().any(axis=1).to_numpy()
    positions = found.kept[found.order]  # of the rows to learn from, among the embeddings
    days_of = [np.flatnonzero((row_of_day == position) & there) for position in positions]
    recipe = Recipe(len(found.rows.target.classes), None, class_weight, seed)
    tuner = _Tuner(base, found.rows, windows, days_of, recipe, options)
    tuner.learn(progress)
    return tuner.finished(base, read.name, str(level), embeddings.channels)


def _check(base: Model, options: Options) -> None:
    network = base.config.network
    if network.window_minutes != DAY:
        raise ValueError(f"{base.config.name} reads {base.window_days} days at once; fine-tune a daily model")
    if options.layers != "all" and not 0 <= options.layers <= network.encoder_depth:
        raise ValueError(
            f"layers={options.layers!r} is 'all' or a number of the encoder's {network.encoder_depth} blocks"
        )
    for name in ("epochs", "patience", "batch_rows", "days_per_row"):
        if getattr(options, name) < 1:
            raise ValueError(f"{name}={getattr(options, name)!r} must be a whole number, 1 or more")
    if not 0 < options.valid_fraction <= 0.5:
        raise ValueError(
            f"valid_fraction={options.valid_fraction!r} must be a share of the people, at most a half"
        )
    if options.learning_rate <= 0:
        raise ValueError(f"learning_rate={options.learning_rate!r} must be a number above 0")


class _Tuner:
    """A network and a head on rows of windows."""

    def __init__(
        self,
        base: Model,
        rows: Rows,
        windows: Windows,
        days_of: list[np.ndarray],
        recipe: Recipe,
        options: Options,
    ) -> None:
        self.rows, self.recipe, self.options, self.days_of = rows, recipe, options, days_of
        self.windows, self.precision = windows, base.precision
        self.device = torch.device(base.device)
        torch.manual_seed(options.seed)
        network = base.network
        self.network = AIM(network.config) if options.scratch else deepcopy(network)
        self.network.to(self.device).requires_grad_(False)
        for part in self._learning():
            part.requires_grad_(True)
        self.train, self.valid = self._split()
        self.random = np.random.default_rng(options.seed)
        y = rows.target.y
        if recipe.classes:
            weight = np.ones(recipe.classes)
            if options.class_weight == "balanced":
                counts = np.bincount(y[self.train], minlength=recipe.classes)
                weight = len(self.train) / (recipe.classes * np.maximum(counts, 1))
            self.weight = torch.tensor(weight, dtype=torch.float32, device=self.device)
            self.centre, self.scale = 0.0, 1.0
            self.y = torch.from_numpy(y).to(self.device)
        else:
            self.centre, self.scale = float(y[self.train].mean()), float(y[self.train].std()) or 1.0
            self.y = torch.from_numpy((y - self.centre) / self.scale).float().to(self.device)
        self._begin()

    def _learning(self) -> list[nn.Module]:
        network = self.network
        parts: list[nn.Module | None]
        if self.options.layers == "all" or self.options.scratch:
            parts = [network.patch_embed, network.encoder_positions, network.encoder, network.summary]
        else:
            stack = network.encoder
            last = list(stack.blocks)[len(stack.blocks) - self.options.layers :]
            parts = [*last, stack.norm, network.summary] if last else []
        return [part for part in parts if part is not None]

    def _split(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows to learn from and rows held out, whole groups apart."""
        rows, fraction = self.rows, self.options.valid_fraction
        most = most_folds(rows.target.y, rows.groups, self.recipe)
        if most < 2:
            raise FrameError(
                "fine-tuning holds people out: it needs two people or more with data and a label, of each "
                "class; label more"
            )
        held = folds(rows.target.y, rows.groups, min(int(1 / fraction), most), self.recipe)[0][1]
        wanted = math.ceil(fraction * len(np.unique(rows.groups)))
        # Folds are fewer, and so larger, where a class is rare: give back what is too many of the others.
        kept = list(dict.fromkeys(rows.groups[held].tolist()))
        for group in np.random.default_rng(self.options.seed).permutation(kept).tolist():
            rest = [one for one in kept if one != group]
            classes = np.unique(rows.target.y[np.isin(rows.groups, rest)]) if self.recipe.classes else ()
            if len(kept) > wanted and len(classes) == self.recipe.classes:
                kept = rest
        valid = np.isin(rows.groups, kept)
        return np.flatnonzero(~valid), np.flatnonzero(valid)

    def _begin(self) -> None:
        """The head as the probe of the training rows, on standardised embeddings."""
        # The rows hold the embeddings of the weights that were given.
        x = self._embed_all().cpu().numpy().astype(np.float64) if self.options.scratch else self.rows.x
        mean, std = x[self.train].mean(0), np.maximum(x[self.train].std(0), 1e-6)
        outputs = self.recipe.classes if self.recipe.classes > 2 else 1
        if self.options.scratch:
            linear = Linear(np.zeros((outputs, x.shape[1])), np.full(outputs, self.centre))
        else:
            linear = fit(self.rows.take(self.train), self.recipe)[0]
        self.mean, self.std = (torch.from_numpy(v).float().to(self.device) for v in (mean, std))
        weight = linear.weights * std / self.scale
        bias = (linear.bias + linear.weights @ mean - self.centre) / self.scale
        self.head = nn.Linear(x.shape[1], outputs).to(self.device)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(weight))
            self.head.bias.copy_(torch.from_numpy(bias))

    def _outputs(self, embedded: Tensor) -> Tensor:
        outputs: Tensor = self.head((embedded - self.mean) / self.std)
        return outputs

    def _loss(self, outputs: Tensor, rows: np.ndarray) -> Tensor:
        y = self.y[torch.from_numpy(rows).to(self.device)]
        if not self.recipe.classes:
            return functional.mse_loss(outputs[:, 0], y)
        if self.recipe.classes == 2:
            outputs = torch.cat([torch.zeros_like(outputs), outputs], dim=1)
        return functional.cross_entropy(outputs, y, weight=self.weight)

    def _embed_windows(self, days: np.ndarray) -> Tensor:
        values = torch.from_numpy(self.windows.values[days]).to(self.device)
        visible = ~values.isnan()
        start = torch.zeros(len(days), dtype=torch.long, device=self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16"):
            return embed_padded(self.network, values.nan_to_num(0.0), visible, start)

    def _embed_rows(self, days_of: list[np.ndarray]) -> Tensor:
        """Means over the days of each row (rows, dim)."""
        days = np.concatenate(days_of)
        row = torch.from_numpy(np.repeat(np.arange(len(days_of)), [len(d) for d in days_of]))
        parts = [self._embed_windows(days[i : i + _MICRO]) for i in range(0, len(days), _MICRO)]
        embedded = torch.cat(parts)
        count = torch.bincount(row, minlength=len(days_of)).to(embedded)
        total = embedded.new_zeros(len(days_of), embedded.shape[1])
        total = total.index_add(0, row.to(embedded.device), embedded)
        return total / count[:, None]

    @torch.no_grad()
    def _embed_all(self, rows: np.ndarray | None = None) -> Tensor:
        self.network.eval()
        return self._embed_rows(self.days_of if rows is None else [self.days_of[row] for row in rows])

    @torch.no_grad()
    def _valid_loss(self) -> float:
        return float(self._loss(self._outputs(self._embed_all(self.valid)), self.valid))

    def _batches(self) -> Iterator[np.ndarray]:
        order = self.random.permutation(self.train)
        yield from np.split(order, np.arange(self.options.batch_rows, len(order), self.options.batch_rows))

    def learn(self, progress: bool | None) -> None:
        """Train until the loss of the rows held out no longer falls; the best weights are kept."""
        options = self.options
        encoder = [p for p in self.network.parameters() if p.requires_grad]
        groups = [{"params": self.head.parameters(), "lr": 10 * options.learning_rate}]
        if encoder:
            groups.append({"params": encoder, "lr": options.learning_rate})
        optimiser = torch.optim.AdamW(groups, weight_decay=options.weight_decay)
        self.losses, best, self.best_epoch = [self._valid_loss()], self._state(), 0
        bar = tqdm(
            range(1, options.epochs + 1), desc="finetune", disable=None if progress is None else not progress
        )
        for epoch in bar:
            self.network.train()
            for rows in self._batches():
                days_of = [self.random.permutation(self.days_of[row])[: options.days_per_row] for row in rows]
                loss = self._loss(self._outputs(self._embed_rows(days_of)), rows)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_([*encoder, *self.head.parameters()], 1.0)
                optimiser.step()
            self.losses.append(self._valid_loss())
            bar.set_postfix(valid=f"{self.losses[-1]:.3f}")
            if self.losses[-1] < self.losses[self.best_epoch]:
                best, self.best_epoch = self._state(), epoch
            elif epoch - self.best_epoch >= options.patience:
                break
        self.network.load_state_dict(best[0])
        self.head.load_state_dict(best[1])
        self.network.eval().requires_grad_(False)

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        parts: tuple[nn.Module, nn.Module] = (self.network, self.head)
        first, second = ({k: v.detach().clone() for k, v in part.state_dict().items()} for part in parts)
        return first, second

    def finished(self, base: Model, label: str | None, level: str, channels: tuple[str, ...] | None) -> Model:
        """The model, its head folded into weights on the embeddings themselves."""
        weights = self.head.weight.detach().double().cpu().numpy() * self.scale
        bias = self.head.bias.detach().double().cpu().numpy() * self.scale + self.centre
        weights = weights / self.std.double().cpu().numpy()
        linear = Linear(weights, bias - weights @ self.mean.double().cpu().numpy())
        held = self.rows.take(self.valid)
        held = replace(held, people=np.unique(held.people, return_inverse=True)[1])
        x = self._embed_all(self.valid).double().cpu().numpy()
        predicted = linear.probabilities(x) if self.recipe.classes else linear.outputs(x)
        target = self.rows.target
        facts = {
            "finetuned_from": base.hash,
            "scratch": self.options.scratch,
            "layers": self.options.layers,
            "rows": len(self.train),
            "people": len(np.unique(self.rows.people[self.train])),
            "epochs": self.best_epoch,
            "valid_losses": [round(loss, 5) for loss in self.losses],
        }
        config = CheckpointConfig(
            name=f"{base.config.name}-finetuned",
            licence=base.config.licence,
            description=f"{base.config.name}, fine-tuned to predict {label or 'labels'}; not for gaps.",
            channels=base.schema,
            network=self.network.config,
            training=base.config.training | {"finetuning": facts},
        )
        tuned = Model(self.network, config, device=base.device, precision=base.precision)
        dim = weights.shape[1]
        names = tuple(f"e{i}" if level == "day" else f"e{i}_mean" for i in range(dim))
        tuned.head = Probe(
            ProbeConfig(
                task=target.task,  # type: ignore[arg-type]
                level=level,  # type: ignore[arg-type]
                label=label,
                classes=target.classes,
                checkpoint=tuned.hash,
                model=config.name,
                channels=channels,
                dim=dim,
                features=names,
                metrics={"task": target.task, "level": level, "held_out": True}
                | measure(held, predicted, self.recipe),
                settings=facts,
            ),
            linear,
        )
        return tuned
