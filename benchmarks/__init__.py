"""What slurmtf costs, as ratios against a stated rival in the same run. Not tests: nothing here passes or fails."""

import os

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # every user has compiled what he runs for the second time
