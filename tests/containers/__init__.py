"""Jobs in containers: by the real Apptainer on Slurm 24.11, by a stand-in that changes root elsewhere."""
