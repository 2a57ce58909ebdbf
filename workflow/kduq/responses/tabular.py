"""Stage ``responses`` of tables: k responses of the teacher per training row and replicate.

A response is the teacher's mean plus noise. The artifact contains the noise alone, standard normal:
every noise level alpha uses the same draws, and every k the first k of them. `form` computes the
responses from it, and `sample_labels` the classes that a classifier answers.
"""

import numpy as np
from scipy import special

from kduq import seeds
from kduq.responses.settings import TabularSettings as Settings
from kduq.stage import Inputs, Outputs

__all__ = ["Settings", "form", "run", "sample", "sample_labels"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the noise of the responses; see `kduq.stage.Stage`."""
    split = inputs.read("examples", without="x").column("split")
    outputs.write("responses", sample(settings, int((split == "train").sum())))


def sample(settings: Settings, n_train: int) -> dict[str, np.ndarray]:
    """Draw the noise of the teacher's responses.

    Parameters
    ----------
    settings : Settings
        Settings of the shard.
    n_train : int
        Number of training rows.

    Returns
    -------
    dict of str to ndarray
        The columns of the artifact: replicate, response, and noise of shape
        (replicates · responses, n_train), standard normal.
    """
    draws = settings.responses
    replicates = np.array(settings.replicates, dtype=np.int32)
    noise = np.zeros((len(replicates), draws, n_train), np.float32)
    if settings.noisy:
        path = settings.path if settings.factor is None else (*settings.path, settings.factor)
        for row, replicate in enumerate(replicates):
            seed = seeds.replicate_seed(settings.seed, path, int(replicate))
            for draw in range(draws):
                stream = seeds.generator(seed, "noise", draw)
                stream.standard_normal(out=noise[row, draw], dtype=np.float32)
    return {
        "replicate": np.repeat(replicates, draws),
        "response": np.tile(np.arange(draws, dtype=np.int32), len(replicates)),
        "noise": noise.reshape(-1, n_train),
    }


def form(mean: np.ndarray, noise: np.ndarray, variance: float) -> np.ndarray:
    """Compute responses of the teacher from its mean and standard normal noise.

    Parameters
    ----------
    mean : ndarray of shape (n,)
        The teacher's mean prediction on the training rows.
    noise : ndarray of shape (..., n)
        Standard normal draws.
    variance : float
        Variance of the noise of one response, alpha · Var(y_train).

    Returns
    -------
    ndarray of shape (..., n)
        mean + sqrt(variance) · noise, in double precision.
    """
    return mean + np.sqrt(variance) * noise.astype(np.float64)


def sample_labels(probabilities: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Sample classes from a teacher by the quantile transform of standard normal noise.

    Parameters
    ----------
    probabilities : ndarray of shape (n, C)
        The teacher's class probabilities.
    noise : ndarray of shape (..., n)
        Standard normal draws.

    Returns
    -------
    ndarray of shape (..., n)
        Class c if Φ(noise) is between the cumulative probabilities of c - 1 and c, so that every
        class is sampled with its probability.
    """
    cumulative = np.clip(np.cumsum(probabilities, axis=1)[:, :-1], 0, 1)
    thresholds = special.ndtri(cumulative).astype(np.float32)
    classes = np.zeros(noise.shape, np.int16)
    for threshold in thresholds.T:
        classes += noise > threshold
    return classes
