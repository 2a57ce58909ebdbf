"""Entry of stage examples for a corpus."""

from kduq import artifacts, corpora, job


def main(input, output, params):  # noqa: A002
    values = corpora.prepare(params.config)
    made_by = params.made_by(input, job.study_root(output[0]))
    artifacts.write(output[0], "examples", values, made_by)


if __name__ == "__main__":
    job.run(main, snakemake)
