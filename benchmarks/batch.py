"""The largest batch of students that fits into memory."""

import gc
from collections.abc import Callable

import numpy as np
import torch
from kduq.families import Batch
from kduq.families.mlp import MlpSettings
from kduq.families.networks.models import Regression

from benchmarks.workloads import problem

_HIDDEN = 128
#: The search ends when the largest that fits and the least that does not differ by this share.
_PRECISION = 0.02


def largest(fits: Callable[[int], bool]) -> int:
    """Largest number that fits, if all smaller numbers fit.

    Parameters
    ----------
    fits : callable
        Returns whether a number fits.

    Returns
    -------
    int
        At most 2 % below the largest, and exact below 50; 0 if 1 does not fit.
    """
    low, high = 0, 1
    while fits(high):
        low, high = high, 2 * high
    while high - low > max(1, _PRECISION * low):
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


def networks_fit(students: int) -> bool:
    """Whether a number of networks of 128 hidden units can train at once on 404 rows, 13 features.

    Parameters
    ----------
    students : int
        Networks in one ensemble.

    Returns
    -------
    bool
        False if the accelerator or the machine has not enough memory.
    """
    data = problem("boston_housing")
    settings = MlpSettings(family="mlp", hidden=_HIDDEN, epochs=2, learning_rate=0.01)
    labels = np.broadcast_to(data.train_y, (students, len(data.train_y)))
    try:
        Regression(data, settings).fit(Batch(labels, np.arange(students)))
    except (MemoryError, torch.OutOfMemoryError):
        return False
    except RuntimeError as error:
        if "DefaultCPUAllocator" not in str(error):  # torch has no class for it
            raise
        return False
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return True
