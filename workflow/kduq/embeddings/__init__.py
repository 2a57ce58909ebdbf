"""Stage ``embeddings``: sentence embeddings of the distinct answers and references of a run."""
