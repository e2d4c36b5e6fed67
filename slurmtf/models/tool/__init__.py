"""Programs for a tool environment: one zip, used with TensorFlow or ONNX Runtime and without slurmtf."""
