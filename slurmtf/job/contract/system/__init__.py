"""The operating system, for the login node and the job: private files, processes, mounts, trusted folders."""
