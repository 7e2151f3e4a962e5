"""The search page and the API.

`app` puts the parts together, `serve` runs them, `context` is what every route shares.
`api/` is the JSON API, `pages/` the HTML pages, `iiif/` the IIIF answers, `guards/` what protects the
service.
"""
