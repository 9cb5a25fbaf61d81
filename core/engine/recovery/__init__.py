"""What gives a pruned network back what the cut took."""
