"""Checkpoints on the Hugging Face hub: names, the cache, downloads and uploads.

``huggingface_hub`` does every transfer; its cache, tokens, ``HF_ENDPOINT`` and ``HF_HUB_OFFLINE`` hold here
as everywhere. Nothing is asked of the network unless a hub name is given.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from filelock import FileLock

from lsm2.checkpoint import openmhc
from lsm2.checkpoint.native import CARD, CONFIG, WEIGHTS
from lsm2.checkpoint.openmhc import MANIFEST, STATISTICS
from lsm2.checkpoint.transfer import attempt

HUB_NAMES = {
    "openmhc-daily": "MyHeartCounts/openmhc-lsm2-daily",
    "openmhc-weekly": "MyHeartCounts/openmhc-lsm2-weekly",
}
"""Short names of repositories."""
CONVERTED = "lsm2-1"
"""Folder of converted releases beside a repository's snapshots; the number is that of `convert`'s form."""

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_REVISION = re.compile(r"(?!-)[^\s\\~^:?*\[\x00-\x20]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PASSES = 15.0  # seconds to wait for an answer to a question about a repository


@dataclass(frozen=True)
class HubName:
    """A repository of the hub, and a branch, tag or commit of it."""

    repo: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"model {self.repo!r} at revision {self.revision!r}"


def parse(name: str, revision: str | None = None) -> HubName | None:
    """Read a hub name. The caller has looked for a local folder of that name already: local wins.

    Args:
        name: ``"openmhc-daily"``, ``"org/repo"`` or ``"hf://org/repo"``, each with or without
            ``"@revision"``.
        revision: The revision, where the name has none.

    Returns:
        Repository and revision (``main`` where none is given), or None for what is no hub name, such as a
        path or the name of a shipped checkpoint.

    Raises:
        ValueError: Two revisions, one that cannot be one, or an ``hf://`` name of another form.

    Example:
        >>> parse("hf://me/my-model@v2")
        HubName(repo='me/my-model', revision='v2')
        >>> parse("openmhc-daily").repo
        'MyHeartCounts/openmhc-lsm2-daily'
        >>> parse("./me/my-model") is None
        True
    """
    prefixed = name.startswith("hf://")
    repo, at, inner = name.removeprefix("hf://").partition("@")
    repo = HUB_NAMES.get(repo, repo)
    if not _REPOSITORY.fullmatch(repo) or (repo.endswith(".ckpt") and not prefixed):
        if prefixed:
            raise ValueError(f"{name!r} is no hub name: the form is hf://org/repo or hf://org/repo@revision")
        return None
    if at and revision is not None and inner != revision:
        raise ValueError(f"{name!r} names one revision and revision={revision!r} another; give one of them")
    wanted = inner if at else revision
    if wanted is None:
        return HubName(repo)
    if not _REVISION.fullmatch(wanted) or ".." in wanted or wanted.startswith("/") or wanted.endswith("/"):
        raise ValueError(f"{wanted!r} is no revision; give a branch, tag or commit, such as 'main'")
    return HubName(repo, wanted)


def fetch(hub: HubName, *, cache_dir: str | Path | None = None, local_files_only: bool = False) -> Path:
    """A local folder with the checkpoint of a repository.

    A revision that is in the cache is taken from there without a request. So a branch such as ``main`` means
    its state when it was first loaded; another revision, or an emptied cache, gets a newer one. An OpenMHC
    release is converted to our own form once, into ``lsm2-1/<commit>`` beside the snapshots of the cache.

    Args:
        hub: Repository and revision, from :func:`parse`.
        cache_dir: The hub cache; None for the client's own (``HF_HUB_CACHE``, ``HF_HOME``).
        local_files_only: Ask nothing of the network; the same as ``HF_HUB_OFFLINE=1``.

    Returns:
        A folder with ``config.json`` and ``model.safetensors`` (or the release as it came, with a warning,
        where the cache cannot be written). Its files belong to the cache: do not change them.

    Raises:
        FileNotFoundError: No such repository, revision or file; or not in the cache while offline.
        PermissionError: Access is not granted, or the cache cannot be written.
        ConnectionError: No network, server errors or a cut transfer, after several tries.
        CheckpointError: A release is damaged, or names files outside of it.
        OSError: The disk is full.
    """
    from huggingface_hub import constants

    cache = Path(cache_dir or constants.HF_HUB_CACHE).expanduser()
    storage = cache / f"models--{hub.repo.replace('/', '--')}"
    found = _in_cache(hub, storage)
    if found is not None and found[1]:
        return found[0]
    if found is None and (local_files_only or _is_offline()):
        reason = "local_files_only=True" if local_files_only else "HF_HUB_OFFLINE is set"
        raise FileNotFoundError(
            f"{hub} is not, or not completely, in the hub cache {cache}, and nothing may be downloaded "
            f"({reason}). Load it once with a connection, or give the cache that has it as cache_dir="
        )
    with _alone(storage):
        folder, ours = _in_cache(hub, storage) or _download(hub, cache)  # another may have been first
        return folder if ours else _converted(folder, storage)


@contextmanager
def _alone(storage: Path) -> Iterator[None]:
    """Let one process at a time work on a repository, where the cache can be written. Old clients take away
    and make anew what another process reads.
    """
    lock = FileLock(storage.parent / ".locks" / storage.name / "lsm2.lock")
    held = False
    try:
        Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        held = True
    except (OSError, NotImplementedError):
        pass  # what cannot be written is told below, in the words of what was to be written
    try:
        yield
    finally:
        if held:
            lock.release()


def _is_offline() -> bool:
    from huggingface_hub import constants

    # The client reads the variable when it is imported; one that is set later counts as well.
    late = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
    return late or bool(constants.HF_HUB_OFFLINE)


def _cached_commit(storage: Path, revision: str) -> str | None:
    """The commit that a revision means in this cache, or None."""
    if _COMMIT.fullmatch(revision):
        return revision
    try:
        commit = (storage / "refs" / revision).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    return commit if _COMMIT.fullmatch(commit) else None


def _in_cache(hub: HubName, storage: Path) -> tuple[Path, bool] | None:
    """The checkpoint of a revision if the cache holds all of it, and whether it is in our own form."""
    commit = _cached_commit(storage, hub.revision)
    if commit is None:
        return None
    ready = storage / CONVERTED / commit
    if _is_whole(ready):
        return ready, True
    snapshot = storage / "snapshots" / commit
    names = [path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()]
    try:
        ours, _ = _files(hub, snapshot, names)
    except (FileNotFoundError, ValueError):
        return None
    return snapshot, ours


def _is_whole(folder: Path) -> bool:
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def _download(hub: HubName, cache: Path) -> tuple[Path, bool]:
    """Bring the files of a checkpoint into the cache, the weights last: where they are, the rest is too.

    Returns:
        The snapshot's folder, and whether it is in our own form (else a release).
    """
    from huggingface_hub import HfApi

    import lsm2

    api = HfApi(library_name="lsm2", library_version=lsm2.__version__)

    def listing(revision: str) -> tuple[str, list[str]]:
        info = attempt(api.model_info, hub.repo, revision=revision, timeout=_PASSES, subject=str(hub))
        return str(info.sha), [file.rfilename for file in info.siblings or []]

    commit, names = listing(hub.revision)
    small = [CONFIG, MANIFEST, CARD]
    where = attempt(
        api.snapshot_download,
        hub.repo,
        revision=hub.revision,  # the client notes in its cache which commit this means
        cache_dir=cache,
        allow_patterns=small,
        subject=str(hub),
    )
    snapshot = Path(where)
    if snapshot.name != commit:  # the branch moved in between
        commit, names = listing(snapshot.name)
    ours, wanted = _files(hub, snapshot, names)
    for name in wanted:
        attempt(
            api.hf_hub_download,
            hub.repo,
            name,
            revision=commit,
            cache_dir=cache,
            subject=f"{name} of {hub}",
        )
    return snapshot, ours


def _files(hub: HubName, folder: Path, names: list[str]) -> tuple[bool, list[str]]:
    """The files of a checkpoint, weights last.

    Args:
        hub: Where they are from, for messages.
        folder: Holds those of the small files that there are.
        names: What the repository has (or what of it is in the cache).

    Returns:
        Whether the checkpoint is in our own form (else a release), and the names.

    Raises:
        FileNotFoundError: A file is missing; says which, and what there is.
        CheckpointError: The manifest is damaged.
    """
    ours = CONFIG in names and _is_our_config(folder / CONFIG)
    if ours:
        extras = [n for n in names if n.startswith(("probes/", "intervals")) or n == CARD]
        wanted = [*sorted(extras), CONFIG, WEIGHTS]
    elif MANIFEST in names:
        manifest = openmhc.read_manifest(folder / MANIFEST) or {}
        parts = (manifest.get(key) for key in ("normalization_stats", "checkpoint"))
        wanted = [MANIFEST, *(str(PurePosixPath(part)) for part in parts if part)]
    else:
        checkpoints = [n for n in names if n.endswith(".ckpt") and "/" not in n]
        if len(checkpoints) != 1:
            raise FileNotFoundError(
                f"{hub} holds no checkpoint that lsm2 reads: no {CONFIG} of ours, no {MANIFEST} and "
                f"{len(checkpoints) or 'no'} .ckpt; it has {_listed(names)}"
            )
        wanted = [STATISTICS, *checkpoints]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise FileNotFoundError(f"{hub} lacks {', '.join(missing)}; it has {_listed(names)}")
    return ours, wanted


def _listed(names: list[str], most: int = 20) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(sorted(names)[:most]) or "no files") + rest


def _is_our_config(path: Path) -> bool:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(fields, dict) and fields.get("format") == "lsm2"


def _converted(release: Path, storage: Path) -> Path:
    """A release in our own form, in ``lsm2-1/<commit>``; where that cannot be written, the release itself."""
    target = storage / CONVERTED / release.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{release.name}.", dir=target.parent))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        warnings.warn(
            f"cannot write {target.parent} ({error.strerror}), so the release is read as it came, each time; "
            "give a folder of your own as cache_dir= to convert it once",
            stacklevel=2,
        )
        return release
    try:
        openmhc.convert(release, made)
        made.chmod(0o755)
        _rename(made, target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return target


def _rename(made: Path, target: Path) -> None:
    """Put a finished folder in its place; where another process was first, its folder stays."""
    try:
        made.rename(target)
    except OSError:
        if _is_whole(target):
            return
        shutil.rmtree(target, ignore_errors=True)  # someone took files out of it
        made.rename(target)


def push(
    folder: Path,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    commit_message: str = "Upload a model with lsm2",
    create_pr: bool = False,
    token: str | None = None,
) -> str:
    """Upload a checkpoint folder to a repository, which is made if there is none.

    Args:
        folder: Holds ``config.json`` and ``model.safetensors``; card, probes and intervals go with them,
            other files do not.
        repo_id: ``"org/repo"``, or ``"repo"`` for one of your own.
        private: Make a new repository private; one that is there stays as it is.
        revision: A branch, made if there is none; None for ``main``.
        commit_message: Of the commit.
        create_pr: Open a pull request instead of writing to the branch.
        token: None for the one that ``hf auth login`` or ``HF_TOKEN`` gives.

    Returns:
        Address of the commit or the pull request.

    Raises:
        FileNotFoundError: The folder is no checkpoint.
        PermissionError: You are not logged in, or the token may not write there.
        ConnectionError: No network, server errors or a cut transfer, after several tries.
        ValueError: A repository name that the hub does not allow.
    """
    from huggingface_hub import HfApi

    import lsm2

    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{folder} is no checkpoint: it has no {' and no '.join(missing)}")
    api = HfApi(library_name="lsm2", library_version=lsm2.__version__, token=token)
    subject = f"model {repo_id!r}"
    made = attempt(api.create_repo, repo_id, private=private, exist_ok=True, subject=subject, writing=True)
    repo_id = made.repo_id
    if revision is not None and not revision.startswith("refs/"):
        attempt(api.create_branch, repo_id, branch=revision, exist_ok=True, subject=subject, writing=True)
    commit = attempt(
        api.upload_folder,
        repo_id=repo_id,
        folder_path=folder,
        revision=revision,
        commit_message=commit_message,
        create_pr=create_pr,
        allow_patterns=[CONFIG, WEIGHTS, CARD, "probes/*", "intervals*"],
        subject=subject,
        writing=True,
    )
    return str(commit.pr_url or commit.commit_url)
