"""Stage software, source and data to the node's own disk."""
