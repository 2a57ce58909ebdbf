"""The one room that knows Snakemake: scripts, what a run hands to its jobs, and the audit."""
