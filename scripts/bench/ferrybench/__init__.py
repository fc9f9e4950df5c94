"""What scripts/bench-link is made of."""
