"""Scripts that run alone, in another Python: on this machine as a child or inside a Job."""
