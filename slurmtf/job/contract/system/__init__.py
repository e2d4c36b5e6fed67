"""What both ask of the operating system: private files, processes, mounts, whose folders are believed."""
