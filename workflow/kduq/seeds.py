"""One tree of seeds: root -> experiment, family, dataset -> replicate -> role.

Every random number of a study comes from this tree. Different replicates never share a stream, and
the same replicate draws the same numbers whatever shard, job or core computes it. Conditions of an
experiment (alpha, k, method, initialisation noise, sample fraction) are not levels of the tree.
Within a replicate they share their random numbers, so that conditions are compared on the same
draws (common random numbers).

In a design of splits, the splits of a data set are below its experiment, whatever the family, so
that families are compared on the same splits. Replicates are below a split of their run. A split of
a corpus has a seed from there too, and its name, corpus/split_3, is in the place of the corpus's
below teachers and below its run.
"""

import hashlib

import numpy as np

#: Uses of a stream. The numbers are part of the contract: changing one changes results.
ROLES = {
    "noise": 0,
    "init": 1,
    "init_noise": 2,
    "bootstrap": 3,
    "decoding": 4,
    "split": 5,
    "batches": 6,
}


def _word(name: str) -> int:
    """Map a name to 32 bits that are the same in every process (``hash`` is salted)."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def replicate_seed(root: int, path: tuple[str, ...], replicate: int) -> int:
    """Seed of one replicate.

    Parameters
    ----------
    root : int
        The study's seed, non-negative.
    path : tuple of str
        Names from the root to the run: experiment, family, dataset.
    replicate : int
        Number of the replicate, non-negative.

    Returns
    -------
    int
        A 63-bit seed, stored in the students' table; `generator` turns it into streams.
    """
    key = (*(_word(name) for name in path), replicate)
    state = np.random.SeedSequence(entropy=root, spawn_key=key).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def split_seed(root: int, experiment: str, dataset: str, number: int) -> int:
    """Seed of one split of a data set, which all families of an experiment share.

    Parameters
    ----------
    root : int
        The study's seed, non-negative.
    experiment, dataset : str
        Names of the experiment and of the data set.
    number : int
        Number of the split, non-negative.

    Returns
    -------
    int
        A seed for the role ``split``.
    """
    return replicate_seed(root, (experiment, dataset), number)


def path_of_split(path: tuple[str, ...], number: int) -> tuple[str, ...]:
    """Path of one split of a run, below which its teacher and its replicates are.

    Parameters
    ----------
    path : tuple of str
        Names from the root to the run.
    number : int
        Number of the split.

    Returns
    -------
    tuple of str
        The path with one more name.
    """
    return *path, f"split_{number}"


def generator(seed: int, role: str, index: int = 0) -> np.random.Generator:
    """Random stream of one role of one replicate.

    Parameters
    ----------
    seed : int
        A seed from `replicate_seed`.
    role : str
        A key of `ROLES`.
    index : int
        Number of the stream within the role, for example the number of a response or pilot.

    Returns
    -------
    numpy.random.Generator
        A fresh generator at the start of the stream.

    Raises
    ------
    KeyError
        If the role is unknown.
    """
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(ROLES[role], index))
    return np.random.Generator(np.random.PCG64(sequence))
