"""Entry of the downloads: puts the study's data sets into scikit-learn's cache."""

import sys
from typing import Any

from kduq.data.tables import built_in
from kduq.runtime import script


def main(snakemake: Any) -> None:
    for name in snakemake.params.names:
        line = f"{name}: {len(built_in(name))} rows are in {snakemake.params.folder}"
        sys.stdout.write(f"{line}\n")
        script.print_to_terminal(line)


if __name__ == "__main__":
    script.run(main)
