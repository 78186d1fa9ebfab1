"""What more than one room draws, or what is worth testing alone."""
