"""Entry of stage examples for a corpus."""

from kduq.artifacts import tables as artifacts
from kduq.data.corpora import reading as corpora
from kduq.runtime import script as job


def main(input, output, params):  # noqa: A002
    values = corpora.prepare(params.config)
    made_by = params.made_by(input, job.study_root(output[0]))
    artifacts.write(output[0], "examples", values, made_by)


if __name__ == "__main__":
    job.run(main, snakemake)
