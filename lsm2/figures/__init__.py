"""Pictures: days, what is missing, errors of fills, maps of embeddings, curves of probes.

Each function returns a matplotlib Figure made without pyplot, so that nothing stays open and no backend is
chosen; write it with ``figure.savefig("picture.png")``. What colour says, line, marker or hatching says too.
"""

from __future__ import annotations

from lsm2.figures.days import day, week
from lsm2.figures.embeddings import embedding_map
from lsm2.figures.errors import error_by_gap
from lsm2.figures.missing import missingness
from lsm2.figures.probes import roc, score_by_people

__all__ = [
    "day",
    "embedding_map",
    "error_by_gap",
    "missingness",
    "roc",
    "score_by_people",
    "week",
]
