"""One generation of an index and how it is written: vectors, catalogue, columns, curves, manifest."""
