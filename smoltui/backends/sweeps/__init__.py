"""Sweeps on this machine: their records, and the runs that they start on any engine."""
