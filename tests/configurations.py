"""Configurations of studies: config.yaml, the presets that are shipped, and overlays of tests."""

from pathlib import Path

import yaml
from kduq.config.study import Config, check

ROOT = Path(__file__).parents[1]


def merged(base: dict, overlay: dict) -> dict:
    """A configuration with an overlay upon it, as Snakemake lays it."""
    both = dict(base)
    for key, value in overlay.items():
        nested = isinstance(base.get(key), dict) and isinstance(value, dict)
        both[key] = merged(base[key], value) if nested else value
    return both


def default() -> dict:
    """What config.yaml holds."""
    return yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def preset(name: str) -> dict:
    """What an overlay that is shipped holds."""
    path = ROOT / f"workflow/presets/{name}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def checked(*overlays: str | dict) -> Config:
    """The default study with presets, or tables, upon it."""
    raw = default()
    for overlay in overlays:
        raw = merged(raw, preset(overlay) if isinstance(overlay, str) else overlay)
    return check(raw)
