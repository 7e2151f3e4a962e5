"""What any built-in collection needs to be served: HTTP, IIIF, OAI-PMH and a process of its own.

Nothing here knows what a collection holds. A collection hands in its documents, its entries, and a function
that draws a picture.
"""
