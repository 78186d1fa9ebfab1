"""What more than one room draws. A widget of one room is in the package of that room."""
