"""Vector stores that are searched: one interface, several backends."""
