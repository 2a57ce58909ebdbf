"""Settings of the families of feed-forward networks, and the cost of their students."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool

from kduq.config.fields import Count, LearningRate
from kduq.families.protocol import ModelSettings, Workload

#: Seconds per step, row and hidden unit: a constant, and per input.
_UNIT, _INPUT = 1e-9, 0.08e-9
#: How much longer students with a predictive distribution take, which train in torch.
_DISTRIBUTION = 8.0
#: Networks with fewer units cost as much as with this number.
_FEWEST_UNITS = 24


class NetworkSettings(ModelSettings):
    """Settings of networks that Adam trains."""

    epochs: Count
    """Passes over the rows; a pass is one step unless batch_size divides it."""
    learning_rate: LearningRate
    """Step size of Adam."""
    batch_size: Count | None = None
    """Rows per step, in each student's own order; null for all. Classification only."""
    max_steps: Count | None = None
    """Steps after which training ends, whatever the epochs; null for no limit."""
    initialisation: Literal["uniform", "he_normal"] = "uniform"
    """uniform: ±1/sqrt(fan-in), weights and biases; he_normal: N(0, 2/fan-in), zero biases."""
    shared_init: StrictBool | Literal["pairs"] = False
    """Whether every student starts at the same parameters. pairs: replicates 2i and 2i + 1 do."""
    record_every: Annotated[int, Field(ge=0, strict=True)] = 0
    """Epochs between two recorded values of one weight; 0 for no record."""

    @property
    def hidden_units(self) -> int:
        """Units of the hidden layer, 0 for none."""
        return 0

    def alone(self) -> Self:
        """The same settings without shared initial parameters and without a record of training."""
        return self.model_copy(update={"shared_init": False, "record_every": 0})


def seconds(settings: NetworkSettings, workload: Workload) -> float:
    """Seconds per student on one core.

    Parameters
    ----------
    settings : NetworkSettings
        Settings of the student.
    workload : Workload
        Size of the data.

    Returns
    -------
    float
        Proportional to steps, rows per step and hidden units.
    """
    rows = min(workload.rows, settings.batch_size or workload.rows)
    steps = settings.epochs * math.ceil(workload.rows / rows)
    steps = min(steps, settings.max_steps or steps)
    units = max(settings.hidden_units, _FEWEST_UNITS)
    own = _DISTRIBUTION if settings.has_distribution else 1.0
    return float(own * steps * rows * units * (_UNIT + _INPUT * workload.columns))
