"""Measuring a model: the queries, the ranks of the relevant items, and the report."""
