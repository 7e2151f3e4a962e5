"""The archives' server: IIIF Presentation and Image, Change Discovery and OAI-PMH over HTTP."""
