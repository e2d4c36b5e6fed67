"""Jobs in containers, started by the real Apptainer and by a stand-in for pyxis that changes root, both on Slurm 24.11."""
