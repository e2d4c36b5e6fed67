"""The modules that the job serves to scripts that import them, if they are not installed (see job/script)."""

SLURMTF = "slurmtf"
AZUREML = "azureml"
AZUREML_NAMES = {
    "azureml": (),
    "azureml.core": ("Run", "VERSION"),
    "azureml.core.run": ("Run", "_OfflineRun"),
}
"""The modules of Azure ML that are served if the estimator requests it, and the names in each."""


def is_served(name: str) -> bool:
    """Return whether a module of Azure ML, or a name in one, is served: ``azureml.core.Run``."""
    module, _, last = name.rpartition(".")
    return name in AZUREML_NAMES or last in AZUREML_NAMES.get(module, ())
