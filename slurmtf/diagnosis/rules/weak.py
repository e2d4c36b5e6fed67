"""Messages that healthy logs have too: they count only if nothing else explains the end."""

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules.rule import Rule

ABOUT_GPUS = r"(?i)gpu|cuda|cudnn"
"""TensorFlow logs the absence of GPUs on every node without them, so errors must be about GPUs."""

WEAK: tuple[Rule, ...] = (
    Rule("horovod-stall", Kind.STALL, ("subset of ranks", "missing ranks"),
         r"submitted to be reduced, gathered or broadcasted by subset of ranks|\[missing ranks: [\d, ]+\]",
         "the missing ranks are where to look; often they had fewer batches than the others", weak=True),
    Rule("no-gpu", Kind.GPU_MISSING, ("CUDA_ERROR_NO_DEVICE", "no CUDA-capable device"),
         r"CUDA_ERROR_NO_DEVICE|no CUDA-capable device is detected",
         "request GPUs (`use_gpu=true`, `gpus_per_node`), for a role that computes", weak=True, about=ABOUT_GPUS),
    Rule("gpu-libraries", Kind.GPU_SOFTWARE, ("Cannot dlopen some GPU libraries", "Could not load dynamic library"),
         r"Cannot dlopen some GPU libraries|Could not load dynamic library 'lib(?:cu|nv)",
         "TensorFlow runs on the CPU: install tensorflow[and-cuda], or load the CUDA modules", weak=True, about=ABOUT_GPUS),
    Rule("ucx-any", Kind.NETWORK, ("UCX  ERROR",), r"UCX  ERROR .+",
         "the network below MPI failed: submit again; if it keeps failing, tell your admins the nodes and the time",
         weak=True),
    Rule("nan", Kind.DIVERGED, ("loss: nan", "loss=nan", "loss = nan"), r"\bloss(?: = |: |=)nan\b",
         "not a problem of the cluster: use a lower learning rate, clip gradients, look at the data", weak=True,
         about=r"(?i)\bnan\b|loss|diverg|finite"),
    Rule("bash-killed", Kind.KILLED, ("Killed", "KILLED BY SIGNAL", "exited on signal 9"),
         r"line \d+:\s+\d+ Killed\b|exited on signal 9\b|KILLED BY SIGNAL: 9\b",
         "often the node's memory is used up: ask for more (`memory`)", weak=True),
)  # fmt: skip
