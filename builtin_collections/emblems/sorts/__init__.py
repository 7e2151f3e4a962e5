"""Sorts of pages, one function each: what is set and drawn where."""
