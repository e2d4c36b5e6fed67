"""Messages about GPUs, their libraries and their drivers."""

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules.rule import Rule

GPUS: tuple[Rule, ...] = (
    Rule("cudnn", Kind.GPU_SOFTWARE, ("Loaded runtime CuDNN library", "VERSION_MISMATCH"),
         r"Loaded runtime CuDNN library: \S+ but source was compiled with: \S+|CUDNN_STATUS_(?:SUBLIBRARY_)?VERSION_MISMATCH",
         "load the cuDNN that TensorFlow was built with, or install tensorflow[and-cuda]"),
    Rule("libdevice", Kind.GPU_SOFTWARE, ("libdevice not found", "ptxas", "JIT compilation failed"),
         r"libdevice not found at|JIT compilation failed|Failed to launch ptxas|ptxas exited with non-zero error code",
         "XLA finds no CUDA: set `environment_variables[XLA_FLAGS]=--xla_gpu_cuda_data_dir=/path/of/cuda`, or load the module"),
    Rule("dnn-init", Kind.GPU_SOFTWARE, ("DNN library initialization failed", "DNN library is not found",
         "Failed to get convolution algorithm", "without BLAS support", "create cublas handle", "find the dnn implementation",
         "STATUS_NOT_INITIALIZED", "create cudnn handle", "cuDNN error: "),
         r"DNN library (?:initialization failed|is not found)|Fail(?:ed)? to find the dnn implementation|"
         r"Failed to get convolution algorithm|without BLAS support|"
         r"(?:failed to|Could not) create cu(?:blas|dnn) handle|CU\w+_STATUS_NOT_INITIALIZED|"
         r"cuDNN error: CUDNN_STATUS_(?:INTERNAL_ERROR|EXECUTION_FAILED|MAPPING_ERROR|ARCH_MISMATCH)",
         "often the GPU's memory is full, or cuDNN does not match the framework or the driver: see the lines before",
         vague=True),
    Rule("cuda-driver", Kind.GPU_SOFTWARE, ("CUDA driver version is insufficient", "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
         "CUDA_ERROR_COMPAT_NOT_SUPPORTED", "unsupported display driver", "forward compatibility was attempted",
         "unsupported toolchain", "unsatisfied condition: cuda"),
         r"CUDA driver version is insufficient|CUDA_ERROR_SYSTEM_DRIVER_MISMATCH|CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE|"
         r"unsupported display driver|forward compatibility was attempted on non|compiled with an unsupported toolchain|"
         r"unsatisfied condition: cuda",
         "the node's driver is older than this TensorFlow's CUDA: use an older TensorFlow, or a node with a newer driver"),
    Rule("stub-driver", Kind.GPU_SOFTWARE, ("stub library", "STUB_LIBRARY"),
         r"CUDA driver is a stub library|CUDA_ERROR_STUB_LIBRARY",
         "the libcuda that is found first is the one to link with (lib64/stubs): take that folder out of LD_LIBRARY_PATH, or "
         "leave out the module that puts it there (`environment_definition.modules`)"),
    Rule("cpu-build", Kind.GPU_SOFTWARE, ("not compiled with ",), r"not compiled with (?:CUDA|GPU) (?:enabled|support)",
         "the package that is installed is the one for CPUs: install the one for this CUDA (`pip_packages`)"),
    Rule("no-kernel", Kind.GPU_SOFTWARE, ("no kernel image is available", "invalid device function", "hipErrorNoBinaryForGpu"),
         r"no kernel image is available|(?:CUDA|HIP) error: invalid device function|hipErrorNoBinaryForGpu",
         "this TensorFlow has no code for that GPU: use another one, or another GPU (`gpu_type`)"),
    Rule("gpu-held", Kind.GPU_MISSING, ("busy or unavailable", "CUDA_ERROR_DEVICE_UNAVAILABLE"),
         r"CUDA-capable device\S* \S*are busy or unavailable|CUDA_ERROR_DEVICE_UNAVAILABLE",
         "another process uses the GPU exclusively: let each use its own, or exclude that node (`sbatch[exclude]=...`)"),
    Rule("no-device", Kind.GPU_MISSING, ("but available devices are", "invalid device ordinal",
         "device specification", "Unknown backend", "no supported devices", "Found no NVIDIA driver", "CUDA GPUs are available",
         "No visible GPU devices", "driver not loaded", "Driver Not Loaded", "ROCm-capable device"),
         r"explicitly assigned to \S*(?:GPU|gpu):\d+ but available devices are \[|invalid device ordinal|"
         r"satisfy (?:explicit )?device specification '\S*GPU:|Unknown backend:? '(?:gpu|cuda)'|"
         r"no supported devices found for platform CUDA|Found no NVIDIA driver|No CUDA GPUs are available|"
         r"No visible GPU devices|nvml error: driver not loaded|NVML\w*: Driver Not Loaded|no ROCm-capable device is detected",
         "request GPUs (`use_gpu=true`, `gpus_per_node`), for a role that computes"),
    Rule("gpu-unknown", Kind.GPU_HARDWARE, ("CUDA_ERROR_UNKNOWN", "system not yet initialized", "SYSTEM_NOT_READY"),
         r"failed call to cuInit: CUDA_ERROR_UNKNOWN|Error 802: system not yet initialized|CUDA_ERROR_SYSTEM_NOT_READY",
         "the driver of that node does not answer: exclude it (`sbatch[exclude]=...`), tell your admins, and submit again"),
    Rule("said-no-gpu", Kind.GPU_MISSING, ("Error: ", "Exception: ", "No devices were found"),
         r"(?m)^[\w.]*(?:Error|Exception): .*\b[Nn]o (?:visible |usable |available )?(?:GPU|gpu)s?"
         r"(?: devices?)?(?: (?:found|available|visible|detected|present))?(?:[.,;:!]|$)|^No devices were found$|"
         r"^[\w.]*(?:Error|Exception): .*\b(?:GPU|gpu|CUDA)s?(?: devices?)? (?:(?:is|are|was|were) )?"
         r"(?:not (?:found|available|visible|detected|present|accessible)|unavailable)\b|"
         r"^[\w.]*(?:Error|Exception): .*\b(?:requires|needs) (?:an? |at least \w+ )?(?:CUDA |NVIDIA )?(?:GPU|gpu)s?\b|"
         r"(?:Error|Exception): .*no CUDA-capable device is detected",
         "request GPUs (`use_gpu=true`, `gpus_per_node`), for a role that computes", vague=True, by_script=True),
    Rule("device-assert", Kind.SCRIPT, ("device-side assert", "CUDA_ERROR_ASSERT"),
         r"device-side assert triggered|CUDA_ERROR_ASSERT",
         "an index that the script hands to the GPU is out of range, often a label or a token that a layer has no place for: "
         "set `environment_variables[CUDA_LAUNCH_BLOCKING]=1` to see which operation, or run it on the CPU"),
    Rule("gpu-kernel", Kind.CRASH, ("CUDA_ERROR_ILLEGAL_", "CUDA_ERROR_LAUNCH_FAILED", "illegal memory access was",
         "unspecified launch failure", "CUDA error: ", "HIP error: "),
         r"CUDA_ERROR_ILLEGAL_(?:ADDRESS|INSTRUCTION)|CUDA_ERROR_LAUNCH_FAILED|illegal memory access was encountered|"
         r"unspecified launch failure|"
         r"(?:CUDA|HIP) error: (?:an illegal instruction was|misaligned address|invalid program counter)",
         "a program on the GPU failed: set `environment_variables[CUDA_LAUNCH_BLOCKING]=1` to see which operation; where "
         "it is one node alone, leave that out"),
    Rule("xid", Kind.GPU_HARDWARE, ("NVRM: Xid", "uncorrectable ", "UNCORRECTABLE", "HARDWARE_STACK", "fallen off the bus",
         "GPU is lost", "communicate with the NVIDIA driver", "initialize NVML", "device handle for "),
         r"NVRM: Xid \(|uncorrectable (?:ECC|NVLink)|CUDA_ERROR_(?:ECC|NVLINK)_UNCORRECTABLE|CUDA_ERROR_HARDWARE_STACK_ERROR|"
         r"fallen off the bus|GPU is lost|Unable to determine the device handle for (?:GPU|gpu)|"
         r"couldn't communicate with the NVIDIA driver|Failed to initialize NVML: Driver/library version mismatch",
         "exclude that node (`sbatch[exclude]=...`), tell your admins, and submit again"),
)  # fmt: skip
