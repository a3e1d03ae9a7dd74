"""A training run on disk: what is needed to go on exactly, in safetensors and JSON, renamed into place."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

_TENSORS, _NUMBERS = "state.safetensors", "state.json"


def save_state(
    directory: Path,
    model: nn.Module,
    average: dict[str, Tensor],
    optimiser: torch.optim.Optimizer,
    numbers: dict[str, float],
) -> None:
    """Write weights, their moving average, the optimiser's moments and some numbers; the last good state
    stays until then.
    """
    names = {id(p): name for name, p in model.named_parameters()}
    tensors = {f"model.{name}": p.detach() for name, p in model.named_parameters()}
    tensors |= {f"average.{name}": p for name, p in average.items()}
    for parameter, moments in optimiser.state.items():
        for key, value in moments.items():
            tensors[f"optimiser.{key}.{names[id(parameter)]}"] = torch.as_tensor(value)
    fresh, old = directory.with_name(directory.name + ".new"), directory.with_name(directory.name + ".old")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, fresh / _TENSORS)
    (fresh / _NUMBERS).write_text(json.dumps(numbers))
    shutil.rmtree(old, ignore_errors=True)
    if directory.exists():
        os.rename(directory, old)
    os.rename(fresh, directory)
    shutil.rmtree(old, ignore_errors=True)


def drop_state(directory: Path) -> None:
    """Remove the state, so that nothing goes on from it."""
    for folder in (directory, directory.with_name(directory.name + ".old")):
        shutil.rmtree(folder, ignore_errors=True)


def load_state(
    directory: Path, model: nn.Module, average: dict[str, Tensor], optimiser: torch.optim.Optimizer
) -> dict[str, float] | None:
    """Fill the model, the average and the optimiser from the last state; None if there is none.

    Raises:
        ValueError: The state is of another network.
    """
    old = directory.with_name(directory.name + ".old")
    if not directory.exists() and old.exists():
        os.rename(old, directory)  # killed between the two renames
    if not (directory / _NUMBERS).exists():
        return None
    tensors = load_file(directory / _TENSORS)
    parameters = dict(model.named_parameters())
    wrong = [
        name
        for name, parameter in parameters.items()
        if f"model.{name}" not in tensors or tensors[f"model.{name}"].shape != parameter.shape
    ]
    if wrong:
        raise ValueError(
            f"the run in {directory} is of another network ({len(wrong)} tensors differ, such as "
            f"{wrong[0]!r}); "
            "choose another output folder, or start afresh with --fresh"
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[f"model.{name}"])
            if name in average:
                average[name].copy_(tensors[f"average.{name}"])
    for name, parameter in parameters.items():
        moments = {
            key.split(".")[1]: value
            for key, value in tensors.items()
            if key.startswith("optimiser.") and key.split(".", 2)[2] == name
        }
        if moments:
            optimiser.state[parameter] = {
                key: value if key == "step" else value.to(parameter.device) for key, value in moments.items()
            }
    numbers: dict[str, float] = json.loads((directory / _NUMBERS).read_text())
    return numbers
