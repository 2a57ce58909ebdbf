"""Entry of the audit: lists missing, damaged and stale artifacts; fails if there are any."""

import json
import sys
from pathlib import Path
from typing import Any

from kduq.config.study import check
from kduq.errors import UserError
from kduq.runtime import audit, script
from kduq.study.study import Study


def main(snakemake: Any) -> None:
    study, root = Study(check(json.loads(snakemake.params.config))), Path(snakemake.params.root)
    findings = audit.audit(study, root)
    summary = audit.summary(study, root, findings)
    if any(finding.kind in audit.PROBLEMS for finding in findings):
        raise UserError(summary)
    script.print_to_terminal(summary)
    sys.stdout.write(f"{summary}\n")


if __name__ == "__main__":
    script.run(main)
