"""Results and items as IIIF Presentation 3, and IIIF Content Search."""
