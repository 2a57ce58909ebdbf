"""Provenance of figures and pages."""

import json

import pytest
from drawn_figures import settings_of
from kduq import artifacts
from kduq.artifacts import files
from kduq.errors import ArtifactError
from kduq.figures import drawing
from kduq.figures.protocol import Drawn
from matplotlib.figure import Figure

PROVENANCE = artifacts.provenance("figures", {"name": "ü"}, "0" * 16, {"a.parquet": "ff"}, "12" * 8)


@pytest.fixture(scope="module")
def contents():
    """Bytes of a figure and of a page, by their suffix."""
    rendered = drawing.render(
        settings_of("bootstrap", dpi=50), Drawn(lambda: Figure(figsize=(0.4, 0.4)), ""), PROVENANCE
    )
    page = f'<script type="application/json" id="kduq">{json.dumps(PROVENANCE)}</script>'
    figures = {f".{suffix}": data for suffix, data in rendered.items()}
    return figures | {".html": files.sealed(page.encode(), ".html")}


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg", ".html"])
def test_figures_and_pages_say_how_they_were_made(contents, suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(contents[suffix])
    assert artifacts.read_provenance(path) == PROVENANCE


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg", ".html"])
def test_any_damage_to_them_is_found(contents, suffix, tmp_path):
    path, data = tmp_path / f"a{suffix}", contents[suffix]
    places = {*range(200), *range(0, len(data), 37), *range(len(data) - 60, len(data))}
    flipped = [
        bytes([*data[:i], data[i] ^ 1, *data[i + 1 :]]) for i in sorted(places) if i < len(data)
    ]
    shorter = [data[:i] for i in (0, 7, 100, len(data) // 2, len(data) - 12, len(data) - 1)]
    for damaged in (*flipped, *shorter, data + b" ", data[1:]):
        path.write_bytes(damaged)
        with pytest.raises(ArtifactError, match="damaged, or not made by this project; rebuild it"):
            artifacts.read_provenance(path)


def test_a_missing_or_foreign_figure_is_named(tmp_path):
    path = tmp_path / "a.png"
    with pytest.raises(ArtifactError, match=r"a\.png: the file is missing; rebuild it with"):
        artifacts.read_provenance(path)
    Figure(figsize=(1, 1)).savefig(path)
    with pytest.raises(ArtifactError, match="not made by this project"):
        artifacts.read_provenance(path)


def test_the_lineage_of_inputs_is_compared_with_what_is_planned(contents, tmp_path):
    good, bad, worse = (tmp_path / f"{name}.png" for name in "abc")
    other = tmp_path / "data.csv"
    for path in (good, bad, worse, other):
        path.write_bytes(contents[".png"])
    paths, planned = [good, bad, worse, other], {"a.png": "12" * 8, "data.csv": "x"}
    artifacts.check_lineage(paths, tmp_path, planned)
    with pytest.raises(ArtifactError, match=r"b\.png: stale: built with .*b\.png$"):
        artifacts.check_lineage([*paths], tmp_path, planned | {"b.png": "34" * 8})
    with pytest.raises(ArtifactError, match=r"b\.png: stale.*; 1 more is stale$"):
        artifacts.check_lineage(paths, tmp_path, planned | {"b.png": "34" * 8, "c.png": "56" * 8})


def test_files_beside_an_artifact_are_compared_with_their_digests(tmp_path):
    (tmp_path / "model").write_text("1")
    listed = {"files": {"model": files.digest(tmp_path / "model")}}
    artifacts.check_files(tmp_path / "a.parquet", listed)
    (tmp_path / "model").write_text("2")
    with pytest.raises(ArtifactError, match=r"model: damaged; rebuild it with: .*a\.parquet"):
        artifacts.check_files(tmp_path / "a.parquet", listed)
    (tmp_path / "model").unlink()
    with pytest.raises(ArtifactError, match="model: missing"):
        artifacts.check_files(tmp_path / "a.parquet", listed)


@pytest.mark.parametrize(
    ("study", "option"),
    [
        ("default", ""),
        ("smoke", " --configfile workflow/presets/smoke.yaml"),
        ("mine", " --configfile YOUR_OVERLAY_FOR_mine.yaml"),
    ],
)
def test_the_command_that_rebuilds_names_the_overlay_of_the_study(study, option):
    file = f"results/{study}/claims.parquet"
    assert artifacts.rebuild_command(file) == f"snakemake --force {file}{option}"
