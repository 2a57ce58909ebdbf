"""What happens to uncertainty when a model is distilled: the library behind the workflow.

The modules follow the road ``examples -> teacher -> responses -> students -> estimates ->
claims -> figures -> report``. None of them knows about Snakemake; the entry scripts in
``workflow/scripts`` read inputs, call one function here and write its result.
"""

__version__ = "0.1.0"
