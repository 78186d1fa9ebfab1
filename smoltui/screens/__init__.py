"""One package per room; here is what rooms share, and what opens above any of them."""
