"""GPUs: their libraries, their drivers, and themselves."""

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules.rule import Rule

GPUS: tuple[Rule, ...] = (
    Rule("cudnn", Kind.GPU_SOFTWARE, ("Loaded runtime CuDNN library",),
         r"Loaded runtime CuDNN library: \S+ but source was compiled with: \S+",
         "load the cuDNN that TensorFlow was built with, or install tensorflow[and-cuda]"),
    Rule("libdevice", Kind.GPU_SOFTWARE, ("libdevice not found", "ptxas", "JIT compilation failed"),
         r"libdevice not found at|JIT compilation failed|Failed to launch ptxas|ptxas exited with non-zero error code",
         "XLA finds no CUDA: set `environment_variables[XLA_FLAGS]=--xla_gpu_cuda_data_dir=/path/of/cuda`, or load the module"),
    Rule("dnn-init", Kind.GPU_SOFTWARE, ("DNN library initialization failed", "DNN library is not found",
         "Failed to get convolution algorithm", "without BLAS support", "create cublas handle", "find the dnn implementation"),
         r"DNN library (?:initialization failed|is not found)|Fail(?:ed)? to find the dnn implementation|"
         r"Failed to get convolution algorithm|without BLAS support|"
         r"failed to create cublas handle",
         "often the GPU's memory is full, or cuDNN is another one than TensorFlow's: see the lines before", vague=True),
    Rule("cuda-driver", Kind.GPU_SOFTWARE, ("CUDA driver version is insufficient", "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
         "CUDA_ERROR_COMPAT_NOT_SUPPORTED"),
         r"CUDA driver version is insufficient|CUDA_ERROR_SYSTEM_DRIVER_MISMATCH|CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE",
         "the node's driver is older than this TensorFlow's CUDA: use an older TensorFlow, or a node with a newer driver"),
    Rule("no-kernel", Kind.GPU_SOFTWARE, ("no kernel image is available",), r"no kernel image is available",
         "this TensorFlow has no code for that GPU: use another one, or another GPU (`gpu_type`)"),
    Rule("gpu-held", Kind.GPU_MISSING, ("busy or unavailable", "CUDA_ERROR_DEVICE_UNAVAILABLE"),
         r"CUDA-capable device\S* \S*are busy or unavailable|CUDA_ERROR_DEVICE_UNAVAILABLE",
         "another process has the GPU for itself: let each process take one, or leave that node out (`sbatch[exclude]=...`)"),
    Rule("no-device", Kind.GPU_MISSING, ("but available devices are", "invalid device ordinal",
         "device specification", "Unknown backend", "no supported devices"),
         r"explicitly assigned to \S*(?:GPU|gpu):\d+ but available devices are \[|invalid device ordinal|"
         r"satisfy (?:explicit )?device specification '\S*GPU:|Unknown backend:? '(?:gpu|cuda)'|"
         r"no supported devices found for platform CUDA",
         "ask for GPUs (`use_gpu=true`, `gpus_per_node`), for a role that computes"),
    Rule("gpu-unknown", Kind.GPU_HARDWARE, ("CUDA_ERROR_UNKNOWN",), r"failed call to cuInit: CUDA_ERROR_UNKNOWN",
         "the driver of that node does not answer: leave it out (`sbatch[exclude]=...`), tell your admins, and submit again"),
    Rule("said-no-gpu", Kind.GPU_MISSING, ("Error: ", "Exception: ", "No devices were found"),
         r"(?m)^[\w.]*(?:Error|Exception): .*\b[Nn]o (?:visible |usable |available )?(?:GPU|gpu)s?"
         r"(?: devices?)?(?: (?:found|available|visible|detected|present))?\.?$|^No devices were found$|"
         r"(?:Error|Exception): .*no CUDA-capable device is detected",
         "ask for GPUs (`use_gpu=true`, `gpus_per_node`), for a role that computes", vague=True, by_script=True),
    Rule("gpu-kernel", Kind.CRASH, ("CUDA_ERROR_ILLEGAL_ADDRESS", "CUDA_ERROR_LAUNCH_FAILED", "illegal memory access was"),
         r"CUDA_ERROR_ILLEGAL_ADDRESS|CUDA_ERROR_LAUNCH_FAILED|illegal memory access was encountered",
         "a program on the GPU failed: set `environment_variables[CUDA_LAUNCH_BLOCKING]=1` to see which operation; where "
         "it is one node alone, leave that out"),
    Rule("xid", Kind.GPU_HARDWARE, ("NVRM: Xid", "uncorrectable ", "UNCORRECTABLE", "HARDWARE_STACK", "fallen off the bus",
         "GPU is lost", "communicate with the NVIDIA driver", "initialize NVML"),
         r"NVRM: Xid \(|uncorrectable (?:ECC|NVLink)|CUDA_ERROR_(?:ECC|NVLINK)_UNCORRECTABLE|CUDA_ERROR_HARDWARE_STACK_ERROR|"
         r"fallen off the bus|GPU is lost|"
         r"couldn't communicate with the NVIDIA driver|Failed to initialize NVML: Driver/library version mismatch",
         "leave that node out (`sbatch[exclude]=...`), tell your admins, and submit again"),
)  # fmt: skip
