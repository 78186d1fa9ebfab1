"""One package per room, and modules for what rooms share or what opens on top of any of them."""
