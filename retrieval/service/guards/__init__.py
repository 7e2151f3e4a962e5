"""Protection of the service: limits, errors, visibility, uploads, and pictures fetched by address."""
