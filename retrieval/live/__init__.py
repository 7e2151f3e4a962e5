"""What changes between generations: additions, withdrawals, compaction, and the view that a query is answered
from."""
