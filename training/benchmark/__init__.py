"""Benchmarks of one's own: `iconoclip benchmark make` freezes one, `benchmark run` scores on it."""
