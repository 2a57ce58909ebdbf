"""Stage ``responses``: what the teacher answers, k times a training row and replicate."""

from typing import Any

import numpy as np

from kduq import seeds


def sample(settings: dict[str, Any], n_train: int) -> dict[str, np.ndarray]:
    """Draw the noise of the teacher's responses.

    A response is teacher mean + sqrt(alpha · Var(y_train)) · noise, so one draw serves every
    alpha, and the first k draws serve every k.

    Parameters
    ----------
    settings : dict
        experiment, family, dataset, seed, start and stop (range of replicates), responses (draws
        a replicate), noisy (False for a teacher that answers its mean: its noise is zero) and,
        in a crossed design, factor: the factor of which replicates are the levels.
    n_train : int
        Training rows.

    Returns
    -------
    dict of str to ndarray
        The columns of the artifact: replicate, response, and noise of shape
        (replicates · responses, n_train), standard normal.
    """
    draws = settings["responses"]
    replicates = np.arange(settings["start"], settings["stop"], dtype=np.int32)
    noise = np.zeros((len(replicates), draws, n_train), np.float32)
    if settings["noisy"]:
        path = tuple(
            settings[key]
            for key in ("experiment", "family", "dataset", "factor")
            if key in settings
        )
        for row, replicate in enumerate(replicates):
            seed = seeds.replicate_seed(settings["seed"], path, int(replicate))
            for draw in range(draws):
                stream = seeds.generator(seed, "noise", draw)
                stream.standard_normal(out=noise[row, draw], dtype=np.float32)
    return {
        "replicate": np.repeat(replicates, draws),
        "response": np.tile(np.arange(draws, dtype=np.int32), len(replicates)),
        "noise": noise.reshape(-1, n_train),
    }
