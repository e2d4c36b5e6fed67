"""The program that makes environments: on the login node, or in a job of its own.

Python 3.6 and later, standard library only: it runs on the interpreter for which the environment is made. It imports nothing of
slurmtf but itself, and travels as one zip file.
"""
