"""An element of a sweep, in its supervisor: choose the next trial, and decide when one is stopped."""
