"""Stage ``teacher``: one teacher per data set, trained on the truth."""
