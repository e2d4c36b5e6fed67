"""The runs of a workspace: found by name, listed, and what nobody needs of them removed."""
