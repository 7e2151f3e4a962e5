"""Trains models on shard sets: Lightning around open_clip."""
