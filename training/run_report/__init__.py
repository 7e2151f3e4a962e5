"""`iconoclip report`: a training run as one HTML page."""
