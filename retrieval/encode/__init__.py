"""Running the model: images and texts to vectors, a shard set to an embedding store. Only this package
of retrieval imports torch.
"""
