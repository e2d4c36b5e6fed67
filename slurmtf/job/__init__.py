"""The program inside the job: one supervisor for each job, one task for each Slurm task.

Python 3.6 and later, standard library only. It imports nothing of slurmtf but itself, and travels as one zip file.
"""
