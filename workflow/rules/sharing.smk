##### Sharing: costly outputs that equal those of another study come from a cache (--cache) #####

# After the last rule.
patches.drop_benchmarks_of_cached_rules(workflow)
