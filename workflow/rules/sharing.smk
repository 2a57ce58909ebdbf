##### Sharing: costly outputs that equal another study's are taken from a cache (--cache) #####


# Snakemake refuses to cache a rule with a benchmark, since what is taken from the cache takes no time.
if SHARED:
    for shared in workflow.rules:
        if shared.cache.output:
            shared._benchmark = None
