"""What a partner does with shard sets: pack, check, merge, take down."""
