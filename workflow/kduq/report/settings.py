"""Settings of stage ``report``."""

from kduq.config.study import Config
from kduq.stage import StageSettings


class ReportSettings(StageSettings):
    """What decides the page."""

    study: Config
    """The whole configuration, which the page shows."""
    templates: dict[str, str]
    """Digests of the page's templates."""
    captions: dict[str, str]
    """Digests of the figures' captions; empty for a figure that has none of its own."""
    skipped: list[str]
    """Data sets that were not downloaded."""
