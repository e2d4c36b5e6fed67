"""What a run has measured: its script's metrics and TensorBoard's event files, as values and as curves."""
