"""Numbers out of a frame's columns, checked against the valid range of their channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lsm2.channels import Channel, Schema
from lsm2.days.keys import FrameError


def as_floats(column: pd.Series, label: Any) -> np.ndarray:
    """Return a column as numbers (rows,), NaN where it holds nothing: float32 as it is, all else as float64.

    Columns of float32 and float64 are not copied.

    Raises:
        FrameError: The column does not hold numbers; names the first row that does not.
    """
    dtype: Any = column.dtype
    if isinstance(dtype, np.dtype) and dtype in (np.float32, np.float64):
        return np.asarray(column)
    if isinstance(dtype, pd.CategoricalDtype):
        dtype = dtype.categories.dtype
        column = column.astype(object)
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    if str(dtype).startswith("decimal"):  # Arrow
        return _from_objects(column.astype(object), label)
    if str(dtype).startswith("null"):  # Arrow: a column of nothing
        return np.full(len(column), np.nan)
    if not pd.api.types.is_object_dtype(dtype):
        raise FrameError(_not_numeric(column, label, 0))
    return _from_objects(column, label)


def _from_objects(column: pd.Series, label: Any) -> np.ndarray:
    missing = column.isna().to_numpy()
    values = column.to_numpy(dtype=object)
    kinds = pd.api.types.infer_dtype(values[~missing], skipna=False)
    if kinds not in ("integer", "floating", "mixed-integer-float", "boolean", "decimal", "empty"):
        wrong = np.fromiter((not _is_number(value) for value in values), bool, len(values)) & ~missing
        if wrong.any():
            raise FrameError(_not_numeric(column, label, int(np.flatnonzero(wrong)[0])))
    result = np.full(len(values), np.nan)
    try:
        result[~missing] = values[~missing].astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise FrameError(f"column {label!r} holds numbers that float64 cannot hold: {error}") from error
    return result


def _is_number(value: Any) -> bool:
    return (pd.api.types.is_number(value) and not isinstance(value, complex)) or isinstance(
        value, (bool, np.bool_)
    )


def _not_numeric(column: pd.Series, label: Any, row: int) -> str:
    where = f": {column.iloc[row]!r} in row {row} (index {column.index[row]!r})" if len(column) else ""
    return (
        f"column {label!r} holds {column.dtype}, not numbers{where}. Convert it, for instance by "
        "pd.to_numeric(column, errors='coerce'), or drop it. Where a comma stands for the point, read the "
        "file with decimal=','."
    )


def own_limits(channel: Channel, conversion: tuple[float, float], dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Return the valid range in the caller's own unit, as the outermost values of `dtype` within it."""
    scale, offset = conversion
    low, high = (channel.minimum - offset) / scale, (channel.maximum - offset) / scale
    lowest, highest = dtype.type(low), dtype.type(high)
    if float(lowest) < low:
        lowest = np.nextafter(lowest, dtype.type(np.inf))
    if float(highest) > high:
        highest = np.nextafter(highest, dtype.type(-np.inf))
    return lowest, highest


def keep_valid(values: np.ndarray, limits: tuple[Any, Any]) -> tuple[np.ndarray, int]:
    """Return the values with NaN for those outside the limits, and their number; copies only if it must."""
    low, high = limits
    with np.errstate(invalid="ignore"):
        wrong = (values < low) | (values > high)
    count = int(np.count_nonzero(wrong))
    return (np.where(wrong, values.dtype.type(np.nan), values) if count else values), count


def to_canonical(values: np.ndarray, channel: Channel, conversion: tuple[float, float]) -> np.ndarray:
    """Return values of the caller's unit in the channel's own, within its range."""
    scale, offset = conversion
    if (scale, offset) == (1.0, 0.0):
        return values
    return np.clip(values.astype(np.float64) * scale + offset, channel.minimum, channel.maximum)


def from_canonical(values: np.ndarray, conversion: tuple[float, float]) -> np.ndarray:
    """Return canonical values in the caller's unit, float64."""
    scale, offset = conversion
    return (np.asarray(values, np.float64) - offset) / scale


def drop_zeros(values: np.ndarray, schema: Schema) -> None:
    """Make NaN of the zeros that a schema's rules take for missing, in place.

    Args:
        values: (days, channels, 1440) canonical units.
        schema: The channels and their rules.
    """
    for rule in schema.zero_rules:
        for name in rule.channels:
            channel = values[:, schema.index(name)]  # (days, 1440)
            zero = channel == 0
            if rule.below is not None:
                total = np.nansum(channel, axis=1, dtype=np.float64)
                zero &= ((total == 0) | (total < rule.below))[:, None]
            channel[zero] = np.nan
