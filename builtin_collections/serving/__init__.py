"""Serves built-in collections: HTTP, IIIF, OAI-PMH, in a separate process.

This package knows no particular collection. A collection provides its documents, its entries, and a
function that draws a picture.
"""
