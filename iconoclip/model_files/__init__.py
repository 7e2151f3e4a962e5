"""What a file or a folder that was given as a model is, by its first bytes and its names, without loading it.

Training and retrieval refuse the same files with the same words, so the tables are here. Nothing is unpickled
and no code of a file runs.
"""

from iconoclip.model_files.found import Found
from iconoclip.model_files.recognise import recognise

__all__ = ["Found", "recognise"]
