"""The search page and the API: the only room of the house that knows a web framework."""
