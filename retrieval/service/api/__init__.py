"""The JSON API: parameters, routes, exports, pictures, health and metrics."""
