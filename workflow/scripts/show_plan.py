"""Entry of the target plan: shows the table of a plan that was made."""

import sys

from kduq import sample_size as planner
from kduq.artifacts import tables as artifacts
from kduq.errors import UserError
from kduq.runtime import script as job


def main(input, output, params):  # noqa: A002
    if not input:
        raise UserError(
            "experiments.decomposition: found null, or no family in it; a plan needs its components"
        )
    found = artifacts.read(input[0], "plan")
    text = planner.summary(found.provenance["config"], found.table.to_pandas())
    text += f"\n{input[0]}\n{input[1]}"
    job.say(text)
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    job.run(main, snakemake, parse=False)
