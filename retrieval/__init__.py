"""Search over shard sets with a model: encode, index, serve."""
