"""Entry of the target sample-size: shows the table of sample sizes."""

import sys
from typing import Any

from kduq import artifacts
from kduq.errors import UserError
from kduq.runtime import script
from kduq.sample_size.planning import Settings, summary


def main(snakemake: Any) -> None:
    if not snakemake.input:
        raise UserError(
            "experiments.decomposition: found null, or no family in it; sample sizes need its "
            "components of variance; name a family under experiments.decomposition.families"
        )
    table, figure = snakemake.input[:2]
    sizes = artifacts.read(table, "plan")
    settings = Settings.model_validate(sizes.provenance["config"])
    text = f"{summary(settings, sizes.table.to_pandas())}\n{table}\n{figure}"
    script.print_to_terminal(text)
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    script.run(main)
