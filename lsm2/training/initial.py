"""The network that a run begins with: random weights, or those of a checkpoint."""

from __future__ import annotations

from typing import Any

from lsm2.aim import AIM
from lsm2.checkpoint.load import load
from lsm2.checkpoint.native import CheckpointConfig, fingerprint
from lsm2.training.config import PretrainConfig
from lsm2.training.survey import Survey


def _load(name: str) -> tuple[AIM, CheckpointConfig]:
    """The network and the config of a checkpoint; errors name the field."""
    try:
        network, about, _, _ = load(name)
    except (OSError, ValueError) as error:
        raise type(error)(f"initial: {error}") from error
    return network, about


def initial_facts(config: PretrainConfig) -> dict[str, Any]:
    """What the card says of the weights that training began with: their hash, and how they came about."""
    if config.initial is None:
        return {}
    network, about = _load(config.initial)
    return {"initial": {"checkpoint": fingerprint(network, about), **about.training}}


def without_repeated(facts: dict[str, Any], survey: dict[str, Any]) -> dict[str, Any]:
    """Facts of ``initial`` (and of its own) without those of the recordings, where they were the same."""
    kept = {name: fact for name, fact in facts.items() if name not in survey or survey[name] != fact}
    if "initial" in kept:
        own = {name: facts.get(name, fact) for name, fact in survey.items()}
        kept["initial"] = without_repeated(kept["initial"], own)
    return kept


def first_network(config: PretrainConfig, survey: Survey) -> tuple[AIM, list[str]]:
    """Make the network of a config, and say which of its parts are to be learnt in the second stage.

    Weights of ``config.initial`` are taken over by name; parts of the second stage that it lacks begin anew,
    and those that the config lacks are left out. Where only the second stage is asked for (``config.steps``
    0), what was lacking is learnt alone, unless nothing was.

    Args:
        config: Whose network.
        survey: Of the train people, for the channels' constants where no checkpoint has them.

    Raises:
        FileNotFoundError: ``config.initial`` is not there.
        ValueError: It has other channels or other dimensions than the config.
    """
    if config.initial is None:
        network = AIM(config.aim(survey.normalisation(config)))
        return network, list(network.second_stage)
    given, about = _load(config.initial)
    schema = config.schema_of_channels()
    if about.channels.names != schema.names:
        raise ValueError(
            f"initial: {config.initial} has the channels {', '.join(about.channels.names)}, the config "
            f"{', '.join(schema.names)}; name those of the checkpoint, in its order"
        )
    network = AIM(config.aim(given.config.normalisation))
    old, new = given.state_dict(), network.state_dict()
    lacking = [name for name in network.second_stage if name not in given.second_stage]
    for name in given.second_stage.keys() - network.second_stage.keys():
        old = {key: tensor for key, tensor in old.items() if not key.startswith(f"{name}.")}
    for name in lacking:
        old |= {key: tensor for key, tensor in new.items() if key.startswith(f"{name}.")}
    shapes = [{name: tensor.shape for name, tensor in tensors.items()} for tensors in (old, new)]
    wrong = sorted({name for name, _ in set(shapes[0].items()) ^ set(shapes[1].items())})
    if wrong:
        fields = given.config.model_dump(exclude={"normalisation"}, exclude_defaults=True)
        raise ValueError(
            f"initial: {config.initial} is another network than the config's ({len(wrong)} tensors differ, "
            f"such as {wrong[0]}); its own fields of network are {fields}"
        )
    network.load_state_dict(old)
    return network, list(network.second_stage) if config.steps or not lacking else lacking
