"""Entry of stage estimates, for the table of all runs."""

from kduq.runtime import script

if __name__ == "__main__":
    script.run_stage()
