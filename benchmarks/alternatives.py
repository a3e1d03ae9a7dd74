"""Whether another runtime or int8 would beat the prepared stacks on the CPU, and at what exactness.

    pip install onnx onnxruntime onnxscript openvino nncf  # what is not there leaves its rows empty
    python benchmarks/alternatives.py [--data ../shared/data] [--out docs/results/alternatives] [--threads N]

The encoder alone, a day a call: one of OpenMHC's size (random weights; half of a day's tokens, 1,368) and the
shipped one (simulated days, cut to the shortest). Beside the prepared stacks of the package stand torch's
dynamic int8 of the linear layers, ONNX Runtime with its own attention operator (float32, dynamic int8 of the
linear layers) and OpenVINO: float32, bfloat16, int8 of the linear layers (activations quantised on the way),
and int8 of all products by NNCF, calibrated on other days. All take turns in one process; times are medians
with the least and the most. Embeddings are means over a day's tokens; their difference is the worst of eight
days. With --data, the contenders that take any number of tokens also embed recorded days of valid people, the
summary included. About four minutes on two cores. Writes OUT.json and OUT.md.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import tempfile
import time
import warnings
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from datetime import date
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import engine
import numpy as np
import pandas as pd
import torch
from engine import FULL, ROOT, _ms, _span, recording, save, take_turns
from torch import Tensor, nn

import lsm2
from lsm2.aim import AIM
from lsm2.aim.blocks import Stack
from lsm2.aim.packing import Padded
from lsm2.aim.prepared import PreparedStack
from lsm2.channels import Schema
from lsm2.days import make_windows, read_days
from lsm2.evaluation.recordings import read_recordings
from lsm2.training import PretrainConfig
from tests.dense import write_release

DAYS = 8  # compared; as many others calibrate
PACKAGES = ("torch", "onnx", "onnxruntime", "openvino", "nncf")
Work = Callable[[Tensor], np.ndarray]


@dataclass(frozen=True)
class Case:
    """An encoder, what it is to answer, and where files may go."""

    stack: Stack
    days: list[Tensor]
    """Of (1, tokens, dim), all of one shape."""
    calibration: list[Tensor]
    threads: int
    place: Path


def encoder_inputs(model: lsm2.Model, frame: pd.DataFrame) -> list[Tensor]:
    """(1, tokens, dim) of each day."""
    network = model._engine.network
    days: list[Tensor] = []
    counts: list[int] = []
    values = torch.from_numpy(make_windows(read_days(frame, model.schema, keep_zeros=True), 1).values)
    handle = network.encoder.register_forward_pre_hook(lambda _, given: days.append(given[0]))
    for day in values.split(1):
        counts += network.encode(day, ~torch.isnan(day), torch.zeros(1, dtype=torch.long)).lengths
    handle.remove()
    return [x[:count][None].clone() for x, count in zip(days, counts, strict=True) if count]


def cut(days: list[Tensor], every: int = 1) -> list[Tensor]:
    """Each ``every``th token, as many as the day with the fewest has."""
    fewest = min(x.shape[1] for x in days)
    return [x[:, :fewest:every].clone() for x in days]


def prepared(case: Case, precision: torch.dtype) -> Work:
    stack = PreparedStack(case.stack, precision)
    return lambda x: stack(x, Padded()).numpy()


def torch_int8(case: Case) -> Work:
    stack = in_int8(case.stack)
    return lambda x: stack(x, Padded()).numpy()


def in_int8(stack: Stack) -> nn.Module:
    """Linear layers in int8, activations quantised on the way; attention stays in float32."""
    backends = torch.backends.quantized
    known = ("onednn", "x86", "fbgemm", "qnnpack")  # in the order of their speed
    backends.engine = next(name for name in known if name in backends.supported_engines)
    return torch.ao.quantization.quantize_dynamic(stack, {nn.Linear}, dtype=torch.qint8)


class OnnxAttention:
    """ONNX Runtime's own operator, faster there than the products and the softmax."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        name, given = "com.microsoft::MultiHeadAttention", (query, key, value)
        like: Any = {"dtype": query.dtype, "shape": query.shape, "version": 1}
        return torch.onnx.ops.symbolic(name, given, {"num_heads": heads}, **like)


class ForOnnx(nn.Module):
    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.stack = stack

    def forward(self, x: Tensor) -> Tensor:
        return self.stack(x, OnnxAttention())


def onnx_file(case: Case) -> Path:
    path = case.place / "encoder.onnx"
    if not path.exists():
        how: Any = {"dynamo": True, "opset_version": 20, "external_data": False, "verbose": False}
        torch.onnx.export(ForOnnx(case.stack), (case.days[0],), path, input_names=["x"], **how)
    return path


def onnxruntime(case: Case, int8: bool) -> Work:
    import onnxruntime as ort

    path = onnx_file(case)
    if int8:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        plain, path = path, case.place / "int8.onnx"
        quantize_dynamic(plain, path, weight_type=QuantType.QInt8, per_channel=True)
    options = ort.SessionOptions()
    options.intra_op_num_threads = case.threads
    options.add_session_config_entry("session.force_spinning_stop", "1")  # leave the others their turn
    options.add_session_config_entry("session.set_denormal_as_zero", "1")  # else attention takes far longer
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x.numpy()})[0]


def openvino(case: Case, precision: str, int8: str = "") -> Work:
    import openvino as ov

    model = ov.convert_model(onnx_file(case))
    options: dict[str, Any] = {"INFERENCE_NUM_THREADS": case.threads, "NUM_STREAMS": 1}
    options["INFERENCE_PRECISION_HINT"] = precision
    if int8:
        import nncf
    if int8 == "linear":
        model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
        options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 32
    elif int8 == "all":
        days = nncf.Dataset([x.numpy() for x in case.calibration])
        model = nncf.quantize(model, days, model_type=nncf.ModelType.TRANSFORMER, subset_size=DAYS)
    request = ov.Core().compile_model(model, "CPU", options).create_infer_request()
    return lambda x: request.infer({0: x.numpy()})[0].copy()


CONTENDERS: dict[str, Callable[[Case], Work]] = {
    "prepared, float32": partial(prepared, precision=torch.float32),
    "prepared, bfloat16": partial(prepared, precision=torch.bfloat16),
    "torch, dynamic int8": torch_int8,
    "ONNX Runtime, float32": partial(onnxruntime, int8=False),
    "ONNX Runtime, dynamic int8": partial(onnxruntime, int8=True),
    "OpenVINO, float32": partial(openvino, precision="f32"),
    "OpenVINO, bfloat16": partial(openvino, precision="bf16"),
    "OpenVINO, int8, linear layers": partial(openvino, precision="f32", int8="linear"),
    "OpenVINO, int8, all products": partial(openvino, precision="f32", int8="all"),
}


def one_minus_cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of each row."""
    return np.asarray(1 - (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))


def exactness(found: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Of embeddings (days, dim)."""
    middle, apart = truth.mean(0), one_minus_cosine(found, truth)
    return {
        "days": len(truth),
        "difference": float((np.abs(found - truth).max(1) / np.abs(truth).max(1)).max()),
        "one_minus_cosine": float(apart.max()),
        "one_minus_cosine_centred": float(one_minus_cosine(found - middle, truth - middle).max()),
        "days_below_0.999": int((apart > 1e-3).sum()),
    }


def recorded_days(network: AIM, schema: Schema, data: Path) -> list[dict[str, Any]]:
    """Rows of the embeddings themselves, of days of valid people, by contenders that take any length."""
    config = PretrainConfig.read(ROOT / "lsm2/training/lsm2-small.json")
    days: list[Tensor] = []
    for one in read_recordings(config, data, "valid"):
        frame = one.take(one.draw_days(2)).frame().dropna(how="all")
        if len(frame):
            windows = make_windows(read_days(frame, schema), 1)
            days += torch.from_numpy(windows.values[windows.observed.any((1, 2))]).split(1)
    stacks = {f"prepared, {p}": PreparedStack(network.encoder, getattr(torch, p)) for p in engine.PRECISIONS}
    every: dict[str, Any] = stacks | {"torch, dynamic int8": in_int8(network.encoder)}
    embeddings = {}
    for contender, stack in every.items():
        twin = copy(network)
        twin._modules = dict(network._modules) | {"encoder": stack}
        start = torch.zeros(1, dtype=torch.long)
        encoded = (twin.encode(day, ~torch.isnan(day), start) for day in days)
        embeddings[contender] = np.concatenate([twin.pool(one, 1).double().numpy() for one in encoded])
    truth = next(iter(embeddings.values()))
    name = "lsm2-small, embeddings of recorded days of valid people"
    return [
        {"model": name, "contender": contender} | exactness(found, truth)
        for contender, found in embeddings.items()
    ]


def compare(name: str, case: Case, repeats: int) -> list[dict[str, Any]]:
    """Rows of a network."""
    works: dict[str, Callable[[], Any]] = {}
    embeddings: dict[str, np.ndarray] = {}
    notes: dict[str, str] = {}
    for contender in CONTENDERS:
        try:
            work = CONTENDERS[contender](case)
            answers = [work(x).astype(float).mean(1)[0] for x in case.days]
        except ImportError as error:
            notes[contender] = f"not installed: {error.name}"
        except Exception as error:  # any runtime may refuse in its own way: that is an answer too
            notes[contender] = f"failed: {type(error).__name__}: {str(error).splitlines()[0][:80]}"
        else:
            works[contender], embeddings[contender] = partial(work, case.days[0]), np.stack(answers)
    seconds = take_turns(works, repeats)
    first = next(iter(CONTENDERS))
    truth, reference = embeddings[first], _ms(seconds[first])[0]
    rows = []
    for contender in CONTENDERS:
        row: dict[str, Any] = {"model": name, "tokens": case.days[0].shape[1], "contender": contender}
        rows.append(row)
        if contender in notes:
            row["note"] = notes[contender]
            continue
        found = embeddings[contender]
        row["ms"] = _ms(seconds[contender])
        row["times_prepared"] = round(reference / row["ms"][0], 3)
        row |= exactness(found, truth)
    return rows


def markdown(result: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    lines = [
        "# Other runtimes and int8 on the CPU",
        "",
        f"`python benchmarks/alternatives.py`, {result['machine']}, {versions}, {result['date']}. Medians of "
        f"{result['repeats']} turns (least - most), {result['clock']}, milliseconds a day, encoder alone. "
        "Difference of embeddings (means over tokens) from the first row's, the worst of all days: largest "
        "over largest value; 1 - cosine; 1 - cosine once the mean of all days is taken "
        "off (which says little of days of random values).",
    ]
    for name in dict.fromkeys(row["model"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["model"] == name]
        head = (
            "contender | ms | times the first | difference | 1 - cosine | without the mean | days under 0.999"
        )
        lines += [
            "",
            f"## {name}" + (f", {rows[0]['tokens']:,} tokens" if "tokens" in rows[0] else ""),
            "",
            f"| {head} |",
            "|---|---|---|---|---|---|---|",
        ]
        for row in rows:
            if "note" in row:
                cells = [row["note"], "", "", "", "", ""]
            else:
                exact = (row["difference"], row["one_minus_cosine"], row["one_minus_cosine_centred"])
                timed = "ms" in row
                cells = [
                    _span(row["ms"]) if timed else "",
                    f"{row['times_prepared']:.2f} x" if timed else "",
                    *(f"{max(e, 0):.1e}" for e in exact),
                    f"{row['days_below_0.999']} of {row['days']}",
                ]
            lines.append("| " + " | ".join([row["contender"], *cells]) + " |")
    return "\n".join(lines) + "\n"


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "docs/results/alternatives", help="without suffix")
    parser.add_argument("--data", type=Path, help="the folder of open recordings")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--cpu-time", action="store_true", help="of a busy machine, with --threads 1")
    args = parser.parse_args()
    if args.cpu_time:
        engine.clock = time.process_time
    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    rows: list[dict[str, Any]] = []
    for name in ("openmhc-size", "lsm2-small"):
        with tempfile.TemporaryDirectory() as place:
            if full := name == "openmhc-size":
                write_release(Path(place), **FULL)
            model = lsm2.load_model(place if full else name, precision="float32", device="cpu")
            frame = recording(model.schema, 2 * DAYS, 0.0) if full else lsm2.simulate(2 * DAYS, 1)
            days = cut(encoder_inputs(model, frame), 2 if full else 1)
            stack = model._engine.network.encoder.eval()
            case = Case(stack, days[::2], days[1::2], args.threads, Path(place))
            rows += (found := compare(name, case, args.repeats))
            print(json.dumps(found), flush=True)
    if args.data:
        rows += recorded_days(model._engine.network, model.schema, args.data)
    amx = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)()
    result = {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores{' with AMX' if amx else ''}, "
        f"{args.threads} threads",
        "versions": dict(sorted((d.name, d.version) for d in distributions() if d.name in PACKAGES)),
        "repeats": args.repeats,
        "clock": "processor time" if args.cpu_time else "wall time",
        "rows": rows,
    }
    save(args.out, result, markdown(result))


if __name__ == "__main__":
    main()
