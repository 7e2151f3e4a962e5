"""Serves the volumes over IIIF, with what an institution knows of their pages: ALTO, hOCR, annotations."""
