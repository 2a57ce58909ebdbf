"""Stage ``report``: the page with all results, and the page of timings."""
