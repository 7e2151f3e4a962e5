"""One page over several iconoclip services, queried through their public API. Nothing of it is kept."""
