"""What is published beside a shard set: the dataset card, Croissant metadata."""
