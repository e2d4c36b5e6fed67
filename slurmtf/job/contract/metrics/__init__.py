"""Metrics as they are written: by a script, and in TensorBoard's event files."""
