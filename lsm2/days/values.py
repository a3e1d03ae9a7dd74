"""Numbers out of a frame's columns, checked against the valid range of their channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lsm2.channels import Channel
from lsm2.days.keys import FrameError


def as_floats(column: pd.Series, label: Any) -> np.ndarray:
    """Return a column as float32 or float64 (rows,), NaN where it holds nothing; float columns are not
    copied.

    Raises:
        FrameError: The column does not hold numbers; names the first row that does not.
    """
    dtype = column.dtype
    if dtype in (np.float32, np.float64):
        return np.asarray(column)
    if isinstance(dtype, pd.CategoricalDtype):
        column, dtype = column.astype(dtype.categories.dtype), dtype.categories.dtype
    if isinstance(dtype, pd.SparseDtype):
        column, dtype = column.astype(dtype.subtype), dtype.subtype
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        if pd.api.types.is_extension_array_dtype(dtype):
            return column.to_numpy(dtype=own_dtype(dtype), na_value=np.nan)
        return column.to_numpy(dtype=np.float64)
    if str(dtype).startswith("decimal"):  # Arrow
        return (
            column.astype(object).map(float, na_action="ignore").to_numpy(dtype=np.float64, na_value=np.nan)
        )
    if str(dtype).startswith("null"):  # Arrow: a column of nothing
        return np.full(len(column), np.nan)
    if not pd.api.types.is_object_dtype(dtype):
        raise FrameError(_not_numeric(column, label, 0))
    return _from_objects(column, label)


def own_dtype(dtype: Any) -> np.dtype[Any]:
    """Return the dtype in which a column comes back: its own for float32 and float64, else float64."""
    return (
        np.dtype(np.float32)
        if str(dtype) in ("float32", "Float32", "float[pyarrow]")
        else np.dtype(np.float64)
    )


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
    shown = repr(column.iloc[row]) if len(column) else "no rows"
    return (
        f"column {label!r} holds {column.dtype}, not numbers: {shown} in row {row} (index "
        f"{column.index[row]!r}). Convert it, for instance by pd.to_numeric(column, errors='coerce'), or "
        "drop it."
        if len(column)
        else f"column {label!r} holds {column.dtype}, not numbers. Convert it by pd.to_numeric, or drop it."
    )


def own_limits(channel: Channel, conversion: tuple[float, float], dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Return the valid range in the caller's own unit, as the outermost values of `dtype` within it."""
    scale, offset = conversion
    low, high = (channel.minimum - offset) / scale, (channel.maximum - offset) / scale
    lowest, highest = dtype.type(low), dtype.type(high)
    if lowest < low:
        lowest = np.nextafter(lowest, dtype.type(np.inf))
    if highest > high:
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
    return np.clip(values * np.float64(scale) + offset, channel.minimum, channel.maximum)


def from_canonical(values: np.ndarray, conversion: tuple[float, float]) -> np.ndarray:
    """Return canonical values in the caller's unit, float64."""
    scale, offset = conversion
    return (np.asarray(values, np.float64) - offset) / scale
