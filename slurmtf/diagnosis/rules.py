"""What logs say, and what that means: rules as data, the most certain first.

A rule is a cheap word to look for, the pattern that then decides, and what to do. What stands in healthy logs too is ``weak``:
it explains only what nothing else does. What a process says because another one died is a ``cascade``, and never wins over
what another log tells.
"""

from __future__ import annotations

from typing import NamedTuple

from slurmtf.diagnosis.kinds import Kind

MORE_MEMORY = "ask for more (`memory`), or use smaller batches, shuffle buffers and prefetching"
LESS_ON_GPU = "use smaller batches or mixed precision, or a GPU with more memory; the same again will fail again"
OTHER_MPI = (
    "set `launcher=mpirun`, another `srun[mpi]=...` ('srun --mpi=list' shows them), or, for Horovod, `Mpi.transport=gloo`"
)
ELSEWHERE = "write to another file system (scratch), and keep fewer checkpoints; the same again will fail again"
OTHER_PYTHON = "set `environment_definition.python` to one that it has, 3.6 or later"


class Rule(NamedTuple):
    """``words``: one of them stands in each text that the pattern matches. ``remedy`` may use its groups, ``{0}``.

    ``anywhere``: nothing survives it, so that it counts also where it stands before the last traceback. ``vague``: it says that
    something failed, and not why: a line before it, of which another rule is certain, says more. ``by_script``: scripts say it
    themselves, in errors that they raise.
    """

    id: str
    kind: Kind
    words: tuple[str, ...]
    pattern: str
    remedy: str
    weak: bool = False
    cascade: bool = False
    anywhere: bool = False
    vague: bool = False
    by_script: bool = False


RULES: tuple[Rule, ...] = (
    # Slurm: slurmstepd, srun. Texts of 22.05 and of 23.02 on.
    Rule("slurm-oom", Kind.HOST_MEMORY, ("oom-kill event", "oom_kill event"), r"Detected \d+ oom[-_]kill event", MORE_MEMORY),
    Rule("srun-oom", Kind.HOST_MEMORY, ("Out Of Memory",), r"srun: error: \S+: tasks? [\d,\-]+: Out Of Memory", MORE_MEMORY),
    Rule("slurm-over-memory", Kind.HOST_MEMORY, ("emory limit",),
         r"[Ee]xceeded (?:step|job)? ?memory limit (?:\(\d+ > \d+\)|at some point)", MORE_MEMORY),
    Rule("kernel-oom", Kind.HOST_MEMORY, ("ut of memory: Kill",), r"[Oo]ut of memory: Kill(?:ed)? process \d+", MORE_MEMORY),
    Rule("time-limit", Kind.TIME_LIMIT, ("DUE TO TIME LIMIT",), r"CANCELLED AT \S+ DUE TO TIME LIMIT",
         "set a longer `time`, and have the script save checkpoints and go on from them"),
    Rule("preempted", Kind.PREEMPTED, ("DUE TO PREEMPTION",), r"CANCELLED AT \S+ DUE TO PREEMPTION",
         "submit it again, to a `partition` or `qos` that is not preempted if there is one"),
    Rule("node-failure", Kind.NODE, ("NODE FAILURE", "Node failure on", "RTE has lost communication"),
         r"DUE TO NODE FAILURE|Node failure on (?P<host>[\w.-]+)|[OP]RTE has lost communication with a remote daemon",
         "not the script's doing: submit it again, without that node (`sbatch[exclude]=...`)"),
    Rule("unkillable", Kind.NODE, ("NOT ENDING WITH SIGNALS",), r"STEPD TERMINATED ON (?P<host>\S+) .*NOT ENDING WITH SIGNALS",
         "a process hung in a disk or a driver: leave that node out (`sbatch[exclude]=...`) and tell your admins"),
    Rule("step-refused", Kind.LAUNCH, ("Unable to create step", "Unable to confirm allocation"),
         r"Unable to (?:create step|confirm allocation) for job \S+: (.+)",
         "srun asks for more than the job has, or the job was ending: {0}"),
    Rule("task-launch", Kind.LAUNCH, ("ask launch for ", " launch failed: "),
         r"[Tt]ask launch for \S+ failed on node \S+: (.+)|(?:task \S+|Application) launch failed: (.+)",
         "srun could not start the task: {0}{1}; submit again; if it keeps failing, without that node (`sbatch[exclude]=...`)"),
    # Containers and their runtimes.
    Rule("runtime-missing", Kind.MODULE, ("execve(): ", "directory: '"),
         r"(?:execve\(\): |directory: ')(apptainer|singularity|podman-hpc|shifter)",
         "{0} is not on the node: load the module that brings it (`environment_definition.modules`, or containers.modules in "
         "the site's profile)"),
    Rule("not-in-image", Kind.COMMAND, ("not found in $PATH",), r"executable file .*not found in \$PATH",
         f"the image has no such program: {OTHER_PYTHON}, or use another image"),
    Rule("image-missing", Kind.IMAGE, ("could not open image", "[ERROR] No such file"),
         r"(?:could not open image|\[ERROR\] No such file or directory:) ([^\s:]+)",
         "the node does not have the image {0}: put it where all nodes see it"),
    Rule("bind-missing", Kind.IMAGE, ("mount source ", "failed to mount: "),
         r"(?:mount source |failed to mount: )(\S+) (?:doesn't exist|at .*No such file)",
         "the node has no {0}, which the container should see (containers.binds in the profile)"),
    Rule("image-format", Kind.IMAGE, ("Invalid image format",), r"Invalid image format: ",
         "pyxis starts squashfs files: 'enroot import' creates one of an image in a registry"),
    Rule("image-fetch", Kind.IMAGE, ("failed to import docker image", "Unable to handle "),
         r"failed to import docker image|Unable to handle (?:docker|oras|library|shub)://",
         "the node could not fetch the image: is the name right, does the node reach the registry, and is a login that it "
         "needs there (enroot: ~/.config/enroot/.credentials)? Better fetch it on the login node, into a file"),
    Rule("image-machine", Kind.IMAGE, ("exec format error",), r"exec format error",
         "the image is for another kind of machine (x86_64, aarch64): build or fetch it for the node's (`constraint`)"),
    Rule("image-mount", Kind.IMAGE, ("mounting image", "squashfuse", "mount squashfs"),
         r"while mounting image|squashfuse\w* exited|failed to mount squashfs",
         "the node can't read the image: is it whole, and does the node have squashfuse? A folder (--sandbox) needs none"),
    Rule("user-namespaces", Kind.IMAGE, ("create user namespace",), r"[Ff]ailed to create user namespace",
         "users may not start containers on the node: ask your admins, or another runtime (containers.runtime in the profile)"),
    Rule("pyxis-start", Kind.IMAGE, ("couldn't start container", "container start failed"),
         r"pyxis: (?:couldn't start container|container start failed)[\s\S]*?(?=pyxis: {3,}|\Z)(?:pyxis: +(\S.*))?",
         "the image could not be started: {0}", vague=True),
    Rule("no-pyxis", Kind.IMAGE, ("--container-image",), r"unrecognized option '--container-image",
         "this Slurm has no pyxis: containers.runtime in the site's profile names something else"),
    Rule("old-pyxis", Kind.IMAGE, ("--container-env",), r"unrecognized option '--container-env",
         "this Slurm's pyxis is older than 0.15: ask for a newer one"),
    Rule("command-missing", Kind.COMMAND, ("execve(): ",), r"execve\(\): (\S+): No such file",
         f"the node, or the image, has no {{0}}: {OTHER_PYTHON}"),
    Rule("mpirun-command", Kind.COMMAND, ("mpirun was unable to launch",),
         r"mpirun was unable to launch the specified application as it could not [\s\S]{0,200}?Executable: (\S+)",
         f"the node has no {{0}}: {OTHER_PYTHON}"),
    Rule("not-executable", Kind.COMMAND, ("execve(): ",), r"execve\(\): (\S+): Permission denied",
         "{0} may not be run: 'chmod +x' it, or put it where the file system is not mounted noexec"),
    Rule("other-machine", Kind.COMMAND, ("cannot execute binary file", "Exec format error"),
         r"cannot execute binary file|Exec format error",
         "the program is for another kind of machine, or is no program: use the node's kind (x86_64, aarch64; `constraint`)"),
    Rule("bad-interpreter", Kind.COMMAND, ("bad interpreter: ",), r"(\S+): bad interpreter: ",
         "{0} is gone: an environment that was moved or renamed has to be built again"),
    # Modules and conda.
    Rule("module-conflict", Kind.MODULE, ("Cannot load module",),
         r"Cannot load module \"(.+?)\" because these module\(s\) are loaded",
         "the module {0} excludes one that is loaded: leave one of them out (`environment_definition.modules`)"),
    Rule("module-hidden", Kind.MODULE, ("cannot be loaded as requested",), r"cannot be loaded as requested: \"(.+?)\"",
         "'module spider {0}' tells which modules must be loaded before it: name them too (`environment_definition.modules`)"),
    Rule("no-modules", Kind.MODULE, ("module: command not found", "ml: command not found"),
         r"\bm(?:odule|l): command not found",
         "the batch shell knows no modules: set modules.init in the site's profile to the file that defines 'module'"),
    Rule("module-unknown", Kind.MODULE, ("are unknown",), r"following module\(s\) are unknown: \"(.+?)\"",
         "no module {0} here: 'module spider {0}' tells what there is; set `environment_definition.modules`"),
    Rule("module-tcl", Kind.MODULE, ("Unable to locate a modulefile",), r"Unable to locate a modulefile for '([^']+)'",
         "no module {0} here: 'module avail' tells what there is; set `environment_definition.modules`"),
    Rule("lmod", Kind.MODULE, ("Lmod has detected the following error",), r"Lmod has detected the following error: +(.+)",
         "'module spider' tells which modules go together: set `environment_definition.modules`. Lmod says: {0}"),
    Rule("conda-init", Kind.MODULE, ("conda activate",), r"shell has not been properly configured to use 'conda activate'",
         "leave 'conda activate' out of prologue and script: it is activated for you (`environment_definition.conda`)"),
    # Memory.
    Rule("locked-memory", Kind.LIMIT, ("locked memory", "MEMLOCK", "memlock"),
         r"max(?:imum)? locked memory|RLIMIT_MEMLOCK|locked memory limit|\bmemlock\b.*\b(?:limit|low|small)",
         "the node allows too little locked memory for its network card: ask your admins (ulimit -l; slurm.conf(5), "
         "PropagateResourceLimitsExcept=MEMLOCK)", anywhere=True),
    Rule("cuda-memory", Kind.GPU_MEMORY, ("CUDA_ERROR_OUT_OF_MEMORY", "out of memory", "cudaErrorMemoryAllocation",
         "STATUS_ALLOC_FAILED"),
         r"CUDA_ERROR_OUT_OF_MEMORY|CUDA (?:(?:runtime )?error: )?out of memory|Status: out of memory|"
         r"cudaErrorMemoryAllocation|CU\w+_STATUS_ALLOC_FAILED",
         "the GPU's memory is used up: if that was at the start, another process has that GPU; else take smaller batches"),
    Rule("tf-host-memory", Kind.HOST_MEMORY, ("OOM when allocating", "bad_alloc", "MemoryError", "Cannot allocate memory"),
         r"OOM when allocating tensor.*(?:device:CPU:\d+|allocator cpu)|std::bad_alloc|\w*MemoryError\b|"
         r"Cannot allocate memory",
         MORE_MEMORY),
    Rule("tf-gpu-memory", Kind.GPU_MEMORY, ("OOM when allocating", "failed to allocate memory"),
         r"OOM when allocating tensor(?:.*(?:device:GPU:\d+|allocator GPU_)|[\s\S]{0,400}?/gpu:\d)|"
         r"device:GPU:\d+\}\} failed to allocate memory",
         LESS_ON_GPU),
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
    # Limits of the node.
    Rule("threads", Kind.LIMIT, ("pthread_create failed", "can't start new thread", "Resource temporarily unavailable",
         "hread creation failed"),
         r"pthread_create failed|can't start new thread|[Tt]hread creation failed|"
         r"(?:fork: (?:retry: )?|std::system_error'\s+what\(\): +)Resource temporarily unavailable",
         "the node allows no more threads or processes: use fewer (`environment_variables[OPENBLAS_NUM_THREADS]=1`)"),
    Rule("open-files", Kind.LIMIT, ("Too many open files",), r"Too many open files",
         "close what was read, read fewer files at once, or have the site's prologue raise the limit (ulimit -n)"),
    # Libraries that don't go together.
    Rule("horovod-build", Kind.LIBRARY, ("HorovodVersionMismatchError", "has not been built"),
         r"HorovodVersionMismatchError|Extension horovod\.\S+ has not been built",
         "Horovod was built for another TensorFlow: 'slurmtf env build-horovod' compiles it again where the job runs"),
    Rule("undefined-symbol", Kind.LIBRARY, ("undefined symbol: ",), r"undefined symbol: (\S+)",
         "the library was built for another version of what it uses: install it again where the job runs; Horovod by "
         "'slurmtf env build-horovod'"),
    Rule("other-version", Kind.LIBRARY, ("cannot import name",),
         r"cannot import name '\w+' from (?:partially initialized module )?'([\w.]+)' "
         r"\(\S*(?:(?:site|dist)-packages|google/protobuf)/",
         "{0} is of another version than what imports it: ask for versions that match (`pip_packages`)"),
    Rule("pythonhome", Kind.LIBRARY, ("No module named 'encodings'", "codec of the filesystem encoding",
         "should not try to import numpy from", "numpy C-extensions failed"),
         r"No module named 'encodings'|failed to get the Python codec of the filesystem encoding|"
         r"should not try to import numpy from|numpy C-extensions failed",
         "PYTHONHOME or PYTHONPATH is another Python's: leave out the module that sets it (`environment_definition.modules`)"),
    Rule("mpi-library", Kind.LIBRARY, ("libmpi", "libpmi", "libucp", "libucs"),
         r"(lib(?:mpi|pmi|ucp|ucs)[\w+.-]*\.so[\w.]*): cannot open shared object file",
         "{0} is not on the node, or not in the image: load the module of the MPI that it was built with "
         "(`environment_definition.modules`)"),
    Rule("library-missing", Kind.LIBRARY, ("cannot open shared object file", "Error loading shared library",
         "annot load "),
         r"(?:ImportError|OSError|error while loading shared libraries|NotFoundError).*?(lib[\w.+-]+\.so[\w.]*): "
         r"cannot open shared object file|(?:Error loading shared library|[Cc]annot load) (\S+\.so[\w.]*)(?::| or |\.\n|\.?$)",
         "{0}{1} is not on the node, or not in the image: load the module that brings it, or build it into the image"),
    Rule("no-library", Kind.LIBRARY, ("ELF header", "ELF class", "file too short"),
         r"(\S+): (?:invalid ELF header|wrong ELF class\S*|file too short)",
         "{0} is no library of this kind of machine: it was cut, is a Git LFS pointer (git lfs pull), or of another machine"),
    Rule("compiled-part", Kind.LIBRARY, ("No module named",), r"No module named '?([\w.]+\._\w+)",
         "{0} is a compiled part of a package, built for another Python or left out: install the package again in the job's"),
    Rule("openmp", Kind.LIBRARY, ("OpenMP runtime", "OMP: Error #15"), r"multiple copies of the OpenMP runtime|OMP: Error #15",
         "packages from pip and conda, or two of them, bring an OpenMP each: install all from one of the two"),
    Rule("glibcxx", Kind.LIBRARY, ("GLIBCXX_",), r"version [`'](GLIBCXX_[\d.]+)' not found",
         "the C++ library that is found first is too old ({0}): load a newer gcc module, or install libstdcxx-ng in the conda "
         "environment"),
    Rule("glibc", Kind.LIBRARY, ("GLIBC_",), r"version [`'](GLIBC_[\d.]+)' not found",
         "the wheel is too new for the node's system ({0}): use an older one, conda's build, or a container (`image`)"),
    Rule("loader", Kind.LIBRARY, ("error while loading shared libraries", "ImportError: "),
         r"error while loading shared libraries: (.*)|ImportError: \S+\.so[\w.]*: (.*)",
         "a library can't be loaded on the node ({0}{1}): use one that was built for its system, or a container (`image`)"),
    Rule("numpy-abi", Kind.LIBRARY, ("numpy.dtype size changed", "compiled using NumPy 1", "_ARRAY_API not found",
         "module compiled against A", "multiarray failed to import", "Unable to convert function return value",
         "removed in the NumPy 2.0"),
         r"numpy\.dtype size changed|compiled using NumPy 1\.x cannot be run|_ARRAY_API not found|"
         r"module compiled against A[BP]I version|multiarray failed to import|"
         r"Unable to convert function return value to a Python type|removed in the NumPy 2\.0 release",
         "a package was built for another numpy: set `pip_packages[]=numpy<2`, or install that package again"),
    Rule("numpy-names", Kind.LIBRARY, ("module 'numpy' has no attribute",),
         r"module 'numpy' has no attribute '(?:bool|int|float|object|str|complex|long|unicode|typeDict)'",
         "the code is written for an older numpy: set `pip_packages[]=numpy<1.24`, or use newer versions of what needs it"),
    Rule("protobuf", Kind.LIBRARY, ("Descriptors cannot be created directly", "Descriptors cannot not be created directly"),
         r"Descriptors cannot (?:not )?be created directly",
         "protobuf is too new for this TensorFlow: set `pip_packages[]=protobuf<3.21`, or use a newer TensorFlow"),
    Rule("hdf5-versions", Kind.LIBRARY, ("library version mismatch",), r"HDF5 library version mismatche?d?",
         "two builds of HDF5 in one process: install h5py again, and load no module that brings another one "
         "(`environment_definition.modules`)"),
    Rule("keras-3", Kind.LIBRARY, ("Keras 3", "Keras 2"),
         r"(?:only supports|requires|expects) Keras 2|Keras 3 only supports|incompatible with Keras 3",
         "the script is written for another Keras: set `legacy_keras=true` for Keras 2 (package tf_keras)"),
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
    # MPI and its start.
    Rule("mpi-plugin", Kind.MPI, ("Invalid MPI type", "plugin name for mpi/", "mpi plugin for"),
         r"(?:Invalid MPI type '?|plugin name for mpi/|mpi plugin for (?:mpi/)?)(\w+)",
         f"this Slurm has no {{0}}: {OTHER_MPI}"),
    Rule("no-pmi", Kind.MPI, ("SLURM's PMI support", "No PMIx server was reachable", "OPAL ERROR: Unreachable",
         "PMIx_server_init", "PMIX ERROR: UNREACHABLE", "load PMIx library", "Fatal error in ", "PMII_singinit", "PMI_fd",
         "init failed for some reason", "process manager support", "_Init failed"),
         r"SLURM's PMI support|No PMIx server was reachable|OPAL ERROR: Unreachable in file|PMIx_server_init failed|"
         r"PMII_singinit: |Unable to write to PMI_fd|init failed for some reason; your parallel process|"
         r"for which process manager support was required|"
         r"PMIX ERROR: UNREACHABLE|PMI[2x]?_Init failed|"
         r"can ?not load PMIx library|Fatal error in P?MPI_Init",
         f"srun can't start this MPI: {OTHER_MPI}"),
    Rule("mpi-network", Kind.MPI, ("PML add procs failed", "opened in the pml framework", "selected pml ", "a NIC_POLICY of",
         "fabric is not available", "open hfi unit"),
         r"PML add procs failed|selected pml \w*, but peer|Unable to use a NIC_POLICY of|fabric is not available|"
         r"can't open hfi unit|No components were able to be opened in the pml framework",
         "MPI finds no network that it can use: load the cluster's own MPI, or set `environment_variables[OMPI_MCA_pml]=ob1`"),
    Rule("mpi-daemon", Kind.LAUNCH, ("RTE daemon has unexpectedly failed", "start one or more daemons"),
         r"[OP]RTE daemon has unexpectedly failed|unable to reliably start one or more daemons",
         "mpirun could not start its part on another node: set `launcher=srun`"),
    Rule("alone", Kind.ALONE, ("slurmtf: ",), r"slurmtf: \S+ sees a world of \d+ process",
         "the line after it in the log says what to set"),
    Rule("no-slots", Kind.LAUNCH, ("not enough slots",), r"not enough slots available in the system",
         "mpirun was asked for more processes than the job has tasks: set `process_count_per_node`, or `launcher=srun`"),
    # Network and ports.
    Rule("same-gpu", Kind.SCRIPT, ("Duplicate GPU detected",), r"Duplicate GPU detected : rank \d+ and rank \d+",
         "let each rank use its own GPU: tf.config.set_visible_devices(gpus[hvd.local_rank()], 'GPU')", anywhere=True),
    Rule("nccl-shm", Kind.DISK, ("NCCL WARN",), r"NCCL WARN .*(?:creating shared memory segment|fallocate failed).*",
         "the node's /dev/shm is full or too small: use a larger one in the container, or set "
         "`environment_variables[NCCL_SHM_DISABLE]=1`",
         anywhere=True),
    Rule("nccl", Kind.NETWORK, ("NCCL", "nccl", "socketPollConnect", "Bootstrap :"),
         r"socketPollConnect: .* returned \d+\(|ncclCommInitRank failed|Bootstrap : no socket interface found|"
         r"NCCL error.*(?:unhandled system error|remote process exited)|NCCL WARN NET/IB : .*with (?:error|status)|"
         r"NCCL WARN Call to (?:ibv_\w+|connect|bind|getaddrinfo)\b.* failed",
         "set the interface by which nodes reach each other: `environment_variables[NCCL_SOCKET_IFNAME]=...` (ip -br addr); "
         "`environment_variables[NCCL_DEBUG]=INFO` says more", anywhere=True),
    Rule("ucx", Kind.NETWORK, ("UCX  ERROR", "pml_ucx"),
         r"UCX  ERROR .*(?:no active messages transport|no usable transports|[Uu]nreachable|[Tt]imed? ?out)|"
         r"pml_ucx\.c:\d+ +Error: .*[Uu]nreachable",
         "MPI finds no network between the nodes: leave out what picks one (`environment_variables[UCX_NET_DEVICES]`), or name "
         "one that all nodes have (ip -br addr)"),
    Rule("gloo", Kind.NETWORK, ("gloo", "Gloo", "Unable to find address for"),
         r"[Gg]loo\S* (?:connectFullMesh failed|.*[Cc]onnect timeout)|Unable to find address for",
         "set network.interface in the site's profile to the one by which nodes reach each other (ip -br addr)"),
    Rule("port", Kind.PORT, ("ddress already in use", "EADDRINUSE", "Could not start gRPC server",
         "No address added out of total"),
         r"Could not start gRPC server|No address added out of total|(?:Errno 98\] |: )[Aa]ddress already in use|EADDRINUSE",
         "another process of the node has that port: use that of TF_CONFIG or $SLURMTF_ADDRESS, or submit again"),
    Rule("not-joined", Kind.NETWORK, ("can't join its supervisor",), r"slurmtf: task \S+ can't join its supervisor: ",
         "set network.host_suffix in the site's profile to what follows a node's name in the one by which the others reach it; "
         "or a firewall stands between them"),
    Rule("unresolved", Kind.NETWORK, ("Name or service not known", "Temporary failure in name resolution", " resolve host"),
         r"Name or service not known|Temporary failure in name resolution|"
         r"(?:[Cc]ould not|[Cc]ouldn't|[Uu]nable to|[Ff]ailed to) resolve host",
         "the node can't find that host: compute nodes often have no internet; fetch data before, on the login node"),
    Rule("no-internet", Kind.NETWORK, ("Network is unreachable", "Max retries exceeded", "No route to host",
         "Connection timed out", "your Internet connection is on", "connect to the endpoint URL"),
         r"Network is unreachable|Max retries exceeded with url|No route to host|Errno 110\] Connection timed out|"
         r"make sure your Internet connection is on|Could not connect to the endpoint URL",
         "compute nodes often have no internet: fetch data and models before, on the login node"),
    # Disks.
    Rule("quota", Kind.QUOTA, ("isk quota exceeded",), r"[Dd]isk quota exceeded", ELSEWHERE),
    Rule("disk-full", Kind.DISK, ("No space left on device", " full", "errno = 28", "ENOSPC", " written",
         "unexpected pos ", "failed writing"),
         r"No space left on device|errno = 28\b|ENOSPC|(?i:error)\b.*\b[Dd]isk (?:is )?full|\d+ requested and \d+ written|"
         r"enforce fail at inline_container\S+ \. unexpected pos \d+|PytorchStreamWriter failed writing",
         ELSEWHERE),
    Rule("file-lock", Kind.FILE_LOCKING, ("unable to lock file", "No locks available", "lock on file", "file lock"),
         r"unable to lock file, errno = \d+|No locks available|file locking (?:is )?(?:disabled|not supported)|"
         r"file lock \S+ could not be acquired|"
         r"(?:[Ff]ail(?:ed)?|[Uu]nable|[Cc]annot|[Cc]ould not)\b.{0,20} (?:a |the )?(?:file lock|lock on file)",
         "set `environment_variables[HDF5_USE_FILE_LOCKING]=FALSE`, or have rank 0 alone write that file"),
    Rule("database-lock", Kind.FILE_LOCKING, ("database is locked",), r"database is locked",
         "another process holds the database: use one for each run and rank, on the node's own disk"),
    Rule("file-system", Kind.DISK, ("Input/output error", "Transport endpoint is not connected", "transport endpoint shutdown"),
         r"(?m)\[Errno 5\] Input/output error|errno = 5, error message = 'Input/output error'|"
         r"^(?!.*(?:UCX|MPI|NCCL)).*[;:] Input/output error|"
         r"Transport endpoint is not connected: '|after transport endpoint shutdown",
         "the file system failed, not the script: submit it again; if it keeps failing, tell your admins, with node and time"),
    Rule("stale", Kind.DISK, ("Stale file handle", "Stale NFS file handle"), r"Stale (?:NFS )?file handle",
         "another node replaced the file: write to a new name and rename it; submitting again may do"),
    Rule("read-only", Kind.DISK, ("Read-only file system",), r"Read-only file system",
         "that place can't be written from the node: write to outputs/ (the working directory's), or to scratch"),
    # Python, once nothing above has said more.
    Rule("import", Kind.IMPORT, ("No module named",),
         r"(?:ModuleNotFoundError|ImportError|python[\d.]*): No module named '?([\w.]+)",
         "install {0} in the job's Python, or use another one (`environment_definition.python`)", vague=True),
    Rule("import-optional", Kind.IMPORT, ("ImportError: ", "No package metadata was found", "DistributionNotFound"),
         r"ImportError: (?:.*\b(?:(?:[Pp]lease|pip|conda|need to|must) install|not installed|tried using: "
         r"|optional dependency).*)|(?:No package metadata was found for|DistributionNotFound: The) \S+.*",
         "a package that another one wants is not there: install it in the job's Python (`pip_packages`)"),
    Rule("mpi-call", Kind.SCRIPT, ("MPI_ERR_",),
         r"MPI_ERR_(?:TRUNCATE|BUFFER|COUNT|TYPE|TAG|RANK|ROOT|OP|ARG|DIMS|GROUP|COMM)\b.*",
         "the script calls MPI with what does not fit: buffers, counts, ranks or communicators of its own"),
    Rule("library-check", Kind.SCRIPT, ("Check failed: ",), r"(?m)^[\w.]+(?:Error|Exception): .*Check failed: .*",
         "a library refuses what the script, or its data, asks of it"),
    Rule("tensors", Kind.SCRIPT, ("RuntimeError: ",),
         r"RuntimeError: .*(?:size mismatch|shapes cannot be multiplied|must match the size|same device|loading state_dict)",
         "the shapes of the script's tensors, or of its checkpoint, do not match"),
    Rule("arguments", Kind.SCRIPT, ("error: ", "Error: ", "Flags parsing error"),
         r"(?m)^\S+: error: ((?:unrecognized arguments|the following arguments are required|argument \S+|ambiguous option): .*)"
         r"|^Error: ((?:No such option|Missing (?:option|argument)|Invalid value for|Got unexpected extra argument).*)"
         r"|^FATAL Flags parsing error:\s+(.*)",
         "the script does not take its arguments (`script_params`): {0}{1}{2}"),
    Rule("diverged", Kind.DIVERGED, ("CheckNumerics", "Inf or NaN", "Tensor had NaN", "nvalid loss", "NaN loss", "NanLoss",
         "Nan in summary", "Error: "),
         r"(?m)^[\w.]*Error: .*\b(?:[Ll]oss|[Gg]radients?)\b.{0,20}\b(?:nan|NaN|NAN|inf|not finite|diverged)\b.*$|"
         r"CheckNumerics.*|Tensor had NaN|Inf or NaN values|NanLossDuringTrainingError|"
         r"[Ii]nvalid loss, terminating|NaN loss during|Nan in summary",
         "not the cluster's doing: use a lower learning rate, clip gradients, look at the data", by_script=True),
    # Crashes, which leave no traceback.
    Rule("illegal-instruction", Kind.CPU, ("llegal instruction", "compiled to use", "baseline optimizations", "ISA level",
         "not support", "doesn't support"),
         r"[Ii]llegal instruction|built with baseline optimizations|CPU ISA level is lower than required|"
         r"(?:CPU|processor) (?:does not|doesn't) support|compiled to use .+ instructions, but these aren't available",
         "the program was built for a newer CPU (AVX, AVX2, FMA): ask for such nodes (`constraint`), or use another build"),
    Rule("python-crash", Kind.CRASH, ("Fatal Python error: ",), r"Fatal Python error: (?:Aborted|Floating|Segmentation)",
         "the line that is shown is where the script stood; what crashed is a library that it calls there"),
    Rule("child-killed", Kind.KILLED, ("exitcode", "signal: Killed"), r"exitcode ?: -9\b|killed by signal: Killed",
         "often the node's memory is used up: ask for more (`memory`)"),
    Rule("loader-shm", Kind.DISK, ("signal: Bus error",), r"DataLoader worker .*killed by signal: Bus error",
         "the node's /dev/shm is full or too small: use a larger one in the container, or fewer workers"),
    Rule("bus-error", Kind.CRASH, ("Bus error",), r"\bBus error\b",
         "often /dev/shm is too small (in a container), or a file that was mapped was cut or is over a quota"),
    Rule("segmentation", Kind.CRASH, ("egmentation fault",), r"[Ss]egmentation fault\b",
         "set `environment_variables[PYTHONFAULTHANDLER]=1`: the log then shows where it was"),
    Rule("gave-up", Kind.CRASH, ("Check failed: ", "ssertion ", "terminate called"),
         r"Check failed: |[Aa]ssertion [`'].*' failed|terminate called (?:after throwing|without an active exception)",
         "the line itself, and those before it, say why the program gave up", vague=True),
    Rule("heap", Kind.CRASH, ("double free", "free(): ", "malloc(): ", "corrupted size"),
         r"double free or corruption|free\(\): invalid|malloc\(\): (?:invalid|corrupted|unaligned)|corrupted size vs\. ",
         "memory was overwritten, often by two builds of a library in one process: set "
         "`environment_variables[PYTHONFAULTHANDLER]=1`, and the log shows where it was"),
    # Weak: healthy logs have them, too.
    Rule("horovod-stall", Kind.STALL, ("subset of ranks", "missing ranks"),
         r"submitted to be reduced, gathered or broadcasted by subset of ranks|\[missing ranks: [\d, ]+\]",
         "the missing ranks are where to look; often they had fewer batches than the others", weak=True),
    Rule("no-gpu", Kind.GPU_MISSING, ("CUDA_ERROR_NO_DEVICE", "no CUDA-capable device"),
         r"CUDA_ERROR_NO_DEVICE|no CUDA-capable device is detected",
         "ask for GPUs (`use_gpu=true`, `gpus_per_node`), for a role that computes", weak=True),
    Rule("gpu-libraries", Kind.GPU_SOFTWARE, ("Cannot dlopen some GPU libraries", "Could not load dynamic library"),
         r"Cannot dlopen some GPU libraries|Could not load dynamic library 'lib(?:cu|nv)",
         "TensorFlow runs on the CPU: install tensorflow[and-cuda], or load the CUDA modules", weak=True),
    Rule("ucx-any", Kind.NETWORK, ("UCX  ERROR",), r"UCX  ERROR .+",
         "the network below MPI failed: submit again; if it keeps failing, tell your admins, with nodes and time",
         weak=True),
    Rule("nan", Kind.DIVERGED, ("loss: nan", "loss=nan", "loss = nan"), r"\bloss(?: = |: |=)nan\b",
         "not the cluster's doing: use a lower learning rate, clip gradients, look at the data", weak=True),
    Rule("bash-killed", Kind.KILLED, ("Killed", "KILLED BY SIGNAL", "exited on signal 9"),
         r"line \d+:\s+\d+ Killed\b|exited on signal 9\b|KILLED BY SIGNAL: 9\b",
         "often the node's memory is used up: ask for more (`memory`)", weak=True),
    # What others say who lost a process.
    Rule("nccl-timeout", Kind.STALL, ("collective operation timeout",), r"Watchdog caught collective operation timeout",
         "another rank did not come to that operation: look at what the others did last; often one had fewer batches",
         cascade=True),
    Rule("torch-store", Kind.ALONE, ("clients joined",), r"\d+/\d+ clients joined",
         "the other processes never came: look at their logs; if they have none, they were not started", cascade=True),
    Rule("xla-rendezvous", Kind.STALL, ("join the rendezvous",), r"Expected \d+ threads to join the rendezvous, but",
         "another process or GPU did not come to that operation: look at what the others did last", cascade=True),
    Rule("horovod-peer", Kind.PEER, ("Horovod has been shut down", "HorovodInternalError"),
         r"Horovod has been shut down|HorovodInternalError", "look at the task that ended first", cascade=True),
    Rule("collective-peer", Kind.PEER, ("Collective ops is aborted", "Socket closed", "Connection reset by peer",
         "failed to connect to all addresses", "Connection closed by peer", "_InactiveRpcError", "closed by remote peer",
         "worker just restarted", '"grpc_status":14'),
         r"Collective ops is aborted by|Socket closed|Connection reset by peer|failed to connect to all addresses|"
         r'Connection closed by (?:remote )?peer|_InactiveRpcError|Possibly, this worker just restarted|'
         r'"grpc_status":14',
         "look at the task that ended first", cascade=True),
    Rule("unhealthy-peer", Kind.PEER, ("heartbeat", "unhealthy", "tasks have crashed"),
         r"stopped sending heartbeats|heartbeat timeout|unhealthy tasks?\b|tasks are unhealthy|tasks have crashed",
         "look at the task that ended first", cascade=True),
    Rule("jax-peer", Kind.PEER, ("coordination service", "JAX distributed service"),
         r"coordination service.*(?:heartbeat|unavailable|shut ?down)|Terminating process because the JAX distributed service",
         "look at the task that ended first", cascade=True),
)  # fmt: skip
