"""A project that trains in a minute on a CPU: a small SmolLM3-shaped model, its pairs, and what made them."""
