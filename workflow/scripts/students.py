"""Entry of stage students."""

from kduq.runtime import script
from snakemake.script import snakemake

if __name__ == "__main__":
    script.run_stage(snakemake)
