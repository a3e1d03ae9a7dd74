"""How near the engine comes to the machine: beside a dense network, and beside the machine's matrix rate.

    python benchmarks/engine.py [--out docs/results/engine] [--shares 0 0.25 0.5 0.75] [--repeats 5]
    python benchmarks/engine.py --device cuda --out docs/results/engine-gpu

Two networks: the shipped one, and one of OpenMHC's size (25 million parameters, 19 channels, random weights:
the cost does not depend on them). ``embed`` and ``reconstruct``, float32 and bfloat16, model only (arrays of
days in, arrays out) and end to end from pandas, on random days of which about a share is missing in one
stretch a channel. Beside them the same weights run densely: all tokens, attention with an expanded additive
mask, float32. All contenders of a network and share take turns in one process, so that noise hits all; times
are medians with the least and the most. Operations are counted by formula and hold only what has to be
computed. The matrix rate is that of the best of several large products, taken in between. On a GPU batches
are larger, of the dense network too.

Then the cost against the number of days (10,000 with ``--many``), and fresh processes. About ten minutes on
two idle cores; ``--quick`` takes two. Writes OUT.json and OUT.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

import lsm2
from lsm2.aim import AIM
from lsm2.aim.context import across_features, context_features
from lsm2.aim.model import Tokens
from lsm2.channels import Schema
from lsm2.days import make_windows, read_days
from lsm2.engine import Engine

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.dense import Dense, write_release  # noqa: E402

FULL = {"dim": 384, "depth": 12, "heads": 6, "decoder_dim": 256, "decoder_depth": 4, "decoder_heads": 4}
PRECISIONS = ("float32", "bfloat16")
TASKS = ("embed", "reconstruct")
DAYS = {"openmhc-size": {"float32": 2, "bfloat16": 4}, "lsm2-small": {"float32": 16, "bfloat16": 32}}
PRODUCT = {"float32": 2048, "bfloat16": 4096}
MORE_ON_GPUS = {"days": 64, "dense": 32, "product": 2}


def recording(schema: Schema, days: int, missing: float, seed: int = 0) -> pd.DataFrame:
    """Ten days a person of random values in range; each channel and day lacks one stretch of patches."""
    rng = np.random.default_rng(seed)
    columns = {}
    for channel in schema.channels:
        low, high = channel.minimum, channel.maximum
        values = rng.uniform(low, min(high, low + 200), (days, 1440)).astype(np.float32)
        if channel.kind == "binary":
            values = values.round()
        spread = 0.2 * rng.uniform(-1, 1, days) if 0 < missing < 1 else np.zeros(days)
        length = np.round(144 * np.clip(missing + spread, 0, 1)).astype(int)
        begin = rng.integers(0, 144, days)
        slot = (np.arange(144) - begin[:, None]) % 144
        values[np.repeat(slot < length[:, None], 10, axis=1)] = np.nan
        columns[channel.name] = values.reshape(-1)
    people = [f"person {day // 10}" for day in range(days)]
    times = pd.date_range("2024-03-01", periods=14400, freq="min")
    index = pd.MultiIndex.from_arrays(
        [np.repeat(people, 1440), np.concatenate([times] * (days // 10 + 1))[: days * 1440]],
        names=["participant_id", "timestamp"],
    )
    return pd.DataFrame(columns, index=index)


# ---------------------------------------------------------------------- what has to be computed


def _layers(depth: int, dim: int, ratio: float, queries: float, keys: float, cross: bool) -> float:
    """Operations of transformer layers: projections, attention, feed-forward part."""
    projections = 4 * dim**2 * (queries + keys) if cross else 8 * dim**2 * queries
    return depth * (projections + 4 * queries * keys * dim + 4 * ratio * dim**2 * queries)


def operations(network: AIM, seen: np.ndarray, asked: np.ndarray | None) -> float:
    """Floating-point operations for days with ``seen`` tokens, and ``asked`` ones answered (None: embed)."""
    c = network.config
    wide, dim, ratio = c.encoder_dim, c.decoder_dim, c.mlp_ratio
    features = c.patch_minutes * (2 if c.minute_flags else 1)
    total = 0.0
    for day in range(len(seen)):
        n = float(seen[day])
        total += 2 * n * features * wide + _layers(c.encoder_depth, wide, ratio, n, n, False)
        if asked is None:
            if network.summary is not None:
                layers = (network.summary.up, network.summary.down, network.summary.skip)
                total += 2 * n * sum(layer.weight.numel() for layer in layers)
            continue
        q = float(asked[day])
        outputs = (3 if c.read_out == "mean_and_median" else 1) * c.patch_minutes
        queried = context_features(c) if c.correction else 0
        queried += across_features(c) if c.query_channels else 0
        total += 2 * n * wide * dim + 2 * q * dim * (outputs + queried)
        if c.decoder == "cross":
            total += _layers(c.decoder_depth, dim, ratio, q, n, True)
        else:  # all tokens, but in the last layer only the answered ones
            every = c.tokens
            total += _layers(c.decoder_depth - 1, dim, ratio, every, every, False)
            total += _layers(1, dim, ratio, q, every, True)
    return total


# ---------------------------------------------------------------------- the dense networks


@dataclass(frozen=True)
class Masked:
    """Attention of all tokens with an additive mask, expanded to queries x keys."""

    bias: Tensor

    def attend(self, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value))
        mask = self.bias[:, None, None, :].expand(len(q), 1, q.shape[2], k.shape[2])
        out = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return out.transpose(1, 2).flatten(2)


class DenseCross:
    """The shipped form of the network over all tokens, in float32."""

    def __init__(self, network: AIM) -> None:
        self.network = network
        self.device = network.mask_token.device

    def _encode(self, x: np.ndarray) -> tuple[Tensor, Tokens, Tensor, Masked]:
        values = torch.from_numpy(x).to(self.device)
        tokens = self.network.tokenise(values, ~torch.isnan(values))
        every = torch.arange(self.network.config.tokens, device=self.device).expand(len(x), -1)
        start = torch.zeros(len(x), 1, dtype=torch.long, device=self.device)
        inputs = self.network.patch_embed(tokens.inputs) + self.network.encoder_positions(every, start)
        layout = Masked(torch.zeros_like(tokens.share).masked_fill(~tokens.visible, -torch.inf))
        return self.network.encoder(inputs, layout), tokens, every, layout

    @torch.inference_mode()
    def embed(self, x: np.ndarray) -> np.ndarray:
        output, tokens, every, _ = self._encode(x)
        if self.network.summary is not None:
            output = self.network.summary(output, tokens.inputs, every, torch.zeros_like(every[:, :1]))
        weight = self.network.weights(tokens) * tokens.visible
        return ((output * weight[..., None]).sum(1) / weight.sum(1, keepdim=True)).cpu().numpy()

    @torch.inference_mode()
    def impute(self, x: np.ndarray, target: np.ndarray) -> np.ndarray:
        network = self.network
        output, _, every, layout = self._encode(x)
        values = torch.from_numpy(x).to(self.device)
        day = torch.arange(len(x), device=self.device).repeat_interleave(every.shape[1])
        token, start = every.flatten(), torch.zeros_like(day)
        context = network._context(values, ~torch.isnan(values), None)
        queries = network._queries(day, token, start, context).unflatten(0, every.shape)
        keys = network.encoder_to_decoder(output) + network.decoder_positions(every, start[:1, None])
        answer = network.decoder(queries, layout, keys).flatten(0, 1)
        mean = network._read(answer, day, token, context).mean
        return np.where(target, mean.reshape(x.shape).cpu().numpy(), x)


# ---------------------------------------------------------------------- measuring


clock = time.perf_counter


def take_turns(works: dict[Any, Callable[[], Any]], repeats: int) -> dict[Any, list[float]]:
    """Seconds of each work, ``repeats`` times in turns, after one turn to warm up."""
    seconds: dict[Any, list[float]] = {key: [] for key in works}
    for turn in range(repeats + 1):
        for key, work in works.items():
            start = clock()
            work()
            if turn:
                seconds[key].append(clock() - start)
    return seconds


def product(precision: str, device: torch.device) -> tuple[Callable[[], Any], float]:
    """A large matrix product, and its operations."""
    on_gpu, kind = device.type == "cuda", getattr(torch, precision)
    size = PRODUCT[precision] * (MORE_ON_GPUS["product"] if on_gpu else 1)
    a, b = (torch.randn(size, size).to(device, kind) for _ in range(2))
    out = torch.empty_like(a)

    def work() -> None:
        torch.mm(a, b, out=out)
        if on_gpu:
            torch.cuda.synchronize(device)

    return work, 2.0 * size**3


@torch.no_grad()
def compare(
    name: str, models: dict[str, lsm2.Model], dense: Any, missing: float, repeats: int
) -> list[dict[str, Any]]:
    """Rows of a network at a missing share."""
    works: dict[Any, Callable[[], Any]] = {}
    counted: dict[tuple[str, str], float] = {}
    answers: dict[str, np.ndarray] = {}
    quiet: dict[str, Any] = {"batch_size": None, "progress": False}
    whole_way: dict[str, Any] = {"keep_zeros": True, "progress": False}
    first = next(iter(models.values()))
    device = first._engine.device
    more = MORE_ON_GPUS if device.type == "cuda" else {"days": 1, "dense": 1}
    days = {precision: DAYS[name][precision] * more["days"] for precision in models}
    whole = recording(first.schema, max(days.values()), missing)
    few = make_windows(read_days(whole.iloc[: 1440 * more["dense"]], first.schema, keep_zeros=True), 1).values
    gaps = np.isnan(few)
    works["embed", "dense"] = lambda: dense.embed(few)
    works["reconstruct", "dense"] = lambda: dense.impute(few, gaps)
    products = {precision: product(precision, device) for precision in models}
    for precision, model in models.items():
        frame = whole.iloc[: 1440 * days[precision]]
        windows = make_windows(read_days(frame, model.schema, keep_zeros=True), 1)
        engine, wanted, kept = model._engine, np.isnan(windows.values), np.ones(len(windows), bool)
        works["embed", precision, "model"] = lambda e=engine, w=windows, k=kept: e.embed(w.values, k, **quiet)
        works["embed", precision, "frame"] = lambda m=model, f=frame: m.embed(f, **whole_way)
        works["reconstruct", precision, "model"] = lambda m=model, w=windows, t=wanted: m.propose(
            w, t, "mean", **quiet
        )
        works["reconstruct", precision, "frame"] = lambda m=model, f=frame: m.reconstruct(f, **whole_way)
        works["product", precision] = products[precision][0]
        answers[precision] = engine.embed(few, np.ones(len(few), bool), **quiet)
        counted["embed", precision] = operations(engine.network, engine.token_counts(~wanted), None)
        counted["reconstruct", precision] = _counted_calls(works["reconstruct", precision, "model"])
    seconds = take_turns(works, repeats)
    truth = dense.embed(few)
    rows = []
    for task in TASKS if missing else TASKS[:1]:  # nothing is missing, nothing is asked for
        densely = [s / more["dense"] for s in seconds[task, "dense"]]
        reference = statistics.median(densely)
        for precision in models:
            model_only = [s / days[precision] for s in seconds[task, precision, "model"]]
            end_to_end = [s / days[precision] for s in seconds[task, precision, "frame"]]
            median, count = statistics.median(model_only), counted[task, precision] / days[precision]
            rate = products[precision][1] / min(seconds["product", precision])
            row: dict[str, Any] = {
                "model": name,
                "missing": missing,
                "task": task,
                "precision": precision,
                "days": days[precision],
                "dense_ms": _ms(densely),
                "model_ms": _ms(model_only),
                "frame_ms": _ms(end_to_end),
                "times_dense": reference / median if count else None,
                "gflop_per_day": count / 1e9,
                "gflop_per_s": count / median / 1e9,
                "matrix_gflop_per_s": rate / 1e9,
                "share_of_matrix_rate": count / median / rate,
                "end_to_end_speed": median / statistics.median(end_to_end),
            }
            if task == "embed":
                a, b = answers[precision][0].astype(float), truth[0].astype(float)
                row["difference"] = float(np.abs(a - b).max() / np.abs(b).max())
                row["one_minus_cosine"] = 1 - float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
            rows.append({k: round(v, 8) if isinstance(v, float) else v for k, v in row.items()})
    return rows


def _counted_calls(work: Callable[[], Any]) -> float:
    """Operations of all calls of the engine that some work makes (windows across midnight are such)."""
    total, plain = 0.0, Engine.reconstruct

    def counting(self: Engine, values: np.ndarray, wanted: np.ndarray, **options: Any) -> list[np.ndarray]:
        nonlocal total
        c = self.network.config
        asked = wanted.reshape(len(values), c.tokens, c.patch_minutes).any(-1).sum(1)
        seen = np.where(asked > 0, self.token_counts(~np.isnan(values)), 0)
        total += operations(self.network, seen, np.where(seen > 0, asked, 0))
        return plain(self, values, wanted, **options)

    with mock.patch.object(Engine, "reconstruct", counting):
        work()
    return total


def _ms(seconds: list[float]) -> list[float]:
    """Median, least and most, in milliseconds."""
    return [round(1000 * f(seconds), 3) for f in (statistics.median, min, max)]


def by_days(model: lsm2.Model, counts: list[int], repeats: int) -> list[dict[str, Any]]:
    """Cost of a call against its number of days, end to end."""
    frames = {count: recording(model.schema, count, 0.5) for count in counts}
    works: dict[Any, Callable[[], Any]] = {}
    for count, frame in frames.items():
        works["embed", count] = lambda f=frame: model.embed(f, keep_zeros=True, progress=False)
        if count <= 100:
            works["reconstruct", count] = lambda f=frame: model.reconstruct(f, progress=False)
    rows = []
    for (task, count), seconds in take_turns(works, repeats).items():
        median, least, most = _ms(seconds)
        rows.append(
            {"task": task, "days": count, "precision": model.precision, "ms": median, "least": least}
            | {"most": most, "ms_per_day": round(median / count, 3)}
        )
    return rows


START = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"
FRESH = {
    "import lsm2": "import lsm2",
    "load_model() and embed of one day": "import lsm2; d = lsm2.simulate(1, 1); lsm2.load_model().embed(d)",
}


def fresh(repeats: int) -> list[dict[str, Any]]:
    """Seconds in fresh processes, without the interpreter's own start."""
    rows = []
    for what, code in FRESH.items():
        seconds = []
        for _ in range(repeats):
            command = [sys.executable, "-W", "ignore", "-c", START.format(code)]
            output = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
            seconds.append(float(output.split()[-1]))
        rows.append({"what": what, "median_s": round(statistics.median(seconds), 3)})
        rows[-1] |= {"least_s": round(min(seconds), 3), "most_s": round(max(seconds), 3)}
    return rows


# ---------------------------------------------------------------------- the table


def markdown(result: dict[str, Any]) -> str:
    dense = "a day" if result["dense_days"] == 1 else f"{result['dense_days']} days"
    lines = [
        "# How near the engine comes to the machine",
        "",
        f"`python benchmarks/engine.py`, {result['machine']}, torch {result['torch']}, {result['date']}. "
        f"Medians of {result['repeats']} turns (least - most), {result['clock']}, milliseconds a day of all "
        f"channels. Dense: all tokens, additive mask, float32, {dense} a call. Share: operations that have "
        "to be done, over the time and the rate of a large matrix product at that precision in the same run.",
    ]
    for name in dict.fromkeys(row["model"] for row in result["rows"]):
        head = (
            "missing | task | precision | dense | model only | times dense | GFLOP | GFLOP/s | matrix rate "
            "| share | end to end | its speed over model only | difference, 1 - cosine"
        )
        lines += ["", f"## {name}", "", f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
        for row in (r for r in result["rows"] if r["model"] == name):
            exact = f"{row['difference']:.1e}, {row['one_minus_cosine']:.1e}" if "difference" in row else ""
            count = row["gflop_per_day"]
            faster = f"{row['times_dense']:.1f} x" if count else ""
            cells = [f"{row['missing']:.0%}", row["task"], row["precision"], _span(row["dense_ms"])]
            cells += [_span(row["model_ms"]), faster, f"{count:.1f}", f"{row['gflop_per_s']:.0f}"]
            cells += [f"{row['matrix_gflop_per_s']:.0f}", f"{row['share_of_matrix_rate']:.0%}"]
            cells += [_span(row["frame_ms"]), f"{row['end_to_end_speed']:.0%}" if count else "", exact]
            lines.append("| " + " | ".join(cells) + " |")
    if result["by_days"]:
        lines += ["", "## Cost against the number of days", "", "lsm2-small, 50 % missing, end to end.", ""]
        lines += ["| task | precision | days | ms (least - most) | ms a day |", "|---|---|---|---|---|"]
        lines += [
            f"| {r['task']} | {r['precision']} | {r['days']:,} | {r['ms']} ({r['least']} - {r['most']}) "
            f"| {r['ms_per_day']} |"
            for r in result["by_days"]
        ]
    lines += ["", "## Fresh processes", "", "| | seconds (least - most) |", "|---|---|"]
    lines += [f"| {r['what']} | {r['median_s']} ({r['least_s']} - {r['most_s']}) |" for r in result["fresh"]]
    return "\n".join(lines) + "\n"


def _span(times: list[float]) -> str:
    return "{:.4g} ({:.4g} - {:.4g})".format(*times)


def save(out: Path, result: dict[str, Any], page: str) -> None:
    """Write the numbers to OUT.json and the page to OUT.md, and print the page."""
    out.parent.mkdir(parents=True, exist_ok=True)
    for suffix, text in ((".json", json.dumps(result, indent=1) + "\n"), (".md", page)):
        part = out.with_suffix(suffix + ".part")
        part.write_text(text)
        part.replace(out.with_suffix(suffix))
    print(page)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "docs/results/engine", help="without suffix")
    parser.add_argument("--models", nargs="+", choices=list(DAYS), default=list(DAYS))
    parser.add_argument("--shares", nargs="+", type=float, default=[0.0, 0.25, 0.5, 0.75])
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--days", nargs="*", type=int, default=[1, 10, 100, 1000], help="cost against days")
    parser.add_argument("--many", action="store_true", help="10,000 days too")
    parser.add_argument("--cpu-time", action="store_true", help="of a busy machine, with --threads 1")
    parser.add_argument("--quick", action="store_true", help="half missing, up to 100 days")
    args = parser.parse_args()
    if args.quick:
        args.shares, args.days = [0.5], [1, 10, 100]
    if args.cpu_time:
        globals()["clock"] = time.process_time
    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore", UserWarning)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        full: Dense = write_release(Path(place), **FULL).to(args.device)
        for name in args.models:
            source = place if name == "openmhc-size" else name
            models = {
                precision: lsm2.load_model(source, precision=precision, device=args.device)
                for precision in args.precisions
            }
            first = next(iter(models.values()))
            dense: Any = full if name == "openmhc-size" else DenseCross(first.network)
            for missing in args.shares:
                rows += (found := compare(name, models, dense, missing, args.repeats))
                print(json.dumps(found), flush=True)
    counts = args.days + [10_000] * args.many
    small = lsm2.load_model("lsm2-small", precision=args.precisions[-1], device=args.device)
    on_gpu = small._engine.device.type == "cuda"
    amx = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)()
    result = {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores{' with AMX' if amx else ''}, "
        f"{args.threads} threads" + (f", {torch.cuda.get_device_name(args.device)}" if on_gpu else ""),
        "dense_days": MORE_ON_GPUS["dense"] if on_gpu else 1,
        "torch": torch.__version__,
        "repeats": args.repeats,
        "clock": "processor time" if args.cpu_time else "wall time",
        "rows": rows,
        "by_days": by_days(small, counts, args.repeats) if counts else [],
        "fresh": fresh(args.repeats),
    }
    save(args.out, result, markdown(result))


if __name__ == "__main__":
    main()
