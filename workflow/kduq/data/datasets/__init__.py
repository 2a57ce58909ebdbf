"""Built-in data sets: the registry, one file per data set."""

from kduq.data.datasets import (
    auto_mpg,
    boston_housing,
    breast_cancer,
    california_housing,
    covtype,
    diabetes,
    digits,
    iris,
    mnist,
    mnist_5k,
    political_leaning,
    vote,
    wine,
)
from kduq.registry import Registry

DATASETS = Registry(
    "data set",
    (
        boston_housing.DATASET,
        diabetes.DATASET,
        auto_mpg.DATASET,
        political_leaning.DATASET,
        california_housing.DATASET,
        digits.DATASET,
        wine.DATASET,
        breast_cancer.DATASET,
        iris.DATASET,
        vote.DATASET,
        mnist_5k.DATASET,
        mnist.DATASET,
        covtype.DATASET,
    ),
)
#: Names of the data sets that are downloaded.
DOWNLOADS = tuple(name for name, data_set in DATASETS.items() if data_set.download)


def label(dataset: str) -> str:
    """Name of a data set in figures; the configured name for a data set of the user."""
    return DATASETS[dataset].label if dataset in DATASETS else dataset
