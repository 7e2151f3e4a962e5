"""Reads the weights that people have, in any format, into an open_clip model. No code of a file is run."""
