"""What is published with a shard set: the dataset card, Croissant metadata, the quality report."""
