"""Pretraining: adaptive and inherited masking over the sources of a config, on one process or several."""

from __future__ import annotations

import importlib
import json
import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from tqdm import tqdm

from lsm2.aim import AIM
from lsm2.checkpoint.native import CONFIG, CheckpointConfig, save_checkpoint
from lsm2.training.blending import fit_weights, leave_out_unlearnt
from lsm2.training.config import PretrainConfig
from lsm2.training.contrastive import ContrastiveTrainer
from lsm2.training.feed import Feed
from lsm2.training.initial import first_network, initial_facts, without_repeated
from lsm2.training.materials import gather
from lsm2.training.regression import ChannelTrainer, GapTrainer
from lsm2.training.state import drop_state, load_state, save_state
from lsm2.training.summary import SummaryTrainer
from lsm2.training.survey import Survey
from lsm2.training.trainer import Trainer, family_groups, learning_rate

_STAGES = {stage.name: stage for stage in (ChannelTrainer, GapTrainer, SummaryTrainer)}


@contextmanager
def processes(device: str) -> Iterator[tuple[int, int]]:
    """Rank and world size; joins the group of processes that ``torchrun`` started, if any, and leaves it."""
    if "WORLD_SIZE" not in os.environ:
        yield 0, 1
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(device)  # of objects that processes send each other
    if dist.is_initialized():  # by whoever pretrains several networks
        yield dist.get_rank(), dist.get_world_size()
        return
    # Imported after the group is made (by the first optimiser, say), this module keeps it as the default of
    # its functions; its threads then outlive it, and now and then abort the process at its exit.
    importlib.import_module("torch.distributed.nn.functional")
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield dist.get_rank(), dist.get_world_size()
    finally:
        dist.destroy_process_group()


@contextmanager
def _held(output: Path, rank: int) -> Iterator[None]:
    """Keep other runs out of the folder."""
    if rank > 0:
        yield
        return
    from filelock import FileLock, Timeout

    output.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(output / ".lock", timeout=0):
            try:
                yield
            finally:
                if [path.name for path in output.iterdir()] == [".lock"]:  # nothing came of it
                    with suppress(OSError):  # where open files cannot be removed
                        (output / ".lock").unlink()
                        output.rmdir()
    except Timeout:
        raise ValueError(f"{output}: another process is training there; wait for it or end it") from None


@contextmanager
def _finishing_steps() -> Iterator[list[int]]:
    """Note Ctrl-C and SIGTERM instead of dying inside a step; a second Ctrl-C interrupts at once."""
    asked: list[int] = []

    def note(number: int, _: object) -> None:
        asked.append(number)
        if len(asked) > 1 and number == signal.SIGINT:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _device(name: str) -> str:
    if name != "auto":
        return name
    return f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"


def pretrain(
    config: str | Path | PretrainConfig,
    *,
    data: str | Path,
    output: str | Path,
    resume: bool = True,
    device: str = "auto",
    seconds: float | None = None,
    progress: bool | None = None,
) -> Path:
    """Pretrain a network and write it as a checkpoint that :func:`lsm2.load_model` reads.

    A run that was stopped goes on where its last state was written, to the same result; Ctrl-C and SIGTERM
    finish the step and write it, a kill loses up to ``checkpoint_seconds`` of the config; one that is done
    is left as it is. Under ``torchrun`` each process computes its part of every batch, in micro-batches whose
    gradients add up; a run may go on with more or fewer processes. With ``stream`` in the config, the files
    are read while training goes on.

    Args:
        config: A :class:`PretrainConfig`, or the JSON file that holds one.
        data: Directory of the sources' parquet files.
        output: Folder of the run: ``log.jsonl``, ``state/`` while training, ``checkpoint/`` at the end.
        resume: Go on from ``state/`` if there is one.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        seconds: Stop after this time, state written, to go on later; None to train all steps.
        progress: Show a progress bar; None shows it on a terminal.

    Returns:
        The checkpoint folder (not yet there if ``seconds`` ran out).

    Raises:
        FileNotFoundError: The config or a source's file is missing.
        ValueError: The config is wrong; another process trains in ``output``, or it holds a run of another
            config or, with ``stream``, of other files.
        KeyboardInterrupt: After Ctrl-C, the state written.
    """
    if not isinstance(config, PretrainConfig):
        config = PretrainConfig.read(Path(config))
    data, output = Path(data), Path(output)
    device = _device(device)
    with processes(device) as (rank, world), _held(output, rank), _finishing_steps() as asked:
        checkpoint = _run(config, data, output, resume, device, seconds, progress, rank, world, asked)
    if asked and not checkpoint.exists():
        raise KeyboardInterrupt if asked[0] == signal.SIGINT else SystemExit(128 + asked[0])
    return checkpoint


def _run(
    config: PretrainConfig,
    data: Path,
    output: Path,
    resume: bool,
    device: str,
    seconds: float | None,
    progress: bool | None,
    rank: int,
    world: int,
    asked: list[int],
) -> Path:
    began = time.monotonic()
    schema = config.schema_of_channels()
    groups = family_groups(schema)
    state, log = output / "state", output / "log.jsonl"
    if rank == 0:
        if resume and state.exists():
            _same_config(output / "pretrain.json", config)
        else:
            (output / "survey.json").unlink(missing_ok=True)
    begun_with = initial_facts(config)  # now: the checkpoint may be gone by the last step
    materials = gather(config, data, output / "survey.json", rank, world)
    if rank == 0:
        if not resume:  # it is of the config that is written over
            drop_state(state)
        (output / "pretrain.json").write_text(config.model_dump_json(indent=2))
    torch.manual_seed(config.seed)
    model, lacking = first_network(config, materials.survey)
    model = model.to(device).train()
    feed = materials.feed(model.config)
    trainer = make_trainer(config, model, feed, groups, rank, world)
    validation = None if materials.valid is None else trainer.validation(materials.valid)
    numbers = (
        load_state(state, trainer.learnt, trainer.average, trainer.optimiser) if resume else None
    ) or {}
    step, spent = int(numbers.get("step", 0)), numbers.get("seconds", 0.0)
    checkpoint = output / "checkpoint"
    if numbers.get("finished") and (checkpoint / CONFIG).exists():
        feed.close()
        return checkpoint
    if rank == 0:
        _trim_log(log, step)
    bar = tqdm(
        total=config.steps,
        initial=step,
        unit="step",
        disable=rank > 0 or (None if progress is None else not progress),
    )
    losses: list[float] = []
    written = time.monotonic()

    def elapsed() -> float:
        return spent + time.monotonic() - began

    def keep(**more: float) -> None:
        numbers = {"step": step, "seconds": elapsed(), **more}
        save_state(state, trainer.learnt, trainer.average, trainer.optimiser, numbers)

    while step < config.steps:
        losses.append(trainer.step(step))
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(
                f"the loss of step {step} is {losses[-1]}; lower learning_rate and start with --fresh"
            )
        step += 1
        bar.update()
        over = seconds is not None and time.monotonic() - began > seconds
        out_of_time = _agree(over or bool(asked), world, device)
        last = step == config.steps
        if validation is not None and (last or not step % config.log_every or not step % config.valid_every):
            line: dict[str, Any] = {"step": step, "seconds": round(elapsed(), 3)}
            line |= {
                "learning_rate": learning_rate(config, step - 1),
                "train_loss": sum(losses) / len(losses),
            }
            losses.clear()
            if last or not step % config.valid_every:
                with trainer.averaged() as averaged:
                    scores = validation(averaged, list(schema.names))
                line |= {
                    "valid_loss": scores.pop("loss"),
                    "valid": {k: round(v, 4) for k, v in scores.items()},
                }
            with log.open("a") as file:
                file.write(json.dumps(line) + "\n")
            bar.set_postfix(loss=f"{line['train_loss']:.3f}")
        if rank == 0 and (
            time.monotonic() - written > config.checkpoint_seconds or out_of_time or step == config.steps
        ):
            keep()
            written = time.monotonic()
        if out_of_time:
            break
    bar.close()
    with trainer.averaged() as averaged, ExitStack() as stages:
        finished = step == config.steps
        for name in lacking if finished else []:
            second = _STAGES[name](config, averaged, feed, groups, rank, world)
            for number in tqdm(range(second.config.steps), name, unit="step", disable=bar.disable):
                second.step(number)
                over = seconds is not None and time.monotonic() - began > seconds
                if _agree(over or bool(asked), world, device):
                    finished = False  # it takes minutes, and begins again the next time
                    break
            stages.enter_context(second.averaged())
            if not finished:
                break
        regressed = finished and not averaged.regressions.keys().isdisjoint(lacking)
        if regressed:
            leave_out_unlearnt(averaged)
        if regressed and materials.valid is not None:
            fit_weights(config, averaged, materials.valid, groups)
        if rank == 0 and finished:
            card = _card(config, averaged, lacking, materials.survey, elapsed(), begun_with)
            save_checkpoint(checkpoint, averaged, card, half=True)
    if rank == 0 and finished:
        keep(finished=1)
    feed.close()
    return checkpoint


def make_trainer(
    config: PretrainConfig, model: AIM, feed: Feed, groups: Tensor, rank: int = 0, world: int = 1
) -> Trainer:
    """The trainer of the config's objective; arguments as for :class:`Trainer`."""
    kind = Trainer if config.contrastive is None else ContrastiveTrainer
    return kind(config, model, feed, groups, rank, world)


def _agree(stop: bool, world: int, device: str) -> bool:
    """Whether any process wants to stop."""
    if world == 1:
        return stop
    flag = torch.tensor(float(stop), device=device)
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    return bool(flag)


def _same_config(path: Path, config: PretrainConfig) -> None:
    if path.exists() and PretrainConfig.read(path) != config:
        there = PretrainConfig.read(path)
        different = [
            name for name in type(config).model_fields if getattr(there, name) != getattr(config, name)
        ]
        raise ValueError(
            f"{path.parent} holds a run of another config ({', '.join(different)} differ); choose another "
            "output folder, or start afresh with --fresh"
        )


def _trim_log(log: Path, step: int) -> None:
    """Drop lines that a killed run wrote after its last state."""
    if log.exists():
        lines = [line for line in log.read_text().splitlines() if json.loads(line)["step"] <= step]
        log.write_text("".join(line + "\n" for line in lines))


def _card(
    config: PretrainConfig,
    model: AIM,
    stages: list[str],
    survey: Survey,
    seconds: float,
    begun_with: dict[str, Any],
) -> CheckpointConfig:
    facts = survey.facts(config)
    regressed = not model.regressions.keys().isdisjoint(stages)
    return CheckpointConfig(
        name=config.name,
        licence=config.licence,
        description=config.description,
        channels=config.schema_of_channels(),
        network=model.config,
        training={
            "objective": "masked" if config.contrastive is None else "contrastive",
            "steps": config.steps,
            "batch_windows": config.batch_windows,
            "seconds": round(seconds),
            **({"regression_steps": config.regression_steps} if regressed else {}),
            **({"summary_steps": config.summary_steps} if "summary" in stages else {}),
            **facts,
            **without_repeated(begun_with, facts),
        },
    )
