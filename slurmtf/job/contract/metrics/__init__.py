"""The formats of metrics: what a script logs, and TensorBoard's event files."""
