"""Data sets that need no file of the user's: the registry, one file per data set."""

from kduq.data.datasets import (
    boston_housing,
    breast_cancer,
    covtype,
    diabetes,
    digits,
    mnist,
    mnist_5k,
    wine,
)
from kduq.registry import Registry

DATASETS = Registry(
    "data set",
    (
        boston_housing.DATASET,
        diabetes.DATASET,
        digits.DATASET,
        wine.DATASET,
        breast_cancer.DATASET,
        mnist_5k.DATASET,
        mnist.DATASET,
        covtype.DATASET,
    ),
)
#: Names of those that are downloaded.
DOWNLOADS = tuple(name for name, data_set in DATASETS.items() if data_set.download)


def label(dataset: str) -> str:
    """What figures call a data set; a user's own by its name."""
    return DATASETS[dataset].label if dataset in DATASETS else dataset
