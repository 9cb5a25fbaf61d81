"""Measurements that anyone can repeat; each prints a table and says how to read it."""
