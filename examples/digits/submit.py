"""The same training from Python: python examples/digits/submit.py [site]"""

import json
import sys
from pathlib import Path

from slurmtf import Experiment, TensorFlow

estimator = TensorFlow(
    source_directory=Path(__file__).parent,
    entry_script="train.py",
    script_params={"--epochs": 10, "--learning-rate": 0.005},
    environment_variables={"TF_CPP_MIN_LOG_LEVEL": "2"},
    compute_target=sys.argv[1] if len(sys.argv) > 1 else "local",
)
run = Experiment("digits").submit(estimator)
run.wait_for_completion(show_output=True)
print(json.loads((run.folder / "outputs/result.json").read_text()))
