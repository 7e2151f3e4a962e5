"""Readers of IIIF documents: presentation, annotations, image information. Pure: bytes in, candidates out."""
