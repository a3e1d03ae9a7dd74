"""The command line: ``embed``, ``reconstruct``, ``coverage``, ``info``, ``pretrain``, ``demo``,
``calibrate``, ``evaluate``, ``import``, ``fit-probe``, ``predict``, ``report``.

Exit codes: 0 done, 2 something the user can mend (one line on stderr says what), 130 interrupted. Heavy
imports stand inside the commands, so that ``lsm2 --help`` answers at once.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import typer

from lsm2.cli import calibrate, commands, evaluate, imports, probes, report
from lsm2.cli.app import app

__all__ = ["app", "calibrate", "commands", "evaluate", "imports", "main", "probes", "report"]


# What messages say to callers of the functions, in the words of the command line.
_PHRASES = {
    "(a zone, a column of zones, or {participant: zone})": "(a zone, or a column of zones)",
    "local_files_only=True": "HF_HUB_OFFLINE=1",
    "cache_dir=": "HF_HUB_CACHE",
    "events=, a frame with": "events=, a table with",
    "people=['...']": "--person ID",
}
# An argument such as tz='UTC', units={'channel': 'unit'} or cv=; not what paths and quoted text hold.
_ARGUMENT = re.compile(
    r"(?<![\w/\\'\"-])(batch_size|channels|columns|components|cv|device|end|events|grid|groups|history"
    r"|interval|label|layout|level|max_gap|min_observed|model|n_samples|on_error|output|participant|point"
    r"|precision|return_filled|return_median|seed|start|summary|task|time_format|timestamp|tz|units|workers)"
    r"=(\{'[^{}]*'\}|'[^']*'|\"[^\"]*\"|\.\.\.|-?\w(?:[\w.]*\w)?)?(?!\w|[./\\]\w)"
)


def _option(argument: re.Match[str]) -> str:
    """An argument as an option: ``--tz UTC``, ``--units channel=unit``, ``--cv``."""
    value = (argument[2] or "").strip("{}").replace("': '", "=").strip("'\"")
    return " ".join([f"--{argument[1].replace('_', '-')}", *([shlex.quote(value)] if value else [])])


def _in_options(message: str) -> str:
    for call, option in _PHRASES.items():
        message = message.replace(call, option)
    return " ".join(_ARGUMENT.sub(_option, message).split())


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"lsm2: warning: {_in_options(str(message))}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after ``lsm2``; those of this process where None.

    Returns:
        The exit code: 0 done, 2 a mistake that stderr explains in one line, 130 interrupted.
    """
    with warnings.catch_warnings():
        warnings.showwarning = _warn
        try:
            code = app(
                None if arguments is None else list(arguments), prog_name="lsm2", standalone_mode=False
            )
            return int(code or 0)
        except (KeyboardInterrupt, typer.Abort):
            code, message = 130, "interrupted"
        except (ValueError, TypeError, OSError, ImportError) as error:
            if os.environ.get("LSM2_TRACEBACK"):
                raise
            code, message = 2, str(error)
        except Exception as error:
            # A usage error; its class lives in click or in typer, depending on the version of typer.
            if not hasattr(error, "format_message"):
                raise
            context = getattr(error, "ctx", None)
            help_ = f"{context.command_path if context else 'lsm2'} --help"
            code, message = 2, f"{error.format_message()} (more: {help_})"
    print(f"lsm2: {_in_options(message)}", file=sys.stderr)
    return code
