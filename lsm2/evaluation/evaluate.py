"""Evaluate models and baselines on gaps: from recordings to scores, tables and figures."""

from __future__ import annotations

import datetime
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lsm2.files import replacing

from .baselines import BASELINES, Baseline, same_minute
from .cohorts import Cohort, frame_cohorts
from .gaps import Method, baseline_method, learnt_method, model_method, score_gaps
from .kalman import kalman
from .masks import MaskStore
from .parts import PartStore
from .protocols import choose_protocols
from .pypots import PYPOTS, SECONDS
from .recordings import Recordings
from .report import page
from .ridge import ridge
from .tables import contests, skill, summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lsm2.model import Model

Learn = Callable[[Sequence[Recordings]], Baseline]

LEARNT: Mapping[str, Learn] = MappingProxyType(
    {
        "same minute": same_minute,
        "kalman": kalman,
        "ridge": ridge,
        "day ridge": partial(ridge, other_days=False),
        **PYPOTS,
    }
)
"""Name in tables -> baseline that learns from train people."""
DEFAULT_BASELINES = tuple(name for name in (*BASELINES, *LEARNT) if name not in PYPOTS)
"""Baselines scored unless others are asked for."""
ALWAYS = ("linear", "locf")
"""Verdicts are against the one, skill is over the other."""
OPENMHC_SCENARIOS = ("random_noise", "temporal_slice", "half of families", "intensity_failure")
"""Results that stand for OpenMHC's scenarios ("half of families" is its signal_slice)."""


@dataclass(frozen=True)
class GapEvaluation:
    """What an evaluation found."""

    scores: pd.DataFrame
    """A row per data set, participant, channel, protocol and method; see :func:`score_gaps`."""
    summary: pd.DataFrame
    """A row per channel, protocol and method; see :func:`summarise`."""
    contests: pd.DataFrame
    """Cells won and lost by each model against each other method; see :func:`contests`."""
    facts: dict[str, Any]
    """When, where, of whom, by what checkpoints; JSON can hold it."""

    def markdown(self) -> str:
        """Everything as a Markdown page."""
        return page(self.facts, self.scores, self.summary, self.contests)

    def _json(self) -> str:
        """Facts, contests and rows; a line each, five digits, so that changes can be read."""
        rows = [
            json.dumps({key: _short(value) for key, value in row.items() if not _empty(value)})
            for row in self.summary.to_dict("records")
        ]
        contests = [json.dumps(row) for row in self.contests.to_dict("records")]
        facts = json.dumps(self.facts, indent=1).removesuffix("\n}")
        lists = (("contests", contests), ("rows", rows))
        parts = [f'"{name}": [\n' + ",\n".join(lines) + "\n]" for name, lines in lists]
        return facts + ",\n" + ",\n".join(parts) + "\n}\n"

    def save(self, directory: str | Path) -> Path:
        """Write scores.parquet, results.json, table.md and figures.

        Args:
            directory: Made if needed; files are written under temporary names and renamed.

        Returns:
            The directory.
        """
        from .figures import draw_all

        out = Path(directory)
        files: dict[str, Callable[[Path], Any]] = {
            "scores.parquet": partial(self.scores.to_parquet, index=False),
            "results.json": lambda path: path.write_text(self._json()),
            "table.md": lambda path: path.write_text(self.markdown()),
        }
        write_files(out, files, draw_all(self.summary, judged=list(self.facts["checkpoints"])))
        return out


def evaluate_gaps(
    data: pd.DataFrame | Sequence[Cohort],
    *,
    train: pd.DataFrame | None = None,
    models: Mapping[str, Model] | None = None,
    protocols: Sequence[str] | None = None,
    baselines: Sequence[str] | None = None,
    out: str | Path | None = None,
    most_days: int = 8,
    seed: int = 0,
    pypots_seconds: float = SECONDS,
    name: str = "recording",
    notes: Sequence[str] = (),
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> GapEvaluation:
    """Hide observed minutes, fill them by models and baselines, and score all on the same minutes.

    Args:
        data: A recording, in any form that :func:`lsm2.reconstruct` takes; or cohorts, such as
            :func:`lsm2.evaluation.config_cohort` reads.
        train: A recording of other people, for scales and for baselines that learn; see
            :func:`lsm2.evaluation.frame_cohorts` for what happens without.
        models: Name in tables -> model; None scores baselines only. Channels that one of them does not know
            are left out.
        protocols: Names of protocols or of their groups; None for all but the simulated ones.
        baselines: Names of baselines; None for all but ``saits`` and ``brits``. ``linear`` and ``locf``
            always take part.
        out: Directory in which masks and finished parts are kept, so that a run that was stopped goes on
            there; None keeps nothing. :meth:`GapEvaluation.save` writes the results.
        most_days: Days of a participant in which minutes are hidden.
        seed: Seed of all draws.
        pypots_seconds: Processor time of each training of a network of PyPOTS (one in own units and one in
            the transformed scale for each data set read on its own).
        name: Of a frame, for tables and files.
        notes: Sentences to stand in the page.
        progress: Called with a line after each data set and protocol.
        **options: For a frame: columns, units, tz, participant, timestamp, keep_zeros.

    Returns:
        Scores, tables and facts.

    Raises:
        ValueError: A name is not known, nothing can be hidden, or stored masks are of other recordings.
        ImportError: A baseline needs an extra that is not installed.

    Examples:
        >>> import lsm2
        >>> found = evaluate_gaps(lsm2.simulate(4, 2), protocols=["60 min"], baselines=["day mean"])
        >>> sorted(found.summary["method"].unique())
        ['day mean', 'linear', 'locf']
    """
    started, processor = time.perf_counter(), time.process_time()
    wanted = choose_baselines(baselines)
    chosen = choose_protocols(protocols)
    models = dict(models or {})
    clash = [name for name in models if name in (*BASELINES, *LEARNT)]
    if clash:
        raise ValueError(f"a model cannot be called {clash[0]!r}, which is a baseline; give it another name")
    said = list(notes)
    if isinstance(data, pd.DataFrame):
        cohorts, where_from = frame_cohorts(data, train, name=name, seed=seed, **options)
        said.append(where_from)
    else:
        cohorts = list(data)
    known = _known_channels(cohorts, models, said)
    directory = Path(out) if out is not None else None
    tables = []
    for cohort in (cohort.only(known) for cohort in cohorts):
        methods, identities = _methods(cohort, models, wanted, pypots_seconds, said)
        scales = json.dumps({name: asdict(scale) for name, scale in sorted(cohort.scales.items())})
        tables.append(
            score_gaps(
                cohort.recordings,
                methods,
                cohort.scales,
                protocols=chosen,
                most_days=most_days,
                seed=seed,
                masks=MaskStore(directory / "masks" if directory else None),
                parts=PartStore(directory / "parts" if directory else None, identities, scales),
                progress=progress,
            )
        )
    scores = pd.concat(tables, ignore_index=True)
    return GapEvaluation(
        scores,
        summarise(scores),
        contests(scores, list(models)),
        {
            **_facts(scores, models, said),
            "seconds": round(time.perf_counter() - started, 1),
            "cpu_seconds": round(time.process_time() - processor, 1),
            "seed": seed,
            "most_days": most_days,
            "protocols": list(chosen),
        },
    )


def choose_baselines(names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return baselines by name, ``linear`` and ``locf`` first; by default all but those of PyPOTS.

    Raises:
        ValueError: There is no such baseline.

    Examples:
        >>> choose_baselines(["same-minute"])
        ('linear', 'locf', 'same minute')
    """
    every = (*BASELINES, *LEARNT)
    wanted = [name.replace("-", " ") for name in (DEFAULT_BASELINES if names is None else names)]
    unknown = [name for name in wanted if name not in every]
    if unknown:
        raise ValueError(f"no baseline {unknown[0]!r}; there are {', '.join(every)}")
    return tuple(dict.fromkeys([*ALWAYS, *wanted]))


def _known_channels(cohorts: Sequence[Cohort], models: Mapping[str, Model], said: list[str]) -> list[str]:
    """Channels of the cohorts that every model reads."""
    held = list(dict.fromkeys(name for cohort in cohorts for name in cohort.scales))
    known = [name for name in held if all(name in model.schema.names for model in models.values())]
    if len(known) < len(held):
        left = ", ".join(name for name in held if name not in known)
        said.append(f"Left out, since a model does not read them: {left}.")
    if not known:
        raise ValueError(f"no model reads any of {', '.join(held)}; give another model")
    return known


def _methods(
    cohort: Cohort,
    models: Mapping[str, Model],
    baselines: Sequence[str],
    seconds: float,
    said: list[str],
) -> tuple[dict[str, Method], dict[str, str]]:
    """Methods by name, and what each would fill by, as text."""
    methods: dict[str, Method] = {name: model_method(model) for name, model in models.items()}
    identities = {name: f"{model.hash} {model.precision}" for name, model in models.items()}
    for name in baselines:
        if name in BASELINES:
            methods[name] = baseline_method(BASELINES[name])
        elif cohort.train or name == "same minute":
            learn, identities[name] = LEARNT[name], cohort.train_fingerprint
            if name in PYPOTS:
                learn = partial(PYPOTS[name], seconds=seconds)
                identities[name] += f" {seconds:.0f} s"
                note = f"{name}: trained {seconds:.0f} s of processor time in own units, as long transformed."
                if note not in said:
                    said.append(note)
            methods[name] = learnt_method(learn, cohort.train, cohort.scales)
    return methods, identities


def _facts(scores: pd.DataFrame, models: Mapping[str, Model], said: list[str]) -> dict[str, Any]:
    import lsm2

    people = scores[["dataset", "participant"]].drop_duplicates()
    days = scores[scores["method"] == "linear"].groupby(["dataset", "participant"])["days"].max().sum()
    judged = [name for name in dict.fromkeys(scores["method"]) if name != "locf"]
    openmhc = scores[scores["protocol"].isin(OPENMHC_SCENARIOS)]
    parts = scores.drop_duplicates(["dataset", "method", "seconds"])
    facts: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "checkpoints": {name: model.hash for name, model in models.items()},
        "machine": machine(),
        "versions": {"lsm2": lsm2.__version__, "numpy": np.__version__, "pandas": pd.__version__},
        "people": len(people),
        "people_by_dataset": people["dataset"].value_counts(sort=False).to_dict(),
        "days": int(days),
        "seconds_by_method": parts.groupby("method", sort=False)["seconds"].sum().round(1).to_dict(),
        "skill": {name: skill(scores, name) for name in judged},
        "notes": said,
    }
    if len(openmhc):
        there = set(openmhc["method"])
        facts["skill_openmhc"] = {name: skill(openmhc, name) for name in judged if name in there}
    return facts


def _short(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def machine() -> str:
    """Processor, cores, system and Python, in a line."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def write_files(
    directory: Path, files: Mapping[str, Callable[[Path], Any]], figures: Mapping[str, Figure]
) -> None:
    """Write files by name, and figures as name.png, each under a temporary name and then renamed."""
    directory.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, Callable[[Path], Any]] = {
        f"{name}.png": partial(figure.savefig, dpi=80, format="png", metadata={"Software": ""})
        for name, figure in figures.items()
    }
    for name, write in {**files, **pictures}.items():
        with replacing(directory / name) as temporary:
            write(temporary)
