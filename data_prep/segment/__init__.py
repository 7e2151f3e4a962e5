"""`iconoclip segment`: finds the pictures on the pages of a shard set, and makes a shard set of them."""
