"""conda where there is none: real packages in a channel that is a folder, and a micromamba that solves and links for real."""
