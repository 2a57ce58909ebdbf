"""Stage ``embeddings`` of a design of splits on text: one row per distinct text of a run."""

from kduq.data.corpus import corpora_of_splits
from kduq.embeddings.settings import TextSettings as Settings
from kduq.embeddings.text import distinct_texts, embed
from kduq.stage import Inputs, Outputs

__all__ = ["Settings", "run"]


def run(settings: Settings, inputs: Inputs, outputs: Outputs) -> None:
    """Write the embeddings of a run; see `kduq.stage.Stage`."""
    corpora = corpora_of_splits(inputs.read_all("examples").table.to_pydict())
    references = (
        corpus.references[i]
        for corpus in corpora.values()
        for i in corpus.evaluated(settings.prompts)
    )
    texts = distinct_texts(references, inputs.paths["answers"])
    outputs.write("embeddings", embed(texts, settings))
