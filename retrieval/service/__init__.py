"""The page and the API.

Put together in `app`, run by `serve`; `desk` is what every route shares.
The API: `api`, `images`, `exports`, `health`, with `params` (questions), `documented` and `examples` (OpenAPI).
IIIF: `iiif` and `canvases` (Presentation 3), `within` (Content Search 2).
The page: `pages`, `home`, `facets`, rendered by `templates` with `views`, `layout` and `wording`.
Pictures: `pictures` (stored), `uploads` and `remote` (brought), `heat` (why this one).
Doors: `limits`, `visibility`, `refusals`, `measures`.
"""
