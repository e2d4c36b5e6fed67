"""The runs of a workspace: find them by name, list them, and remove what is no longer needed."""
