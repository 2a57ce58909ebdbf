"""Entry of stage embeddings."""

from kduq.runtime import script

if __name__ == "__main__":
    script.run_stage()
