"""The hub: the real client against a stand-in server, each load in a process of its own, as the client reads
``HF_ENDPOINT`` and its like when it is imported.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import multiprocessing
import os
import re
import shutil
import socket
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

import lsm2
from lsm2.checkpoint import hub, load_checkpoint, openmhc, transfer
from lsm2.checkpoint.hub import CONVERTED, HubName, parse
from tests.calibrated import calibrate_with_known_errors
from tests.conftest import tiny_model
from tests.dense import write_release
from tests.hub_server import Hub, read_folder

TOKEN = "hf_" + "s3cret" * 5

# Processes


@dataclass
class Outcome:
    """What a process did: a value or an error, its warnings, and all that it printed or logged."""

    value: Any = None
    error: BaseException | None = None
    warned: list[str] = field(default_factory=list)
    text: str = ""

    def get(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.value


def _work(
    pipe: Connection, env: dict[str, str], function: Callable[..., Any], args: Any, options: Any
) -> None:
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING"))]:
        del os.environ[name]
    os.environ.update(env)
    real = time.sleep
    time.sleep = lambda seconds: real(min(seconds, 0.01))
    outcome, text = Outcome(), io.StringIO()
    with (
        warnings.catch_warnings(record=True) as caught,
        contextlib.redirect_stderr(text),
        contextlib.redirect_stdout(text),
    ):
        warnings.simplefilter("always")
        try:
            outcome.value = function(*args, **options)
        except Exception as error:
            outcome.error = type(error)(*error.args)
    outcome.warned = [str(warning.message) for warning in caught]
    outcome.text = text.getvalue()
    pipe.send(outcome)


def _context() -> Any:
    """Fresh processes that have torch already, where the system can do that."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    preload = ["torch._dynamo", "lsm2.api", "lsm2.checkpoint.hub", "tests.test_hub"]
    context.set_forkserver_preload(preload)  # never huggingface_hub
    return context


class Client:
    """Runs functions in fresh processes with an environment."""

    def __init__(self, **env: str) -> None:
        self.env = env

    def start(self, function: Callable[..., Any], *args: Any, **options: Any) -> Callable[[], Outcome]:
        context = _context()
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(there, self.env, function, args, options))
        process.start()
        there.close()

        def outcome() -> Outcome:
            try:
                return here.recv()
            finally:
                process.join(60)

        return outcome

    def run(self, function: Callable[..., Any], *args: Any, **options: Any) -> Outcome:
        return self.start(function, *args, **options)()

    def but(self, **env: str) -> Client:
        return Client(**self.env | env)


def load(name: str, **options: Any) -> str:
    return lsm2.load_model(name, device="cpu", **options).hash


def load_all(*names: str) -> list[str]:
    return [load(name) for name in names]


def fetch(name: str, **options: Any) -> str:
    wanted = parse(name)
    if wanted is None:
        raise ValueError(f"{name} is no hub name")
    return str(hub.fetch(wanted, **options))


def load_in_pieces(name: str) -> str:
    """A load with a client that writes a download to disk every few kB, so that there is a half file."""
    from huggingface_hub import constants

    constants.DOWNLOAD_CHUNK_SIZE = 4096
    return load(name)


def refused(names: list[str]) -> list[str]:
    """The refusal of each name."""
    told = []
    for name in names:
        try:
            told.append(f"accepted as {fetch(name)}")
        except (FileNotFoundError, ValueError) as error:
            told.append(str(error))
    return told


def load_offline_later(name: str) -> str:
    from huggingface_hub import constants

    os.environ["HF_HUB_OFFLINE"] = "1"
    return f"{fetch(name)} {constants.HF_HUB_OFFLINE}"


def download_by_hand(*names: str) -> None:
    from huggingface_hub import snapshot_download

    for name in names:
        snapshot_download(name)


def fail_to_convert(name: str) -> str:
    def convert(release: Path, directory: Path) -> None:
        (directory / "config.json").write_text("{")
        raise KeyboardInterrupt

    openmhc.convert = convert
    with contextlib.suppress(KeyboardInterrupt):
        fetch(name)
    return "interrupted"


def push(folder: str, repo: str, **options: Any) -> str:
    return hub.push(Path(folder), repo, **options)


def push_refused(folder: str, repos: list[str], **options: Any) -> list[str]:
    told = []
    for repo in repos:
        try:
            told.append(f"accepted as {push(folder, repo, **options)}")
        except (PermissionError, ValueError) as error:
            told.append(str(error))
    return told


def push_model(folder: str, repo: str, **options: Any) -> str:
    return lsm2.load_model(folder, device="cpu").push_to_hub(repo, **options)


def is_imported(*names: str) -> bool:
    load_all(*names)
    return "huggingface_hub" in sys.modules


@pytest.fixture
def server() -> Iterator[Hub]:
    with Hub(token=TOKEN) as running:
        yield running


@pytest.fixture
def client(server: Hub, tmp_path: Path) -> Client:
    return Client(
        HF_ENDPOINT=server.url,
        HF_HOME=str(tmp_path / "home"),
        HF_HUB_DISABLE_XET="1",
        HF_HUB_DISABLE_TELEMETRY="1",
    )


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "home" / "hub"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    write_release(folder)
    return folder


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = calibrate_with_known_errors(tiny_model()).save(tmp_path_factory.mktemp("native"))
    (folder / "probes").mkdir()
    (folder / "probes" / "activity.json").write_text("{}")
    return folder


def other(seed: int) -> dict[str, bytes]:
    """Files of a tiny checkpoint of its own."""
    model = tiny_model(seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        return read_folder(model.save(folder))


def half_files(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if ".incomplete" in path.name or path.name.startswith(".tmp")]


# Names


@pytest.mark.parametrize(
    ("name", "revision", "expected"),
    [
        ("openmhc-daily", None, ("MyHeartCounts/openmhc-lsm2-daily", "main")),
        ("openmhc-weekly@v1", None, ("MyHeartCounts/openmhc-lsm2-weekly", "v1")),
        ("openmhc-weekly", "v2", ("MyHeartCounts/openmhc-lsm2-weekly", "v2")),
        ("org/repo", None, ("org/repo", "main")),
        ("org/repo@feature/x", None, ("org/repo", "feature/x")),
        ("org/repo@v1", "v1", ("org/repo", "v1")),
        ("hf://org/repo.v-1_x", None, ("org/repo.v-1_x", "main")),
        ("hf://org/repo@refs/pr/3", None, ("org/repo", "refs/pr/3")),
        ("hf://openmhc-daily", None, ("MyHeartCounts/openmhc-lsm2-daily", "main")),
    ],
)
def test_hub_names(name: str, revision: str | None, expected: tuple[str, str]) -> None:
    assert parse(name, revision) == HubName(*expected)


@pytest.mark.parametrize(
    "name",
    ["lsm2-small", "", "/", "/org/repo", "./org/repo", "../org/repo", "~/repo", "org\\repo", "C:/repo",
     "a/b/c", "org/model.ckpt", "model.ckpt", "org/", "/repo", "org/re po", "org/répo", "folder@v1"],
)  # fmt: skip
def test_what_is_no_hub_name(name: str) -> None:
    assert parse(name) is None


@pytest.mark.parametrize(
    "name", ["hf://", "hf://repo", "hf://datasets/org/repo", "hf:///org/repo", "hf://../x"]
)
def test_hub_names_of_another_form_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="hf://org/repo"):
        parse(name)


@pytest.mark.parametrize(
    "revision", ["", "..", "../../x", "a..b", "/a", "a/", "a b", "-x", "a\\b", "a:b", "a\n"]
)
def test_what_is_no_revision(revision: str) -> None:
    for name, given in ((f"org/repo@{revision}", None), ("org/repo", revision)):
        with pytest.raises(ValueError, match="is no revision"):
            parse(name, given)


def test_two_revisions_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one revision and revision='v2' another"):
        parse("org/repo@v1", "v2")


# Loading


def test_a_shipped_name_and_a_folder_ask_nothing(server: Hub, client: Client, native: Path) -> None:
    assert client.run(is_imported, "lsm2-small", str(native)).get() is False
    assert not server.log


def test_a_release_is_converted_once(server: Hub, client: Client, release: Path, cache: Path) -> None:
    extra = {"golden.npz": b"x", "other/big.safetensors": b"y", ".gitattributes": b""}
    commit = server.add("org/release", read_folder(release) | extra)
    expected = lsm2.load_model(release, device="cpu").hash
    assert client.run(load, "org/release").get() == expected
    assert {r.path.split("/")[-1] for r in server.log if r.method == "GET" and "/resolve/" in r.path} == {
        "openmhc_manifest.json", "README.md", "normalization_stats.json", "model.ckpt",
    }  # fmt: skip
    folder = cache / "models--org--release" / CONVERTED / commit
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert [p.name for p in folder.parent.iterdir()] == [commit]
    assert folder.stat().st_mode & 0o777 == 0o755
    before = len(server.log)
    assert client.run(load_all, "hf://org/release", f"org/release@{commit}").get() == [expected] * 2
    assert len(server.log) == before, "a second load asks the network"
    assert not half_files(cache)


def test_short_names(server: Hub, client: Client, release: Path, tmp_path: Path) -> None:
    server.add("MyHeartCounts/openmhc-lsm2-daily", release)
    write_release(tmp_path / "weekly", minutes=10080, patch=60)
    server.add("MyHeartCounts/openmhc-lsm2-weekly", tmp_path / "weekly")
    expected = [lsm2.load_model(folder, device="cpu").hash for folder in (release, tmp_path / "weekly")]
    assert client.run(load_all, "openmhc-daily", "openmhc-weekly").get() == expected


def test_a_checkpoint_of_our_own(server: Hub, client: Client, native: Path, cache: Path) -> None:
    commit = server.add("org/native", read_folder(native) | {"pytorch_model.bin": b"x", "x.ckpt": b""})
    folder = Path(client.run(fetch, "org/native").get())
    assert folder == cache / "models--org--native" / "snapshots" / commit
    assert read_folder(folder) == read_folder(native)
    gets = [r.path for r in server.asked("/resolve/") if r.method == "GET"]
    assert gets[-1].endswith("model.safetensors"), "what is last tells that the rest is there"
    assert client.run(load, "org/native").get() == lsm2.load_model(native, device="cpu").hash


def test_a_bare_checkpoint_with_statistics(server: Hub, client: Client, release: Path) -> None:
    files = read_folder(release)
    del files["openmhc_manifest.json"]
    server.add("org/bare", files)
    assert client.run(load, "org/bare").get() == lsm2.load_model(release, device="cpu").hash


def test_revisions(server: Hub, client: Client) -> None:
    first = server.add("org/model", other(1), "main", "v1", "feature/x")
    second = server.add("org/model", other(2), "main")
    names = [f"org/model@{revision}" for revision in ("v1", "feature/x", first, second, "main")]
    one, *rest, two = client.run(load_all, *names, "org/model").get()
    assert one != two and rest == [one, one, two, two]
    assert client.run(load, "org/model", revision="feature/x", local_files_only=True).get() == one


def test_main_stays_what_it_was_until_another_revision_is_asked(server: Hub, client: Client) -> None:
    server.add("org/model", other(1))
    one = client.run(load, "org/model").get()
    newer = server.add("org/model", other(2))
    assert client.run(load, "org/model").get() == one
    assert client.run(load, "org/model", revision=newer).get() != one
    assert client.run(load, "org/model").get() == one


def test_a_branch_that_moves_while_it_is_loaded(server: Hub, client: Client) -> None:
    server.add("org/model", other(1) | {"probes/old.json": b"{}"})
    newer = other(2)
    server.before = lambda count: server.add("org/model", newer) if count == 1 else None
    folder = Path(client.run(fetch, "org/model").get())
    assert read_folder(folder) == newer
    assert folder.name == server.repositories["org/model"].refs["main"]


def test_cache_dir(server: Hub, client: Client, release: Path, tmp_path: Path, cache: Path) -> None:
    commit = server.add("org/model", release)
    mine = tmp_path / "mine"
    folder = client.run(fetch, "org/model", cache_dir=mine).get()
    assert folder == str(mine / "models--org--model" / CONVERTED / commit)
    assert not cache.exists()
    elsewhere = client.but(HF_HUB_CACHE=str(mine), HF_HUB_OFFLINE="1")
    assert elsewhere.run(fetch, "org/model").get() == folder


def test_a_cache_that_others_filled_is_used(server: Hub, client: Client, release: Path, native: Path) -> None:
    names = ["org/release", "org/native"]
    for name, files in zip(names, (release, native), strict=True):
        server.add(name, files)
    client.run(download_by_hand, *names).get()
    before = len(server.log)
    assert client.but(HF_HUB_OFFLINE="1").run(load_all, *names).get() == [
        lsm2.load_model(folder, device="cpu").hash for folder in (release, native)
    ]
    assert len(server.log) == before


# Offline


@pytest.mark.parametrize("way", ["HF_HUB_OFFLINE", "local_files_only", "set later"])
def test_offline(server: Hub, client: Client, release: Path, cache: Path, way: str) -> None:
    server.add("org/model", release)

    def ask() -> Outcome:
        if way == "local_files_only":
            return client.run(fetch, "org/model", local_files_only=True)
        if way == "set later":
            return client.run(load_offline_later, "org/model")
        return client.but(HF_HUB_OFFLINE="1").run(fetch, "org/model")

    reason = "local_files_only=True" if way == "local_files_only" else "HF_HUB_OFFLINE is set"
    with pytest.raises(FileNotFoundError, match=rf"'org/model' .*hub cache .*{reason}\).*with a connection"):
        ask().get()
    assert not server.log and not cache.exists()
    folder = client.run(fetch, "org/model").get()
    before = len(server.log)
    assert ask().get().startswith(folder)
    assert len(server.log) == before


def test_no_network(client: Client, server: Hub, release: Path) -> None:
    server.add("org/model", release)
    folder = client.run(fetch, "org/model").get()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        client = client.but(HF_ENDPOINT=f"http://127.0.0.1:{free.getsockname()[1]}")
    assert client.run(fetch, "org/model").get() == folder
    with pytest.raises(ConnectionError, match=r"'org/other'.*failed.*Run again.*local_files_only") as caught:
        client.run(fetch, "org/other").get()
    assert "refused" in str(caught.value)


# What the hub refuses


def test_private_repositories_need_the_token(
    server: Hub, client: Client, native: Path, tmp_path: Path
) -> None:
    server.add("org/private", native, private=True)
    with pytest.raises(
        FileNotFoundError, match=r"'org/private' .*may read .*local folder.*hf auth login.*HF_TOKEN"
    ):
        client.run(fetch, "org/private").get()
    wrong = client.but(HF_TOKEN="hf_" + "wrong" * 6).run(fetch, "org/private")
    with pytest.raises(FileNotFoundError, match="HF_TOKEN"):
        wrong.get()
    assert "wrongwrong" not in f"{wrong.error} {wrong.text} {wrong.warned}"
    server.log.clear()
    right = client.but(HF_TOKEN=TOKEN, HF_DEBUG="1").run(load, "org/private")
    assert right.get() == lsm2.load_model(native, device="cpu").hash
    assert {request.authorization for request in server.log} == {f"Bearer {TOKEN}"}
    assert TOKEN not in f"{right.text} {right.warned}"
    (tmp_path / "token").write_text(TOKEN)
    filed = client.but(HF_TOKEN_PATH=str(tmp_path / "token"), HF_HUB_CACHE=str(tmp_path / "new"))
    filed.run(fetch, "org/private").get()


def test_gated_repositories(server: Hub, client: Client, release: Path) -> None:
    server.add("org/gated", release, gated=True)
    for asker in (client, client.but(HF_TOKEN=TOKEN)):
        outcome = asker.run(fetch, "org/gated")
        with pytest.raises(PermissionError, match=r"'org/gated' .*ask for it on the repository's page"):
            outcome.get()
        assert TOKEN not in f"{outcome.error} {outcome.text}"


def test_what_is_not_there(server: Hub, client: Client, release: Path) -> None:
    server.add("org/model", release)
    names = ["org/none", "org/model@v9", "org/model@" + "0" * 40]
    for asker in (client, client.but(HF_TOKEN=TOKEN)):
        repository, branch, commit = asker.run(refused, names).get()
        assert "no model 'org/none' at revision 'main'" in repository and "no local folder" in repository
        assert "no such revision: model 'org/model' at revision 'v9'" in branch
        assert "no such revision" in commit


UNUSABLE = {
    "cut": ({"config.json": b'{"format": "lsm2"}'}, r"lacks model\.safetensors; it has README\.md, config"),
    "theirs": ({"config.json": b'{"hidden": 1}', "model.safetensors": b""}, r"no config\.json of ours"),
    "two": ({"a.ckpt": b"", "b.ckpt": b""}, r"and 2 \.ckpt"),
    "raw": ({"a.ckpt": b""}, r"lacks normalization_stats\.json"),
    "empty": ({}, r"no \.ckpt; it has README\.md"),
    "half": ({"openmhc_manifest.json": b'{"kind": "lsm2", "checkpoint": "m.ckpt"}'}, r"lacks m\.ckpt"),
    "out": ({"openmhc_manifest.json": b'{"kind": "lsm2", "checkpoint": "../m.ckpt"}'}, r"'\.\./m\.ckpt'"),
    "damaged": ({"openmhc_manifest.json": b"{"}, "no JSON"),
}


def test_repositories_without_a_checkpoint(server: Hub, client: Client) -> None:
    for name, (files, _) in UNUSABLE.items():
        server.add(f"org/{name}", {"README.md": b"# A model"} | files)
    refusals = client.run(refused, [f"org/{name}" for name in UNUSABLE]).get()
    for (name, (_, message)), refusal in zip(UNUSABLE.items(), refusals, strict=True):
        assert re.search(message, refusal), f"{name}: {refusal}"
    large = [request for request in server.log if request.path.endswith((".safetensors", ".ckpt"))]
    assert not large, "asked for what cannot be used"


# What goes wrong on the way


def test_a_busy_hub_is_asked_again(server: Hub, client: Client, release: Path) -> None:
    server.add("org/model", release)
    server.busy = 2
    assert client.run(load, "org/model").get() == lsm2.load_model(release, device="cpu").hash
    assert [request.status for request in server.log[:3]] == [503, 503, 200]


@pytest.mark.parametrize("after", [0, 8])
def test_a_hub_that_stays_busy(server: Hub, client: Client, native: Path, after: int) -> None:
    server.add("org/model", native)
    server.busy_from = after
    with pytest.raises(ConnectionError, match=r"'org/model'.*HTTP 503 after 3 tries.*later"):
        client.run(fetch, "org/model").get()
    with pytest.raises(FileNotFoundError, match="not completely"):
        client.run(fetch, "org/model", local_files_only=True).get()
    server.busy_from = None
    assert client.run(load, "org/model").get() == lsm2.load_model(native, device="cpu").hash


@pytest.mark.parametrize("kind", ["release", "native"])
def test_a_cut_transfer_goes_on(
    server: Hub, client: Client, kind: str, cache: Path, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(kind)
    server.add("org/model", folder)
    server.cuts = 2
    assert client.run(load_in_pieces, "org/model").get() == lsm2.load_model(folder, device="cpu").hash
    assert server.cuts == 0 and any(request.range for request in server.log)


@pytest.mark.parametrize("kind", ["release", "native"])
def test_a_transfer_that_is_cut_for_ever(
    server: Hub, client: Client, kind: str, cache: Path, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(kind)
    server.add("org/model", folder)
    server.cuts = -1
    with pytest.raises(ConnectionError, match=r"transfer of \w+\.\w+ of model 'org/model'.*Run again"):
        client.run(fetch, "org/model").get()
    weights = {"model.ckpt", "model.safetensors"}
    assert not [path for path in cache.rglob("*") if path.name in weights and path.exists()]
    with pytest.raises(FileNotFoundError, match="not completely"):
        client.run(fetch, "org/model", local_files_only=True).get()
    server.cuts = 0
    assert client.run(load, "org/model").get() == lsm2.load_model(folder, device="cpu").hash


def test_several_processes_at_once(server: Hub, client: Client, release: Path, cache: Path) -> None:
    commit = server.add("org/model", release)
    outcomes = [client.start(load, "org/model") for _ in range(3)]
    assert [outcome().get() for outcome in outcomes] == [lsm2.load_model(release, device="cpu").hash] * 3
    assert [p.name for p in (cache / "models--org--model" / CONVERTED).iterdir()] == [commit]
    weights = [r for r in server.log if r.method == "GET" and r.path.endswith("model.ckpt")]
    assert len(weights) == 1, "downloaded more than once"


def test_the_first_of_two_conversions_stays(tmp_path: Path, native: Path) -> None:
    for name in ("first", "second"):
        lsm2.load_model(native, device="cpu").save(tmp_path / name)
    (tmp_path / "first" / "mark").touch()
    hub._rename(tmp_path / "second", tmp_path / "first")
    assert (tmp_path / "first" / "mark").exists()
    (tmp_path / "first" / "model.safetensors").unlink()
    hub._rename(tmp_path / "second", tmp_path / "first")
    assert not (tmp_path / "first" / "mark").exists() and load_checkpoint(tmp_path / "first")


def test_an_interrupted_conversion_leaves_nothing(
    server: Hub, client: Client, release: Path, cache: Path
) -> None:
    server.add("org/model", release)
    client.run(fail_to_convert, "org/model").get()
    assert not list((cache / "models--org--model" / CONVERTED).iterdir())
    assert client.run(load, "org/model", local_files_only=True).get() == lsm2.load_model(release).hash


def test_a_cache_that_cannot_be_written(server: Hub, client: Client, release: Path, cache: Path) -> None:
    server.add("org/model", release)
    client.run(download_by_hand, "org/model").get()
    (cache / "models--org--model" / CONVERTED).write_text("in the way")
    shutil.rmtree(cache / ".locks")
    (cache / ".locks").write_text("in the way")
    outcome = client.run(load, "org/model")
    assert outcome.get() == lsm2.load_model(release, device="cpu").hash
    assert [text for text in outcome.warned if "cannot write" in text and "cache_dir=" in text]


def test_errors_of_the_disk_keep_their_words(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    assert transfer.explained(full, "x") is full
    told = transfer.explained(RuntimeError("Data processing error: No space left on device"), "x")
    assert isinstance(told, OSError) and told.errno == errno.ENOSPC
    told = transfer.explained(PermissionError(errno.EACCES, "Permission denied", "/cache"), "x")
    assert "cannot write /cache" in str(told) and "cache_dir=" in str(told)


def test_only_what_may_pass_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.utils import OfflineModeIsEnabled

    monkeypatch.setattr(transfer, "WAITS", (0.0, 0.0))

    def tries(error: Exception) -> int:
        calls = []

        def function() -> None:
            calls.append(1)
            raise error

        with pytest.raises((OSError, ValueError, KeyError)):
            transfer.attempt(function, subject="x")
        return len(calls)

    assert tries(TimeoutError("slow")) == 3
    for error in (
        OfflineModeIsEnabled("off"),
        OSError(errno.ENOSPC, "full"),
        ValueError("name"),
        KeyError("bug"),
    ):
        assert tries(error) == 1, error


def test_reasons_hide_signed_addresses() -> None:
    text = "no route to http://me:secret@host/file?X-Signature=abc&y=1 now"
    told = str(transfer.explained(RuntimeError(text), "x"))
    assert "http://host/file now" in told and "secret" not in told and "abc" not in told


# Uploads


def test_push_and_load_back(server: Hub, client: Client, native: Path) -> None:
    mine = client.but(HF_TOKEN=TOKEN)
    outcome = mine.run(push_model, str(native), "me/my-model")
    assert outcome.get().startswith(f"{server.url}/me/my-model/commit/")
    files = server.repositories["me/my-model"].commits[server.repositories["me/my-model"].refs["main"]]
    ours = ["README.md", "config.json", "intervals.json", "intervals.safetensors", "model.safetensors"]
    assert sorted(files) == [".gitattributes", *ours]
    assert files["README.md"] == (native / "README.md").read_bytes()
    assert mine.run(load, "me/my-model").get() == lsm2.load_model(native, device="cpu").hash
    assert TOKEN not in f"{outcome.value} {outcome.text} {outcome.warned}"
    again = mine.run(push_model, str(native), "me/my-model", revision="v2", commit_message="Again").get()
    assert server.repositories["me/my-model"].refs["v2"] in again
    assert mine.run(load, "me/my-model@v2").get() == lsm2.load_model(native, device="cpu").hash


def test_push_takes_what_belongs_to_a_checkpoint(
    server: Hub, client: Client, native: Path, tmp_path: Path
) -> None:
    for name, content in read_folder(native).items():
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "mine" / "recording.parquet").write_bytes(b"private")
    url = client.run(
        push, str(tmp_path / "mine"), "me/my-model", private=True, token=TOKEN, create_pr=True
    ).get()
    assert url == f"{server.url}/me/my-model/discussions/1"
    repository = server.repositories["me/my-model"]
    assert repository.private
    assert set(repository.commits[repository.refs["refs/pr/1"]]) == {".gitattributes", *read_folder(native)}
    assert set(repository.commits[repository.refs["main"]]) == {".gitattributes"}


def test_push_that_is_refused(server: Hub, client: Client, native: Path, tmp_path: Path) -> None:
    with pytest.raises(PermissionError, match=r"'me/my-model'.*hf auth login.*HF_TOKEN"):
        client.run(push, str(native), "me/my-model").get()
    theirs, malformed = client.run(push_refused, str(native), ["theirs/model", "a/b/c"], token=TOKEN).get()
    assert re.search(r"let you write model 'theirs/model' .*HTTP 403", theirs) and "a/b/c" in malformed
    server.log.clear()
    with pytest.raises(FileNotFoundError, match=r"has no config\.json and no model\.safetensors"):
        push(str(tmp_path), "me/my-model", token=TOKEN)
    with pytest.raises(ConnectionError, match="HF_HUB_OFFLINE"):
        client.but(HF_HUB_OFFLINE="1").run(push, str(native), "me/my-model", token=TOKEN).get()
    assert not server.log


def test_the_stand_in_answers_as_the_hub_does(server: Hub, native: Path) -> None:
    """Pins the stand-in itself, so that a test above cannot pass for want of it."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    commit = server.add("org/model", native)
    info = json.load(urlopen(f"{server.url}/api/models/org/model"))
    assert info["sha"] == commit and {"rfilename": "config.json"} in info["siblings"]
    url = f"{server.url}/org/model/resolve/main/model.safetensors"
    part = urlopen(Request(url, headers={"Range": "bytes=10-"}))
    assert part.status == 206 and part.read() == (native / "model.safetensors").read_bytes()[10:]
    assert part.headers["X-Repo-Commit"] == commit
    with pytest.raises(HTTPError) as caught:
        urlopen(f"{server.url}/org/model/resolve/main/none")
    assert caught.value.code == 404 and caught.value.headers["X-Error-Code"] == "EntryNotFound"
