"""Sweeps: runs that differ in named values, compared in one table."""
