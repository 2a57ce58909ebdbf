"""Stage ``responses`` of tables: what the teacher answers, k times per training row and replicate.

A response is the teacher's mean plus noise. The noise is stored, standard normal, under that name:
one draw serves every noise level alpha, and the first k draws serve every k. `form` makes the
responses of it, and `sample_labels` the classes that a classifier answers.
"""

import numpy as np
from scipy import special

from kduq import seeds
from kduq.responses.settings import TabularSettings as Settings
from kduq.stage import Inputs, Outputs

__all__ = ["Settings", "form", "run", "sample", "sample_labels"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the noise of the responses; see `kduq.stage.Stage`."""
    split = inputs.read("examples").column("split")
    outputs.write("responses", sample(settings, int((split == "train").sum())))


def sample(settings: Settings, n_train: int) -> dict[str, np.ndarray]:
    """Draw the noise of the teacher's responses.

    Parameters
    ----------
    settings : Settings
        Of the shard.
    n_train : int
        Training rows.

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
    """Form responses of the teacher from its mean and standard normal noise.

    Parameters
    ----------
    mean : ndarray of shape (n,)
        The teacher's mean prediction on the training rows.
    noise : ndarray of shape (..., n)
        Standard normal draws.
    variance : float
        Of the noise of one response, alpha · Var(y_train).

    Returns
    -------
    ndarray of shape (..., n)
        mean + sqrt(variance) · noise, in double precision.
    """
    return mean + np.sqrt(variance) * noise.astype(np.float64)


def sample_labels(probabilities: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Classes that a teacher answers: the quantile transform of standard normal noise.

    Parameters
    ----------
    probabilities : ndarray of shape (n, C)
        The teacher's class probabilities.
    noise : ndarray of shape (..., n)
        Standard normal draws.

    Returns
    -------
    ndarray of shape (..., n)
        Class c where Φ(noise) lies between the cumulative probabilities of c - 1 and c, so that
        every class is answered with its probability.
    """
    cumulative = np.clip(np.cumsum(probabilities, axis=1)[:, :-1], 0, 1)
    thresholds = special.ndtri(cumulative).astype(np.float32)
    classes = np.zeros(noise.shape, np.int16)
    for threshold in thresholds.T:
        classes += noise > threshold
    return classes
