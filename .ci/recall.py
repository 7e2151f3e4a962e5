"""Fail when the demo's model falls below the recall that README promises: `python .ci/recall.py evaluation.json`."""
