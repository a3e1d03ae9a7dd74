"""One request to the Hugging Face hub: tried again where that may help, and refused in words where it does
not.
"""

from __future__ import annotations

import errno
import re
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

WAITS = (0.5, 2.0)
"""Seconds before the second and the last try of what may pass: no answer, a cut transfer, a server
error."""

_CLIENTS = {"requests", "urllib3", "httpx", "httpcore", "httpx2", "httpcore2", "hf_xet"}
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_LOGIN = "log in with `hf auth login` or set HF_TOKEN"

T = TypeVar("T")


def attempt(function: Callable[..., T], *args: Any, subject: str, writing: bool = False, **options: Any) -> T:
    """Call a function of ``huggingface_hub``.

    Args:
        function: The function.
        args: Its positional arguments.
        subject: Repository and revision, for the message of an error.
        writing: Whether the function changes the repository, for the message as well.
        options: Its keyword arguments.

    Returns:
        What the function returns.

    Raises:
        FileNotFoundError: There is no such repository, revision or file, or it is private.
        PermissionError: Access is not granted, or the cache cannot be written.
        ConnectionError: No answer, server errors, or a transfer that was cut, after all tries.
        OSError: Anything else that the hub refuses; a full disk.
        ValueError: A name that the hub does not allow.
    """
    for wait in (*WAITS, None):
        try:
            return function(*args, **options)
        except Exception as error:
            told = explained(error, subject, writing)
            if told is error:
                raise
            if wait is None or not isinstance(told, ConnectionError) or _is_offline(error):
                raise told from error
            warnings.warn(f"{subject}: no answer from the hub ({_reason(error)}); trying again", stacklevel=3)
        time.sleep(wait)
    raise AssertionError  # the last try returns or raises


def explained(error: Exception, subject: str, writing: bool = False) -> Exception:
    """The error of ``huggingface_hub``, whichever HTTP client it uses, as one that says what to do; an error
    that is not about the hub comes back as it is.
    """
    status, code = _answer(error)
    if status is not None:
        return _refusal(status, code, subject, writing, error)
    if type(error).__name__ == "LocalTokenNotFoundError":
        return PermissionError(f"{subject} needs a token: {_LOGIN}")
    if "No space left" in str(error) and not isinstance(error, OSError):
        return OSError(errno.ENOSPC, f"the disk is full while {subject} was loaded")
    client = type(error).__module__.split(".")[0] in _CLIENTS
    if isinstance(error, OSError) and not client and error.errno is not None:
        if isinstance(error, PermissionError):
            return PermissionError(
                f"cannot write {error.filename or 'the hub cache'} ({error.strerror}); "
                "give a folder of your own as cache_dir= or in HF_HOME"
            )
        if not isinstance(error, ConnectionError | TimeoutError):
            return error  # the disk: its own words are best
    if client or isinstance(error, OSError | RuntimeError) or "huggingface_hub" in type(error).__module__:
        if isinstance(error, ValueError) and not isinstance(error, OSError):
            return error  # a name that the hub does not allow
        return ConnectionError(
            f"the transfer of {subject} failed ({_reason(error)}); no half-written file is kept as complete. "
            "Run again, or, once it is in the cache, load with local_files_only=True"
        )
    return error


def _refusal(status: int, code: str, subject: str, writing: bool, error: Exception) -> OSError:
    """What an HTTP status of the hub means for who asked."""
    if writing and status in (401, 403):
        return PermissionError(
            f"the hub does not let you write {subject} (HTTP {status}): {_LOGIN}, with a token that may "
            "write there"
        )
    if code == "GatedRepo" or status == 403:
        return PermissionError(
            f"the hub does not grant access to {subject} (HTTP {status}): ask for it on the repository's "
            f"page, then {_LOGIN}"
        )
    if code == "RevisionNotFound":
        return FileNotFoundError(
            f"no such revision: {subject} is not on the hub (HTTP {status}); "
            "give a branch, tag or commit of that repository"
        )
    if code == "EntryNotFound":
        return FileNotFoundError(f"a file that {subject} should have is not there (HTTP {status})")
    if status in (401, 404):
        stale = "" if code == "RepoNotFound" else ", and that a token which you have set is still valid"
        return FileNotFoundError(
            f"no {subject} on the hub that you may read (HTTP {status}), and no local folder of that name: "
            f"check the spelling{stale}; if it is private, {_LOGIN}"
        )
    if status in _PASSING:
        return ConnectionError(
            f"the hub cannot serve {subject} now (HTTP {status} after {len(WAITS) + 1} tries); run again "
            "later, or, once it is in the cache, load with local_files_only=True"
        )
    return OSError(f"the hub refuses the request for {subject} (HTTP {status}): {_reason(error)}")


def _answer(error: Exception) -> tuple[int | None, str]:
    """Status and error code of the hub's answer behind an error; (None, "") where there was none."""
    for cause in _causes(error):
        response = getattr(cause, "response", None)
        status = getattr(response, "status_code", None)
        if isinstance(status, int) and status >= 400:
            return status, getattr(response, "headers", {}).get("X-Error-Code", "")
    return None, ""


def _is_offline(error: Exception) -> bool:
    """Whether the client was told not to ask."""
    return any(type(cause).__name__ == "OfflineModeIsEnabled" for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _reason(error: Exception) -> str:
    """Type and first words of the deepest error that has any, without queries of signed addresses and
    without credentials in them.
    """
    told = [cause for cause in _causes(error) if str(cause).strip()]
    last = told[-1] if told else error
    text = (str(last).strip().splitlines() or [""])[0]
    text = re.sub(r"\?\S+", "", re.sub(r"//[^/@\s]+@", "//", text))
    return f"{type(last).__name__}: {text[:200]}"
