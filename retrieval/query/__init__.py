"""From a query to a page of hits: the vector, the order, the fusion, the facets."""
