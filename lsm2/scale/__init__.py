"""Cohorts: files read in parts, parts spread over processes, devices, Ray and Spark.

:func:`lsm2.embed` and :func:`lsm2.reconstruct` read files by this package; see ``docs/scale.md``.
"""

from __future__ import annotations

from lsm2.scale.compute import PartitionError
from lsm2.scale.dataset import embed_dataset, reconstruct_dataset
from lsm2.scale.partition import EmbedPartition, ReconstructPartition

__all__ = [
    "EmbedPartition",
    "PartitionError",
    "ReconstructPartition",
    "embed_dataset",
    "reconstruct_dataset",
]
