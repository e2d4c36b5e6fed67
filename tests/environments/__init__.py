"""The Python environments that the tests' jobs run in: real TensorFlow, real Horovod.

`python -m tests.environments [NAME...]` builds them. They are kept in
`${SLURMTF_TEST_CACHE:-${XDG_CACHE_HOME:-~/.cache}/slurmtf-tests}`, each under a hash of all that it is made from.
"""
