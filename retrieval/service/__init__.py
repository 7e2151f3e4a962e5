"""The search page and the API.

`app` builds the application, `serve` runs it, and `context` contains what all routes share. `api/` is the
JSON API, `pages/` the HTML pages, `iiif/` the IIIF documents, and `guards/` protects the service.
"""
