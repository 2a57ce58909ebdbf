"""Stage ``responses`` of a design of splits on tables: noise for the students of every split.

As in `kduq.responses.tabular`, the artifact contains the noise alone. Each split has its own
teacher, whose mean the noise is added to where students are trained.
"""

import numpy as np

from kduq import seeds
from kduq.responses.settings import TabularSplitSettings as Settings
from kduq.stage import Inputs, Outputs

__all__ = ["Settings", "run", "sample"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the noise of the responses; see `kduq.stage.Stage`."""
    split = inputs.read("examples", without="x").column("split")
    outputs.write("responses", sample(settings, int((split == "train").sum())))


def sample(settings: Settings, n_train: int) -> dict[str, np.ndarray]:
    """Draw the noise of the teachers' responses.

    Parameters
    ----------
    settings : Settings
        Settings of the shard.
    n_train : int
        Number of training rows, equal on all splits.

    Returns
    -------
    dict of str to ndarray
        The columns of the artifact, splits slowest and responses fastest: split_number, replicate,
        response, and noise, standard normal.
    """
    shape = len(settings.replicates), settings.students_per_split, settings.responses
    noise = np.zeros((*shape, n_train), np.float32)
    for row, number in enumerate(settings.replicates):
        path = seeds.path_of_split(settings.path, number)
        for replicate in range(settings.students_per_split):
            seed = seeds.replicate_seed(settings.seed, path, replicate)
            for draw in range(settings.responses):
                stream = seeds.generator(seed, "noise", draw)
                stream.standard_normal(out=noise[row, replicate, draw], dtype=np.float32)
    splits, replicates, draws = np.indices(shape).reshape(3, -1).astype(np.int32)
    return {
        "split_number": splits + np.int32(settings.start),
        "replicate": replicates,
        "response": draws,
        "noise": noise.reshape(-1, n_train),
    }
