"""The only package that knows Snakemake: entry scripts, snapshots of a run, and the audit."""
