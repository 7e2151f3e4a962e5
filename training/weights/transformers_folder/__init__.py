"""Folders that transformers wrote (CLIP, SigLIP, AltCLIP, Chinese-CLIP), as open_clip models.

transformers itself reads the folder, so names of all its versions are understood; the towers become
open_clip's. Where open_clip cannot compute the same function the folder is refused. A test compares the
features of both, for each family.
"""

from training.weights.transformers_folder.conversion import Converted, converted

__all__ = ["Converted", "converted"]
