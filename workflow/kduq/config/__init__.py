"""The configuration: pydantic models that check it and are passed on to the stages.

`kduq.config.study` has the whole study; the tables of families and experiments are in their own
packages. ``python -m kduq.config`` writes ``workflow/config.schema.json``, with which editors
complete and check config.yaml.
"""
