"""Shard sets to models: Lightning around open_clip."""
