"""The built-in collection: drawn coats of arms with blazons, and the server that serves it."""
