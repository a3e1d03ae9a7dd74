"""The report: a page per recording that shows what was recorded, what was filled, and how sure that is."""

from __future__ import annotations

from lsm2.report.write import write_report

__all__ = ["write_report"]
