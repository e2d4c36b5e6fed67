"""What slurmtf costs, as ratios against a stated rival in the same run. Not tests: nothing here passes or fails."""
