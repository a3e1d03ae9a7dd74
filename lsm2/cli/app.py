"""The command line itself: ``lsm2``, its version, its help."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Embeddings and filled days from minute-level wearable recordings with holes in them. "
    "A research tool, not medical advice.",
    epilog="Set LSM2_TRACEBACK=1 to see where in the code an error arose.",
)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    if version:
        from lsm2 import __version__

        typer.echo(f"lsm2 {__version__}")
        raise typer.Exit()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)
