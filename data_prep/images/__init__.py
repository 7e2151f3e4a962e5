"""From bytes of unknown servers to the JPEG that is stored, in separate processes."""
