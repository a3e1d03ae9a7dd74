"""A stand-in of the Hugging Face hub on this machine: what its client asks for when it downloads and uploads
models, and the ways in which the real one fails.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs, unquote, urlsplit

Files = dict[str, bytes]


def commit_of(files: Files, parent: str = "") -> str:
    """A hash of content and parent, as git has it: 40 hex digits."""
    digest = hashlib.sha1(parent.encode())
    for name, content in sorted(files.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha1(content).digest())
    return digest.hexdigest()


@dataclass
class Repository:
    """Commits and names of commits of one model."""

    commits: dict[str, Files] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    private: bool = False
    gated: bool = False

    def add(self, files: Files, *refs: str) -> str:
        """A commit with these files (only), to which branches or tags point."""
        commit = commit_of(files, self.refs.get(refs[0], "") if refs else "")
        self.commits[commit] = dict(files)
        for ref in refs or ("main",):
            self.refs[ref] = commit
        return commit

    def resolve(self, revision: str) -> str | None:
        return self.refs.get(revision) or (revision if revision in self.commits else None)


@dataclass(frozen=True)
class Request:
    """What was asked."""

    method: str
    path: str
    authorization: str | None
    range: str | None
    status: int


class Hub:
    """The server; use it in a ``with`` block.

    Attributes:
        repositories: By ``org/repo``.
        token: The one that opens private repositories and may write.
        log: All requests so far.
        busy: This many requests more are answered with 503.
        busy_from: From this number of requests on, all are answered with 503.
        cuts: This many downloads more of the weights stop half way; negative: all of them, with nothing sent
            where a download goes on from the middle.
        before: Called with the number of earlier requests before each is answered.
    """

    def __init__(self, token: str = "hf_" + "t" * 34) -> None:
        self.repositories: dict[str, Repository] = {}
        self.token = token
        self.log: list[Request] = []
        self.busy = 0
        self.busy_from: int | None = None
        self.cuts = 0
        self.before: Callable[[int], object] = lambda count: None
        self.uploads: dict[str, bytes] = {}
        self.lock = threading.Lock()
        hub = self

        class Bound(_Handler):
            pass

        Bound.hub = hub
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Hub:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add(self, name: str, folder: Path | Files, *refs: str, **options: bool) -> str:
        """Put a folder into a repository as a new commit; returns the commit."""
        files = folder if isinstance(folder, dict) else read_folder(folder)
        repository = self.repositories.setdefault(name, Repository(**options))
        return repository.add(files, *(refs or ("main",)))

    def asked(self, part: str = "") -> list[Request]:
        return [request for request in self.log if part in request.path]


def read_folder(folder: Path) -> Files:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".ckpt"))


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    headers: Message

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    # answers

    def _send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        request = Request(
            self.command, self.path, self.headers["Authorization"], self.headers["Range"], status
        )
        with self.hub.lock:
            self.hub.log.append(request)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, content: object, status: int = 200) -> None:
        self._send(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, code: str, message: str = "") -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message or code}
        self._send(status, json.dumps({"error": message or code}).encode(), headers)

    def _answer(self) -> None:
        length = self.headers["Content-Length"]
        self.body = self.rfile.read(int(length)) if length else self._chunks()
        with self.hub.lock:
            self.hub.before(len(self.hub.log))
            late = self.hub.busy_from is not None and len(self.hub.log) >= self.hub.busy_from
            busy = late or self.hub.busy > 0
            self.hub.busy -= self.hub.busy > 0
        if busy:
            return self._send(503, b"busy")
        path = unquote(urlsplit(self.path).path)
        parts = path.strip("/").split("/")
        if parts[0] == "api":
            return self._api(parts[1:])
        if parts[0] == "upload":
            self.hub.uploads[parts[1]] = self.body
            return self._send(200)
        if path.endswith(".git/info/lfs/objects/batch"):
            return self._batch()
        if len(parts) > 3 and parts[2] == "resolve":
            return self._resolve("/".join(parts[:2]), parts[3:])
        return self._error(404, "RepoNotFound")

    def _chunks(self) -> bytes:
        if self.headers["Transfer-Encoding"] != "chunked":
            return b""
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _is_known(self) -> bool:
        return self.headers["Authorization"] == f"Bearer {self.hub.token}"

    def _repository(self, name: str) -> Repository | None:
        """The repository; where there is none to see, the answer that the hub gives then."""
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and not self._is_known()):
            status = 404 if self._is_known() else 401
            self._error(status, "RepoNotFound", "Repository not found")
            return None
        return repository

    # questions about repositories

    def _api(self, parts: list[str]) -> None:
        if parts == ["repos", "create"]:
            return self._create()
        if parts == ["validate-yaml"]:
            return self._json({"errors": [], "warnings": []})
        name, rest = "/".join(parts[1:3]), parts[3:]
        if parts[0] != "models" or (repository := self._repository(name)) is None:
            return None if parts[0] == "models" else self._error(404, "RepoNotFound")
        if self.command == "POST":
            return self._write(name, repository, rest)
        kind, revision = (rest[0], rest[1:]) if rest else ("revision", ["main"])
        commit = repository.resolve("/".join(revision)) or repository.resolve(revision[0])
        if commit is None:
            return self._error(404, "RevisionNotFound", f"Invalid rev id: {'/'.join(revision)}")
        files = repository.commits[commit]
        if kind == "tree":
            return self._json([self._entry(name, content) for name, content in sorted(files.items())])
        return self._json(
            {
                "_id": "0",
                "id": name,
                "modelId": name,
                "sha": commit,
                "private": repository.private,
                "siblings": [{"rfilename": name} for name in sorted(files)],
                "tags": [],
                "downloads": 0,
                "likes": 0,
            }
        )

    def _entry(self, name: str, content: bytes) -> dict[str, object]:
        entry: dict[str, object] = {
            "type": "file",
            "path": name,
            "size": len(content),
            "oid": hashlib.sha1(content).hexdigest(),
        }
        if is_large(name):
            oid = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 130}
        return entry

    # files

    def _resolve(self, name: str, parts: list[str]) -> None:
        repository = self._repository(name)
        if repository is None:
            return
        if repository.gated:
            self._error(403 if self._is_known() else 401, "GatedRepo", "Access to it is restricted")
            return
        for used in range(len(parts) - 1, 0, -1):  # a revision may hold slashes
            commit = repository.resolve("/".join(parts[:used]))
            if commit is not None:
                break
        else:
            self._error(404, "RevisionNotFound", "Invalid rev id")
            return
        path = "/".join(parts[used:])
        content = repository.commits[commit].get(path)
        if content is None:
            self._error(404, "EntryNotFound", "Entry not found")
            return
        algorithm = hashlib.sha256 if is_large(path) else hashlib.sha1
        headers = {
            "ETag": f'"{algorithm(content).hexdigest()}"',
            "X-Repo-Commit": commit,
            "Accept-Ranges": "bytes",
            "Content-Length": str(len(content)),
        }
        if is_large(path):
            headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(len(content))}
        if self.command == "HEAD":
            self._send(200, headers=headers)
            return
        start, status = 0, 200
        if asked := self.headers["Range"]:
            start, status = int(asked.removeprefix("bytes=").split("-")[0]), 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        rest = content[start:]
        headers["Content-Length"] = str(len(rest))
        with self.hub.lock:
            cut = is_large(path) and self.hub.cuts != 0
            self.hub.cuts -= cut and self.hub.cuts > 0
        if cut:
            rest = b"" if start and self.hub.cuts < 0 else rest[: len(rest) // 2]
            self.close_connection = True
        self._send(status, rest, headers)

    # writing

    def _create(self) -> None:
        if not self._is_known():
            return self._error(401, "", "Invalid username or password.")
        asked = json.loads(self.body)
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        if name.startswith("theirs/"):
            return self._error(403, "", "You don't have the rights to create a model there")
        content = {"url": f"{self.hub.url}/{name}", "name": name, "id": "0"}
        if name in self.hub.repositories:
            return self._json(content | {"error": "You already created this model repo"}, 409)
        private = asked.get("private") or asked.get("visibility") == "private"
        self.hub.repositories[name] = Repository(private=bool(private))
        self.hub.repositories[name].add({".gitattributes": b""}, "main")
        return self._json(content)

    def _write(self, name: str, repository: Repository, parts: list[str]) -> None:
        if not self._is_known():
            return self._error(401, "", "Invalid username or password.")
        kind, revision = parts[0], "/".join(parts[1:])
        if kind == "branch":
            if revision in repository.refs:
                return self._error(409, "", "Reference already exists")
            repository.refs[revision] = repository.refs["main"]
            return self._json({})
        parent = repository.resolve(revision)
        if parent is None:
            return self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if kind == "preupload":
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if is_large(file["path"]) else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(self.body)["files"]
            ]
            return self._json({"files": files})
        files = dict(repository.commits[parent])
        for line in self.body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                files[value["path"]] = self.hub.uploads[value["oid"]]
        request = "create_pr" in parse_qs(urlsplit(self.path).query)
        ref = "refs/pr/1" if request else revision
        commit = repository.add(files, ref)
        return self._json(
            {
                "success": True,
                "commitOid": commit,
                "commitUrl": f"{self.hub.url}/{name}/commit/{commit}",
                "hookOutput": "",
                "pullRequestUrl": f"{self.hub.url}/{name}/discussions/1" if request else None,
            }
        )

    def _batch(self) -> None:
        objects = json.loads(self.body)["objects"]
        answer = [
            {**asked, "actions": {"upload": {"href": f"{self.hub.url}/upload/{asked['oid']}"}}}
            for asked in objects
        ]
        self._json({"transfer": "basic", "objects": answer})
