"""The configuration: pydantic models that check it, and are passed on as they are.

`kduq.config.study` has the whole; the tables on data, families and experiments stand with these.
``python -m kduq.config`` writes ``workflow/config.schema.json``, which editors use to complete and
check config.yaml.
"""
