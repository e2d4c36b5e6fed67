"""The node's own disk."""
