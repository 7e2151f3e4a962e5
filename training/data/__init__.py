"""Turns shard sets into batches: which samples, in which order, with which captions and crops."""
