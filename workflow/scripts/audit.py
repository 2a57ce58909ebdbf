"""Entry of the audit: lists what is missing, damaged or stale; fails if anything is."""

import json
import sys
from pathlib import Path

from kduq.config import check
from kduq.errors import UserError
from kduq.runtime import audit
from kduq.runtime import script as job
from kduq.study import Study


def main(input, output, params):  # noqa: A002
    study = Study(check(json.loads(params.config)))
    findings = audit.audit(study, Path(params.root))
    summary = audit.summary(study, Path(params.root), findings)
    if any(finding.kind in audit.PROBLEMS for finding in findings):
        raise UserError(summary)
    job.say(summary)
    sys.stdout.write(f"{summary}\n")


if __name__ == "__main__":
    job.run(main, snakemake, parse=False)
