"""Checkpoints: what is written is read back exactly, and anything damaged is refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import lsm2
from lsm2.checkpoint import CheckpointError, load_checkpoint, save_checkpoint, shipped
from tests.conftest import tiny_model, tiny_network


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model().save(tmp_path / "tiny")


def edit(folder: Path, change: dict[str, object]) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


def test_round_trip_is_bit_identical(folder: Path, tmp_path: Path) -> None:
    first = lsm2.load_model(folder)
    again = first.save(tmp_path / "again")
    for name in ("config.json", "model.safetensors", "README.md"):
        assert (folder / name).read_bytes() == (again / name).read_bytes()
    recording = lsm2.simulate(participants=1, days=1)
    a, b = (lsm2.embed(recording, model=m) for m in (tiny_model(), lsm2.load_model(again)))
    assert a.equals(b) and a.attrs["checkpoint"] == b.attrs["checkpoint"]


def test_half_precision_is_rounded_once(tmp_path: Path) -> None:
    network, config = tiny_network(), tiny_model().config
    save_checkpoint(tmp_path, network, config, half=True)
    loaded, _ = load_checkpoint(tmp_path)
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.half().float()), name


def test_only_safetensors_json_and_a_card_are_written(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]


def test_a_model_card_names_licence_and_channels(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    assert "Apache-2.0" in card and "`heart_rate`" in card and "not medical advice" in card


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": 1}, "surprise"),
        ({"version": 2}, "version 2.*update lsm2"),
        ({"format": "other"}, "format"),
        ({"network": {}}, "normalisation"),
    ],
)
def test_config_of_another_kind_is_refused(folder: Path, change: dict[str, object], message: str) -> None:
    edit(folder, change)
    with pytest.raises(CheckpointError, match=message):
        lsm2.load_model(folder)


def test_channels_and_normalisation_must_agree(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["channels"]["channels"].pop()
    edit(folder, config)
    with pytest.raises(CheckpointError, match=r"4 channels are described.*normalises 5"):
        lsm2.load_model(folder)


def test_config_that_is_no_json(folder: Path) -> None:
    (folder / "config.json").write_text('{"name": ')
    with pytest.raises(CheckpointError, match=r"config\.json is no JSON"):
        lsm2.load_model(folder)


@pytest.mark.parametrize("keep", [0, 5, 100, -10])
def test_truncated_weights(folder: Path, keep: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="damaged or cut short"):
        lsm2.load_model(folder)


def test_every_wrong_tensor_is_listed(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    del tensors["mask_token"]
    tensors["stray"] = torch.zeros(2)
    tensors["patch_embed.bias"] = torch.zeros(3)
    tensors["decoder_pred.bias"] = torch.full_like(tensors["decoder_pred.bias"], float("nan"))
    save_file(tensors, path)
    with pytest.raises(CheckpointError) as caught:
        lsm2.load_model(folder)
    for part in (
        "missing mask_token",
        "unexpected stray",
        "patch_embed.bias has shape (3,)",
        "decoder_pred.bias holds NaN",
    ):
        assert part in str(caught.value)


def test_missing_files(folder: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="incomplete"):
        lsm2.load_model(folder)
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        lsm2.load_model(tmp_path)


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    with pytest.raises(FileNotFoundError, match=r"'lsm2-smal'.*shipped ones \(lsm2-small"):
        lsm2.load_model("lsm2-smal")


def test_a_write_that_fails_leaves_the_old_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("lsm2.checkpoint.native.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        tiny_model(encoder_dim=12).save(folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "licence", "said"),
    [
        ("lsm2-small", "CC-BY-NC-SA-4.0", "CC BY-NC-SA 4.0"),
        ("lsm2-small-open", "CC-BY-4.0", "CC BY 4.0"),
    ],
)
def test_shipped_weights_are_small_labelled_and_calibrated(name: str, licence: str, said: str) -> None:
    folder = shipped.find(name)
    assert (folder / "model.safetensors").stat().st_size < 20e6
    model = lsm2.load_model(name)
    assert model.config.name == name and model.config.licence == licence
    assert said in (folder / "README.md").read_text()
    assert {t.dtype for t in load_file(folder / "model.safetensors").values()} == {torch.float16}
    assert model.calibrated().config.checkpoint == model.hash
    trained_on = {source["name"] for source in model.config.training["sources"]}
    restricted = {"cgmacros", "cgmacros_dexcom", "hyperaktiv", "depresjon", "psykose"}
    assert (trained_on & restricted == set()) == (name == "lsm2-small-open")


def test_a_flipped_bit_in_the_weights_is_noticed(folder: Path) -> None:
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-3000] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="altered or damaged"):
        lsm2.load_model(folder)


def test_the_config_of_another_kind_of_model_is_named(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "bert", "hidden_size": 8}')
    with pytest.raises(CheckpointError, match="of a bert model"):
        lsm2.load_model(folder)


@pytest.mark.parametrize("name", [None, 5, ""])
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match="named by a name or a path"):
        lsm2.load_model(name)  # type: ignore[arg-type]


def test_shipped_models_have_no_revisions() -> None:
    with pytest.raises(FileNotFoundError, match="has no revisions; leave '@v1' out"):
        lsm2.load_model("lsm2-small@v1")
