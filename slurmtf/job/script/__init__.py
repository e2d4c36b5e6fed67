"""What runs inside the user's Python."""
