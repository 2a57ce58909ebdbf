"""Peak speeds of the machine, and the number of threads."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator

import numpy as np
import threadpoolctl
import torch

_ORDER = 1024
_REPEATS = 3
_COPIED = 1 << 24  # floats: beyond any cache


def cores() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """Let numerical libraries use this many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        with threadpoolctl.threadpool_limits(number):
            yield
    finally:
        torch.set_num_threads(before)


def seconds(work: Callable[[], object]) -> float:
    """Time of a call in seconds, including the work of an accelerator."""
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


class Peaks:
    """Measured peaks, on as many threads as a comparison uses.

    Parameters
    ----------
    number : int
        Number of threads.
    device : torch.device
        The processor or accelerator.
    """

    def __init__(self, number: int, device: torch.device) -> None:
        self._number = number
        self._factors = torch.randn(2, _ORDER, _ORDER, device=device)
        self._product = torch.empty(_ORDER, _ORDER, device=device)
        self._source = torch.ones(_COPIED, device=device)
        self._target = torch.zeros(_COPIED, device=device)
        self._times: list[tuple[float, float]] = []

    def measure(self) -> None:
        """Add measurements, around the workloads, so that load of the machine affects all alike."""
        with threads(self._number):
            for _ in range(_REPEATS):
                multiplied = seconds(lambda: torch.mm(*self._factors, out=self._product))
                copied = seconds(lambda: self._target.copy_(self._source))
                self._times.append((multiplied, copied))

    def limit(self, operations: float, traffic: float) -> float:
        """Least time of a workload.

        Parameters
        ----------
        operations : float
            Floating-point operations.
        traffic : float
            Bytes read from memory and written to it.

        Returns
        -------
        float
            Seconds: the larger of the arithmetic at the speed of one product of two matrices in
            single precision, and the traffic at that of a copy; medians of the measurements.
        """
        multiplied, copied = np.median(self._times, axis=0)
        arithmetic = operations / (2 * _ORDER**3) * multiplied
        return float(max(arithmetic, traffic / (8 * _COPIED) * copied))
