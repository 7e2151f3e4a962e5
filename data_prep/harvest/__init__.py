"""The verb `harvest`: its session, the loop that fetches, what it records, and the shard set it writes."""
