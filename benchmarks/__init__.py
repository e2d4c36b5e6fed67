"""What slurmtf costs, as ratios to a stated rival in the same run. These are not tests: nothing here passes or fails."""

import os

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # on a second run, every user has compiled modules
