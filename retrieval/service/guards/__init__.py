"""What protects the service: limits, refusals, visibility, uploads, and pictures fetched by address."""
