"""The state of a harvest on disk: what is known, what is still to do, and the canonical order."""
