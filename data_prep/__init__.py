"""Collections to shard sets: harvest, decode, caption, verify rights, pack."""
