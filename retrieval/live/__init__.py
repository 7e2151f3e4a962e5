"""Changes between generations: additions, withdrawals, compaction, and the view that queries read."""
