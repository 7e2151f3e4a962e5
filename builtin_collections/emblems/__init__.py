"""The second built-in collection: drawn books of emblems, page by page, with the truth of what is on them."""
