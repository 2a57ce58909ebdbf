"""Entry of the target sample-size: shows the table that was made."""

import sys
from typing import Any

from kduq import artifacts
from kduq.errors import UserError
from kduq.runtime import script
from kduq.sample_size.planning import Settings, summary


def main(snakemake: Any) -> None:
    if not snakemake.input:
        raise UserError(
            "experiments.decomposition: found null, or no family in it; a sample size needs its "
            "components"
        )
    table, figure = snakemake.input[:2]
    plan = artifacts.read(table, "plan")
    settings = Settings.model_validate(plan.provenance["config"])
    text = f"{summary(settings, plan.table.to_pandas())}\n{table}\n{figure}"
    script.print_to_terminal(text)
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    script.run(main)
