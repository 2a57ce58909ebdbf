"""Stage ``targets``: what the students of a shard are taught."""
