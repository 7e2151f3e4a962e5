"""One page over several iconoclip services, asked through their public API. Nothing of it is kept."""
