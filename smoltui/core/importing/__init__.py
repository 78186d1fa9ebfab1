"""Recipes from elsewhere: a training script, or a command line of TRL or `hf jobs`."""
