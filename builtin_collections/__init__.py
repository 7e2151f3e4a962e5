"""Collections that iconoclip draws itself and serves over IIIF and OAI-PMH, for the demo and the tests."""
