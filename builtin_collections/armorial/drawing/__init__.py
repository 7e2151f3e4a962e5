"""Pictures of arms: vector figures, laid out as blazoned, drawn as by hand."""
