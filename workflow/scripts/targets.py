"""Entry of stage targets."""

from kduq.runtime import script

if __name__ == "__main__":
    script.run_stage()
