"""Trains the small model that finds pictures on pages, from pages that people marked and pages that were
drawn."""
