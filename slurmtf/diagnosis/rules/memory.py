"""Messages about the memory of nodes and GPUs."""

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules.rule import MORE_MEMORY, Rule

LESS_ON_GPU = "use smaller batches or mixed precision, or a GPU with more memory; the same again will fail again"

MEMORY: tuple[Rule, ...] = (
    Rule("locked-memory", Kind.LIMIT, ("locked memory", "MEMLOCK", "memlock"),
         r"max(?:imum)? locked memory|RLIMIT_MEMLOCK|locked memory limit|\bmemlock\b.*\b(?:limit|low|small)",
         "the node allows too little locked memory for its network card: ask your admins (ulimit -l; slurm.conf(5), "
         "PropagateResourceLimitsExcept=MEMLOCK)", anywhere=True),
    Rule("cuda-memory", Kind.GPU_MEMORY, ("CUDA_ERROR_OUT_OF_MEMORY", "out of memory", "cudaErrorMemoryAllocation",
         "STATUS_ALLOC_FAILED", "hipErrorOutOfMemory"),
         r"CUDA_ERROR_OUT_OF_MEMORY|CUDA (?:(?:runtime )?error: )?out of memory|Status: out of memory|"
         r"cudaErrorMemoryAllocation|hipErrorOutOfMemory|HIP (?:error: )?out of memory|CU\w+_STATUS_ALLOC_FAILED",
         "the GPU's memory is used up: if that was at the start, another process has that GPU; else take smaller batches"),
    Rule("tf-host-memory", Kind.HOST_MEMORY, ("OOM when allocating", "bad_alloc", "MemoryError", "Cannot allocate memory"),
         r"OOM when allocating tensor(?:.*(?:device:CPU:\d+|allocator cpu)|[^\n]*\n[ \t]+\[\[[^\n]*/cpu:\d)|"
         r"std::bad_alloc|MemoryError\b|"
         r"Cannot allocate memory",
         MORE_MEMORY),
    Rule("tf-gpu-memory", Kind.GPU_MEMORY, ("OOM when allocating", "failed to allocate memory"),
         r"OOM when allocating tensor(?:.*(?:device:GPU:\d+|allocator GPU_)|[\s\S]{0,400}?/gpu:\d)|"
         r"device:GPU:\d+\}\} failed to allocate memory",
         LESS_ON_GPU),
    Rule("tf-memory", Kind.GPU_MEMORY, ("OOM when allocating",), r"OOM when allocating tensor", LESS_ON_GPU, vague=True),
    Rule("tf-copy-memory", Kind.GPU_MEMORY, ("Dst tensor is not initialized",), r"Dst tensor is not initialized", LESS_ON_GPU),
    Rule("nccl-memory", Kind.GPU_MEMORY, ("NCCL WARN",), r"NCCL WARN Cuda failure (?:\d+ )?'out of memory'",
         LESS_ON_GPU, anywhere=True),
    Rule("xla-memory", Kind.GPU_MEMORY, ("RESOURCE_EXHAUSTED",),
         r"RESOURCE_EXHAUSTED: (?:Out of memory while trying to allocate|Failed to allocate request for)", LESS_ON_GPU),
    Rule("xla-host-memory", Kind.HOST_MEMORY, ("RESOURCE_EXHAUSTED",),
         r"RESOURCE_EXHAUSTED: Out of memory allocating \d+ bytes", MORE_MEMORY),
    Rule("memory", Kind.HOST_MEMORY, ("out of memory",),
         r"(?m)^(?!.*(?:CUDA|GPU|NCCL|cu[A-Z]|hip|[Dd]evice)).*(?:[Ee]rror|ERROR|[Ff]atal|FATAL)\b.*: out of memory\b",
         MORE_MEMORY),
)  # fmt: skip
