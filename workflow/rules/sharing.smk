##### Sharing: costly outputs that equal another study's are taken from a cache (--cache) #####

# After the last rule.
patches.drop_benchmarks_of_cached_rules(workflow)
