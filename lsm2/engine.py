"""Arrays of days through a network: batches of observed tokens, device, precision, progress.

Days are sorted by how many tokens they hold, packed end to end, and cut into batches by tokens, so that
nothing is padded and a batch's cost does not depend on how much is missing. Results do not depend on the
batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from lsm2.aim import AIM
from lsm2.aim.prepared import Preparation
from lsm2.aim.usual import USUAL_SUMS, usual_sums
from lsm2.progress import progress_bar

PRECISIONS = ("float32", "bfloat16", "auto")
_BATCH_TOKENS = 4096
_GPU_BATCH_TOKENS, _GPU_BATCH_DAYS = 32768, 256
"""Sparse days cost memory beside their tokens."""
_SUMMED_DAYS = 256
_LARGEST_KEPT = 31 * 2**20  # bytes; just under what glibc's free() learns from


@dataclass(frozen=True)
class Engine:
    """A network on a device at a precision."""

    network: AIM
    device: torch.device
    precision: str
    """``float32`` or ``bfloat16``."""
    _preparation: Preparation = field(default_factory=Preparation, repr=False, compare=False)

    def observed_tokens(self, observed: np.ndarray) -> np.ndarray:
        """Which tokens count as observed (windows, channels, slots), from minutes (windows, channels,
        minutes).
        """
        config = self.network.config
        patches = observed.reshape(*observed.shape[:2], config.slots, config.patch_minutes)
        tokens = np.asarray(patches.any(-1))
        every = list(config.all_minutes_required)
        tokens[:, every] = patches[:, every].all(-1)
        return tokens

    def token_counts(self, observed: np.ndarray) -> np.ndarray:
        """Observed tokens of each window, from observed minutes (windows, channels, minutes)."""
        return np.asarray(self.observed_tokens(observed).sum((1, 2)))

    @torch.inference_mode()
    def embed(
        self, values: np.ndarray, kept: np.ndarray, *, batch_size: int | None, progress: bool | None
    ) -> np.ndarray:
        """Embeddings of whole days.

        Args:
            values: (days, channels, minutes) canonical units, NaN = missing.
            kept: (days,) bool, the days to embed.
            batch_size: Most days at once; None lets the number of tokens decide.
            progress: Show a bar; None shows it on a terminal once it takes a few seconds.

        Returns:
            (days, dim) float32; NaN for a day without an observed token.
        """
        network = self._prepared()
        out = np.full((len(values), network.config.encoder_dim), np.nan, dtype=np.float32)
        counts = self.token_counts(~np.isnan(values)) * kept
        for rows in _shown(self._batches(counts, batch_size), int((counts > 0).sum()), progress, "embed"):
            batch, observed, start = self._windows(values[rows])
            with self._autocast():
                encoded = network.encode(batch, observed, start)
            out[rows] = network.pool(encoded, len(rows)).cpu().numpy()
        return out

    @torch.inference_mode()
    def embed_tokens(
        self, values: np.ndarray, kept: np.ndarray, *, batch_size: int | None, progress: bool | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """What observed tokens say, a batch of days at a time; arguments as for :meth:`embed`.

        Yields:
            Day numbers (tokens,), channel-major token numbers (tokens,), weights in means (tokens,), outputs
            (tokens, dim).
        """
        network = self._prepared()
        counts = self.token_counts(~np.isnan(values)) * kept
        for rows in _shown(self._batches(counts, batch_size), int((counts > 0).sum()), progress, "embed"):
            batch, observed, start = self._windows(values[rows])
            with self._autocast():
                encoded = network.encode(batch, observed, start)
            yield (
                rows[encoded.day.cpu().numpy()],
                encoded.token.cpu().numpy(),
                encoded.weight.cpu().numpy(),
                encoded.output.float().cpu().numpy(),
            )

    @torch.inference_mode()
    def reconstruct(
        self,
        values: np.ndarray,
        wanted: np.ndarray,
        *,
        points: Sequence[str],
        start_slot: int = 0,
        clip: bool = True,
        usual: Callable[[np.ndarray], Tensor] | None = None,
        batch_size: int | None,
        progress: bool | None,
    ) -> list[np.ndarray]:
        """Proposed values for the minutes wanted.

        Args:
            values: (days, channels, minutes) canonical units, NaN = missing.
            wanted: (days, channels, minutes) bool.
            points: ``mean``, ``median`` or both, from one pass.
            start_slot: Clock slot at which the windows begin (half of the slots for windows from noon to
                noon).
            clip: Keep values in the valid range.
            usual: From the numbers of n windows the sums over other days (n, channels, slots, 3), for
                networks that see them.
            batch_size: Most days at once; None lets the number of tokens decide.
            progress: Show a bar; None shows it on a terminal once it takes a few seconds.

        Returns:
            For each point float32 (days, channels, minutes); NaN where not wanted, or without an observed
            token.
        """
        network = self._prepared()
        config = network.config
        out = [np.full(values.shape, np.nan, dtype=np.float32) for _ in points]
        asked = np.asarray(wanted.reshape(len(values), config.tokens, config.patch_minutes).any(-1))
        counts = self.token_counts(~np.isnan(values))
        answered = asked.any(1) & (counts > 0)
        # On GPUs, whose batches are large, memory counts: a decoder with self-attention holds all tokens.
        every = config.decoder == "self" and self.device.type == "cuda"
        work = np.where(answered, counts + (config.tokens if every else asked.sum(1)), 0)
        for rows in _shown(self._batches(work, batch_size), int(answered.sum()), progress, "reconstruct"):
            batch, observed, start = self._windows(values[rows], start_slot)
            tokens = self._there(asked[rows])
            with self._autocast():
                others = None if usual is None else usual(rows).to(self.device)
                reading = network.reconstruct(batch, observed, start, tokens, others)
            channel = reading.token // config.slots
            places = rows[reading.day.cpu().numpy()], reading.token.cpu().numpy()
            for point, fills in zip(points, out, strict=True):
                answer = (reading.mean if point == "mean" else reading.median).float()
                if clip:
                    answer = network.normaliser.into_range(answer, channel)
                    if point == "median":
                        mean = network.normaliser.into_range(reading.mean.float(), channel)
                        answer = network.normaliser.possible_median(answer, mean, channel)
                patches = fills.reshape(len(values), config.tokens, config.patch_minutes)
                patches[places] = answer.cpu().numpy()
        for fills in out:
            fills[~wanted] = np.nan
        return out

    @torch.inference_mode()
    def usual_sums(self, values: np.ndarray) -> np.ndarray:
        """What days (days, channels, 1440) add to the usual day of a person, float32 (days, channels, slots,
        3); see :func:`lsm2.aim.usual.usual_sums`.
        """
        config, normaliser = self.network.config, self.network.normaliser
        out = np.zeros((len(values), config.channels, config.slots, USUAL_SUMS), np.float32)
        for first in range(0, len(values), _SUMMED_DAYS):
            batch, observed, _ = self._windows(values[first : first + _SUMMED_DAYS])
            sums = usual_sums(batch, observed, config, normaliser)
            out[first : first + _SUMMED_DAYS] = sums.cpu().numpy()
        return out

    def _windows(self, values: np.ndarray, start_slot: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        batch = self._there(values)
        start = torch.full((len(values),), start_slot, device=self.device)
        return batch, ~torch.isnan(batch), start

    def _there(self, array: np.ndarray) -> Tensor:
        """On the device; copied from pinned memory to GPUs, while the processor goes on."""
        tensor = torch.from_numpy(array)
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)

    def _batches(self, work: np.ndarray, batch_size: int | None) -> list[np.ndarray]:
        """Row numbers of days with work, like sizes together, cut where a batch holds enough tokens."""
        order = np.argsort(work, kind="stable")
        order = order[work[order] > 0]
        if batch_size is not None:
            return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
        on_gpu = self.device.type == "cuda"
        most = _GPU_BATCH_TOKENS if on_gpu else _BATCH_TOKENS
        sizes = np.maximum(work[order], most // _GPU_BATCH_DAYS) if on_gpu else work[order]
        filled = np.cumsum(sizes) // most
        return np.split(order, np.flatnonzero(np.diff(filled)) + 1) if len(order) else []

    def _prepared(self) -> AIM:
        """The network with its weights as the computation takes them."""
        if self.device.type == "cpu":
            # What this frees teaches glibc to keep memory for the next layer instead of returning it: page
            # faults were a tenth of the time. It costs nothing, and other allocators ignore it.
            torch.empty(_LARGEST_KEPT, dtype=torch.uint8)
        precision = torch.bfloat16 if self.precision == "bfloat16" else torch.float32
        return self._preparation.of(self.network, precision)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16")


def make_engine(network: AIM, device: str = "auto", precision: str = "float32") -> Engine:
    """Put a network on a device.

    Args:
        network: In evaluation mode.
        device: ``auto`` (CUDA where there is one, else the CPU) or a torch device.
        precision: ``float32``; ``bfloat16``; ``auto`` for bfloat16 where the hardware multiplies matrices
            faster in it: GPUs that know it, processors with AMX, AMD's with AVX512-BF16.

    Raises:
        ValueError: The device or the precision is unknown, or the device is not there.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision={precision!r} is not known; it is one of {', '.join(PRECISIONS)}")
    try:
        place = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
        network = network.to(place)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(
            f"device={device!r} cannot be used here ({str(error).splitlines()[0]}); try 'auto' or 'cpu'"
        ) from None
    if precision == "auto":
        precision = "bfloat16" if _faster_in_bfloat16(place) else "float32"
    return Engine(network.eval(), place, precision)


def _faster_in_bfloat16(device: torch.device) -> bool:
    """On CPUs: with AMX, or with AVX512-BF16 on those whose float32 is no match for it (docs/speed.md)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type != "cpu":
        return False
    known: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # absent from older torch
    if not known:
        probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)
    # Intel's with AVX512-FP16 and without AMX, as on some virtual machines, multiply no more bfloat16 than
    # float32 a cycle, and have to convert beside that.
    slow = known.get("avx512_fp16", False)
    return bool(known.get("amx_tile", False) or (known.get("avx512_bf16", False) and not slow))


def _shown(batches: list[np.ndarray], days: int, progress: bool | None, what: str) -> Iterator[np.ndarray]:
    """Yield batches under a bar over days."""
    with progress_bar(days, what, "day", progress) as bar:
        for rows in batches:
            yield rows
            bar.update(len(rows))
