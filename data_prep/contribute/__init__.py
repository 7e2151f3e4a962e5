"""What a partner does with shard sets: pack, check, merge, sign, withdraw items."""
