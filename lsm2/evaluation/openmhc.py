"""Our models behind the imputation protocol of OpenMHC's harness."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lsm2.channels import OPENMHC
from lsm2.model import Model


class Imputer:
    """A model as an imputer of OpenMHC's 19 channels, for ``openmhc.evaluate_imputation``.

    The harness has prepared the data (zero rules included) and scores raw answers: zeros are taken as they
    come and answers are not clipped to valid ranges.

    Args:
        model: A model of :func:`lsm2.load_model`. It reads those of the 19 channels that it knows.
        units: Units of the arrays where they are not those of ``lsm2.channels.OPENMHC``, such as
            ``{"watch_hr": "count/s"}`` for heart rate per second, as HealthKit's own files count.
        batch_size: Most windows at once; None decides by the number of tokens.
        progress: Show a progress bar.

    Raises:
        TypeError: ``model`` is no :class:`lsm2.Model`.
        ValueError: The model knows none of the channels, or a unit is not known.

    Example:
        >>> import lsm2, numpy as np
        >>> from lsm2.evaluation.openmhc import Imputer
        >>> imputer = Imputer(lsm2.load_model())
        >>> data = np.full((1, 19, 1440), np.nan, np.float32)
        >>> data[0, 5] = 70.0
        >>> target = np.zeros(data.shape, bool)
        >>> target[0, 5, 600:660] = True
        >>> filled = imputer.impute(np.where(target, np.nan, data), ~np.isnan(data), target)
        >>> bool(np.isfinite(filled[target]).all())
        True
    """

    def __init__(
        self,
        model: Model,
        *,
        units: Mapping[str, str] | None = None,
        batch_size: int | None = None,
        progress: bool | None = False,
    ) -> None:
        if not isinstance(model, Model):
            raise TypeError(f"model is a Model of lsm2.load_model, not {type(model).__name__}")
        self.name = f"lsm2_{model.config.name}"
        self._model = model
        self._batch_size, self._progress = batch_size, progress
        conversions = OPENMHC.conversions(units)
        self._scale = np.ones((len(OPENMHC), 1), np.float32)
        self._offset = np.zeros((len(OPENMHC), 1), np.float32)
        for position, (scale, offset) in conversions.items():
            self._scale[position], self._offset[position] = scale, offset
        self._pairs = _pairs(model)

    def impute(self, data: np.ndarray, observed_mask: np.ndarray, target_mask: np.ndarray) -> np.ndarray:
        """Replace the target cells.

        Args:
            data: (N, 19, T) raw values; T is a multiple of the model's window (1,440 or 10,080 minutes).
                What stands in target cells, and in cells that were not observed, is never read.
            observed_mask: (N, 19, T), 1 or True where the recording has a value.
            target_mask: (N, 19, T), 1 or True where to impute.

        Returns:
            (N, 19, T) float32: ``data`` with the target cells replaced. They are NaN in a window without an
            observed token outside of them, and in channels that the model does not know.

        Raises:
            ValueError: A shape does not fit, or heart rate is per second without ``units`` saying so.
        """
        data = np.asarray(data, np.float32)
        observed, target = (np.asarray(mask) > 0.5 for mask in (observed_mask, target_mask))
        minutes = self._model.config.network.window_minutes
        if data.ndim != 3 or data.shape[1] != len(OPENMHC) or data.shape[2] % minutes or not data.shape[2]:
            raise ValueError(
                f"data has shape {data.shape}; it is (N, {len(OPENMHC)}, T) with T a multiple of the model's "
                f"{minutes} minutes"
            )
        for name, mask in (("observed_mask", observed), ("target_mask", target)):
            if mask.shape != data.shape:
                raise ValueError(f"{name} has shape {mask.shape}, data has {data.shape}")
        out = data.copy()
        seen = np.where(observed & ~target & np.isfinite(data), data * self._scale + self._offset, np.nan)
        _check_heart_rate(seen)
        theirs, ours = self._pairs
        shape = (len(data), len(self._model.schema), data.shape[2])
        values = np.full(shape, np.nan, np.float32)
        wanted = np.zeros(values.shape, bool)
        values[:, ours], wanted[:, ours] = seen[:, theirs], target[:, theirs]
        answer = self._model.fill_windows(
            _cut(values, minutes), _cut(wanted, minutes), batch_size=self._batch_size, progress=self._progress
        )
        filled = np.full(data.shape, np.nan, np.float32)
        filled[:, theirs] = _join(answer, data.shape[2] // minutes)[:, ours]
        filled = (filled - self._offset) / self._scale
        out[target] = filled[target]
        return out


def _pairs(model: Model) -> tuple[list[int], list[int]]:
    """Positions in OpenMHC's channels and in the model's of the channels that both have."""
    if model.schema.names == OPENMHC.names:
        every = list(range(len(OPENMHC)))
        return every, every
    pairs = [
        (position, ours)
        for ours, name in enumerate(model.schema.names)
        if (position := OPENMHC.match(name)) is not None
    ]
    if not pairs:
        raise ValueError(
            f"{model.config.name} knows none of OpenMHC's channels; it reads {', '.join(model.schema.names)}"
        )
    return [position for position, _ in pairs], [ours for _, ours in pairs]


def _check_heart_rate(seen: np.ndarray) -> None:
    rate = seen[:, OPENMHC.index("watch_hr")]
    rate = rate[np.isfinite(rate)]
    if len(rate) and np.median(rate) < 10:
        raise ValueError(
            f"the median of watch_hr is {np.median(rate):.2f}, so it is per second: pass "
            "units={'watch_hr': 'count/s'} to Imputer"
        )


def _cut(array: np.ndarray, minutes: int) -> np.ndarray:
    """(N, channels, k * minutes) to (N * k, channels, minutes)."""
    count, channels, length = array.shape
    parts = array.reshape(count, channels, length // minutes, minutes).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(parts.reshape(count * (length // minutes), channels, minutes))


def _join(array: np.ndarray, parts: int) -> np.ndarray:
    """(N * parts, channels, minutes) to (N, channels, parts * minutes)."""
    windows, channels, minutes = array.shape
    rows = array.reshape(windows // parts, parts, channels, minutes).transpose(0, 2, 1, 3)
    return np.asarray(rows.reshape(windows // parts, channels, parts * minutes))
