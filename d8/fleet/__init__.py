"""What the master knows of its slaves, whom it trusts, and how it speaks to them."""
