"""An element of a sweep, in its supervisor: which trial comes next, and when one is stopped."""
