"""How a model scores: what it is asked, where it puts the answers, and the report of it."""
