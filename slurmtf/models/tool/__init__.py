"""Programs that run in a tool environment: one zip, with TensorFlow or ONNX Runtime beside it and nothing of slurmtf."""
