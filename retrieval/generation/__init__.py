"""What a generation of an index holds, and how it is written: vectors, catalogue, columns, curves,
manifest."""
