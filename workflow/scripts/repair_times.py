"""Entry of repair-times: gives copied artifacts that are good times in the order of the plan."""

import json
import sys
from pathlib import Path
from typing import Any

from kduq.config.study import check
from kduq.runtime import audit, script, times
from kduq.study.study import Study


def main(snakemake: Any) -> None:
    study, root = Study(check(json.loads(snakemake.params.config))), Path(snakemake.params.root)
    findings = audit.audit(study, root)
    number = times.repair(study, root, snakemake.params.outputs, findings)
    text = (
        f"{audit.summary(study, root, findings)}\n"
        f"{root}: the times of {number} good artifacts were set; all others are as they were"
    )
    script.print_to_terminal(text)
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    script.run(main)
