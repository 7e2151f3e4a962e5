"""Models and shard sets to search: encode, index, serve."""
