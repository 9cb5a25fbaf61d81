"""What gives a network back some of the accuracy that pruning took, one way a file."""
