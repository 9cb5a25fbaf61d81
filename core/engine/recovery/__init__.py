"""What is done after a cut, so that a pruned network loses less."""
