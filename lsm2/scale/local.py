"""Worker processes of one machine: parts in, answers out in their order, nothing left behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_ATTEMPTS = 4
_WATCH_SECONDS = 0.5
_work: Callable[[Any], Any] | None = None


class WorkerDied(RuntimeError):
    """A worker process ended, again and again, while it computed the same part."""


def spread(
    work: Sequence[Callable[[Item], Answer]],
    items: Iterable[Item],
    failed: Callable[[Item, Exception], Answer],
    attempts: float = _ATTEMPTS,
) -> Generator[Answer, None, None]:
    """Answer items in worker processes, one for each element of ``work``; yields answers in order of items.

    A worker that is killed is replaced, and its item computed again. Workers end with this process, also
    when it is killed, and at Ctrl-C.

    Args:
        work: What each worker does with an item; picklable.
        items: Picklable.
        failed: Makes the answer to an item whose worker died so often.
        attempts: How often an item is tried.
    """
    lanes = [_Lane(one, attempts) for one in work]
    queue = enumerate(items)
    done: dict[int, Answer] = {}
    turn, idle = 0, False
    try:
        while True:
            for lane in lanes:
                if lane.future is None and (item := next(queue, None)) is not None:
                    lane.submit(*item)
            busy = [lane.future for lane in lanes if lane.future is not None]
            if not busy:
                idle = True
                return
            wait(busy, return_when=FIRST_COMPLETED)
            for lane in lanes:
                if lane.future is not None and lane.future.done():
                    lane.collect(lane.future, done, failed)
            while turn in done:
                yield done.pop(turn)
                turn += 1
    finally:
        for lane in lanes:
            lane.close(kill=not idle)


class _Lane:
    """One worker process and the item that it is at."""

    def __init__(self, work: Callable[[Any], Any], most: float) -> None:
        self.work, self.most = work, most
        self.executor = self._start()
        self.future: Future[Any] | None = None
        self.number, self.item, self.attempts = 0, None, 0

    def _start(self) -> Any:
        from joblib.externals.loky.process_executor import ProcessPoolExecutor

        # Its processes do not import the caller's script, which so needs no `if __name__ == "__main__"`.
        return ProcessPoolExecutor(max_workers=1, initializer=_begin, initargs=(self.work, os.getpid()))

    def submit(self, number: int, item: Any, attempts: int = 1) -> None:
        self.number, self.item, self.attempts = number, item, attempts
        self.future = self.executor.submit(_answer, item)

    def collect(
        self, future: Future[Any], done: dict[int, Any], failed: Callable[[Any, Exception], Any]
    ) -> None:
        """Take the answer; where the worker died, start another and try again."""
        from concurrent.futures.process import BrokenProcessPool

        self.future = None
        try:
            done[self.number] = future.result()
        except BrokenProcessPool as error:
            self.close(kill=True)
            self.executor = self._start()
            if self.attempts < self.most:
                self.submit(self.number, self.item, self.attempts + 1)
            else:
                reason = str(error).split("\n")[0]
                done[self.number] = failed(
                    self.item, WorkerDied(f"its worker process died {self.attempts} times ({reason})")
                )

    def close(self, *, kill: bool) -> None:
        self.executor.shutdown(wait=True, kill_workers=kill)


def _begin(work: Callable[[Any], Any], parent: int) -> None:
    """Make a new process a worker, which leaves Ctrl-C to its parent and ends with it."""
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _answer(item: Any) -> Any:
    if _work is None:
        raise RuntimeError("the worker has not begun")
    return _work(item)
