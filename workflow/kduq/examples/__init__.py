"""Stage ``examples``: data sets, split and standardised, and corpora, split."""
