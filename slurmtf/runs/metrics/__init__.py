"""The metrics of a run, logged by its script or in TensorBoard's event files, as values and as curves."""
