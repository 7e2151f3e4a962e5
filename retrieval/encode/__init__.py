"""The model at work: images and texts to vectors, and a shard set to an embedding store. torch lives here."""
