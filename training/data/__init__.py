"""Shard sets -> batches: which samples, in which order, with which caption, cropped how."""
