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
    """``words``: one of them stands in each text that the pattern matches. ``remedy`` may use its groups, ``{0}``."""

    id: str
    kind: Kind
    words: tuple[str, ...]
    pattern: str
    remedy: str
    weak: bool = False
    cascade: bool = False


RULES: tuple[Rule, ...] = (
    # Slurm: slurmstepd, srun. Texts of 22.05 and of 23.02 on.
    Rule("slurm-oom", Kind.HOST_MEMORY, ("oom-kill event", "oom_kill event"), r"Detected \d+ oom[-_]kill event", MORE_MEMORY),
    Rule("srun-oom", Kind.HOST_MEMORY, ("Out Of Memory",), r"srun: error: \S+: tasks? [\d,\-]+: Out Of Memory", MORE_MEMORY),
    Rule("slurm-over-memory", Kind.HOST_MEMORY, ("emory limit",),
         r"exceeded (?:step|job)? ?memory limit \(\d+ > \d+\)", MORE_MEMORY),
    Rule("time-limit", Kind.TIME_LIMIT, ("DUE TO TIME LIMIT",), r"CANCELLED AT \S+ DUE TO TIME LIMIT",
         "set a longer `time`, and have the script save checkpoints and go on from them"),
    Rule("preempted", Kind.PREEMPTED, ("DUE TO PREEMPTION",), r"CANCELLED AT \S+ DUE TO PREEMPTION",
         "submit it again, to a `partition` or `qos` that is not preempted if there is one"),
    Rule("node-failure", Kind.NODE, ("NODE FAILURE", "Node failure on"), r"DUE TO NODE FAILURE|Node failure on \S+",
         "nothing that the script did: submit it again, without that node (`sbatch[exclude]=...`)"),
    Rule("unkillable", Kind.NODE, ("NOT ENDING WITH SIGNALS",), r"STEPD TERMINATED ON \S+ .*NOT ENDING WITH SIGNALS",
         "a process hung in a disk or a driver: leave that node out (`sbatch[exclude]=...`) and tell your admins"),
    Rule("step-refused", Kind.LAUNCH, ("Unable to create step",), r"Unable to create step for job \S+: (.+)",
         "srun asks for more than the job has, or the job was ending: {0}"),
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
         "the node has no {0}, which the container is to see (containers.binds in the profile)"),
    Rule("image-format", Kind.IMAGE, ("Invalid image format",), r"Invalid image format: ",
         "pyxis starts squashfs files: 'enroot import' creates one of an image in a registry"),
    Rule("image-fetch", Kind.IMAGE, ("failed to import docker image",), r"failed to import docker image",
         "enroot could not fetch the image: is the name right, and is a login that it needs in ~/.config/enroot/.credentials?"),
    Rule("no-pyxis", Kind.IMAGE, ("--container-image",), r"unrecognized option '--container-image",
         "this Slurm has no pyxis: containers.runtime in the site's profile names something else"),
    Rule("old-pyxis", Kind.IMAGE, ("--container-env",), r"unrecognized option '--container-env",
         "this Slurm's pyxis is older than 0.15: ask for a newer one"),
    Rule("command-missing", Kind.COMMAND, ("execve(): ",), r"execve\(\): (\S+): No such file",
         f"the node, or the image, has no {{0}}: {OTHER_PYTHON}"),
    # Modules and conda.
    Rule("module-unknown", Kind.MODULE, ("are unknown",), r"following module\(s\) are unknown: \"(.+?)\"",
         "no module {0} here: 'module spider {0}' tells what there is; set `environment_definition.modules`"),
    Rule("module-tcl", Kind.MODULE, ("Unable to locate a modulefile",), r"Unable to locate a modulefile for '([^']+)'",
         "no module {0} here: 'module avail' tells what there is; set `environment_definition.modules`"),
    Rule("conda-init", Kind.MODULE, ("conda activate",), r"shell has not been properly configured to use 'conda activate'",
         "leave 'conda activate' out of prologue and script: it is activated for you (`environment_definition.conda`)"),
    # Memory.
    Rule("tf-host-memory", Kind.HOST_MEMORY, ("OOM when allocating", "bad_alloc", "MemoryError", "Cannot allocate memory"),
         r"OOM when allocating tensor.*(?:device:CPU:\d+|allocator cpu)|std::bad_alloc|\w*MemoryError\b|"
         r"Cannot allocate memory",
         MORE_MEMORY),
    Rule("tf-gpu-memory", Kind.GPU_MEMORY, ("OOM when allocating",),
         r"OOM when allocating tensor.*(?:device:GPU:\d+|allocator GPU_)", LESS_ON_GPU),
    Rule("xla-memory", Kind.GPU_MEMORY, ("RESOURCE_EXHAUSTED",),
         r"RESOURCE_EXHAUSTED: Out of memory (?:while trying to allocate|allocating)", LESS_ON_GPU),
    Rule("cuda-memory", Kind.GPU_MEMORY, ("CUDA_ERROR_OUT_OF_MEMORY", "out of memory"),
         r"CUDA_ERROR_OUT_OF_MEMORY|CUDA (?:runtime )?error: out of memory|cudaErrorMemoryAllocation",
         "the GPU's memory is used up: if that was at the start, another process has that GPU; else take smaller batches"),
    # Libraries that don't go together.
    Rule("horovod-build", Kind.LIBRARY, ("HorovodVersionMismatchError", "has not been built"),
         r"HorovodVersionMismatchError|Extension horovod\.\S+ has not been built",
         "Horovod was built for another TensorFlow: 'slurmtf env build-horovod' compiles it again where the job runs"),
    Rule("mpi-library", Kind.LIBRARY, ("libmpi", "libpmi", "libucp"),
         r"(lib(?:mpi|pmi|ucp|ucs)[\w+.-]*\.so[\w.]*): cannot open shared object file",
         "{0} is not on the node, or not in the image: load the module of the MPI that it was built with "
         "(`environment_definition.modules`)"),
    Rule("library-missing", Kind.LIBRARY, ("cannot open shared object file",),
         r"(?:ImportError|OSError|error while loading shared libraries|NotFoundError).*?(lib[\w.+-]+\.so[\w.]*): "
         r"cannot open shared object file",
         "{0} is not on the node, or not in the image: load the module that brings it, or build it into the image"),
    Rule("glibcxx", Kind.LIBRARY, ("GLIBCXX_",), r"version [`'](GLIBCXX_[\d.]+)' not found",
         "the C++ library that is found first is too old ({0}): load a newer gcc module, or install libstdcxx-ng in the conda "
         "environment"),
    Rule("glibc", Kind.LIBRARY, ("GLIBC_",), r"version [`'](GLIBC_[\d.]+)' not found",
         "the wheel is too new for the node's system ({0}): use an older one, conda's build, or a container (`image`)"),
    Rule("numpy-abi", Kind.LIBRARY, ("numpy.dtype size changed", "compiled using NumPy 1", "_ARRAY_API not found"),
         r"numpy\.dtype size changed|compiled using NumPy 1\.x cannot be run|_ARRAY_API not found",
         "a package was built for another numpy: set `pip_packages[]=numpy<2`, or install that package again"),
    Rule("protobuf", Kind.LIBRARY, ("Descriptors cannot be created directly", "Descriptors cannot not be created directly"),
         r"Descriptors cannot (?:not )?be created directly",
         "protobuf is too new for this TensorFlow: set `pip_packages[]=protobuf<3.21`, or use a newer TensorFlow"),
    Rule("keras-3", Kind.LIBRARY, ("Keras 3", "Keras 2"),
         r"(?:only supports|requires|expects) Keras 2|Keras 3 only supports|incompatible with Keras 3",
         "the script is written for another Keras: set `legacy_keras=true` for Keras 2 (package tf_keras)"),
    Rule("cudnn", Kind.GPU_SOFTWARE, ("Loaded runtime CuDNN library",),
         r"Loaded runtime CuDNN library: \S+ but source was compiled with: \S+",
         "load the cuDNN that TensorFlow was built with, or install tensorflow[and-cuda]"),
    Rule("libdevice", Kind.GPU_SOFTWARE, ("libdevice not found",), r"libdevice not found at",
         "XLA finds no CUDA: set `environment_variables[XLA_FLAGS]=--xla_gpu_cuda_data_dir=/path/of/cuda`, or load the module"),
    Rule("dnn-init", Kind.GPU_SOFTWARE, ("DNN library initialization failed", "DNN library is not found"),
         r"DNN library (?:initialization failed|is not found)",
         "often the GPU's memory is full, or cuDNN is another one than TensorFlow's: see the lines before"),
    Rule("cuda-driver", Kind.GPU_SOFTWARE, ("CUDA driver version is insufficient", "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"),
         r"CUDA driver version is insufficient|CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
         "the node's driver is older than this TensorFlow's CUDA: use an older TensorFlow, or a node with a newer driver"),
    Rule("xid", Kind.GPU_HARDWARE, ("NVRM: Xid", "uncorrectable ECC", "CUDA_ERROR_ECC", "fallen off the bus"),
         r"NVRM: Xid \(|uncorrectable ECC|CUDA_ERROR_ECC_UNCORRECTABLE|fallen off the bus",
         "leave that node out (`sbatch[exclude]=...`), tell your admins, and submit again"),
    # MPI and its start.
    Rule("mpi-plugin", Kind.MPI, ("Invalid MPI type",), r"Invalid MPI type '?(\w+)'?", f"this Slurm has no {{0}}: {OTHER_MPI}"),
    Rule("no-pmi", Kind.MPI, ("SLURM's PMI support", "No PMIx server was reachable", "OPAL ERROR: Unreachable"),
         r"SLURM's PMI support|No PMIx server was reachable|OPAL ERROR: Unreachable in file",
         f"srun can't start this MPI: {OTHER_MPI}"),
    Rule("alone", Kind.MPI, ("slurmtf: ",), r"slurmtf: \S+ sees a world of \d+ process",
         "the line after it in the log says what to set"),
    Rule("no-slots", Kind.LAUNCH, ("not enough slots",), r"not enough slots available in the system",
         "mpirun was asked for more processes than the job has tasks: set `process_count_per_node`, or `launcher=srun`"),
    # Network and ports.
    Rule("nccl", Kind.NETWORK, ("NCCL", "nccl", "socketPollConnect", "Bootstrap :"),
         r"socketPollConnect: .* returned \d+\(|ncclCommInitRank failed|Bootstrap : no socket interface found|"
         r"NCCL error.*(?:unhandled system error|remote process exited)",
         "set the interface by which nodes reach each other: `environment_variables[NCCL_SOCKET_IFNAME]=...` (ip -br addr); "
         "`environment_variables[NCCL_DEBUG]=INFO` says more"),
    Rule("gloo", Kind.NETWORK, ("gloo", "Gloo"),
         r"[Gg]loo\S* (?:connectFullMesh failed|.*[Cc]onnect timeout)|Unable to find address for",
         "set network.interface in the site's profile to the one by which nodes reach each other (ip -br addr)"),
    Rule("port", Kind.PORT, ("Address already in use", "Could not start gRPC server"),
         r"Could not start gRPC server|(?:Errno 98\] |: )Address already in use",
         "another process of the node has that port: use that of TF_CONFIG or $SLURMTF_ADDRESS, or submit again"),
    Rule("not-joined", Kind.NETWORK, ("can't join its supervisor",), r"slurmtf: task \S+ can't join its supervisor: ",
         "set network.host_suffix in the site's profile to what follows a node's name in the one by which the others reach it; "
         "or a firewall stands between them"),
    Rule("unresolved", Kind.NETWORK, ("Name or service not known", "Temporary failure in name resolution"),
         r"(?:Name or service not known|Temporary failure in name resolution)",
         "the node can't find that host: compute nodes often have no internet; fetch data before, on the login node"),
    Rule("no-internet", Kind.NETWORK, ("Network is unreachable", "Max retries exceeded", "No route to host"),
         r"Network is unreachable|Max retries exceeded with url|No route to host",
         "compute nodes often have no internet: fetch data and models before, on the login node"),
    # Disks.
    Rule("quota", Kind.QUOTA, ("Disk quota exceeded",), r"Disk quota exceeded", ELSEWHERE),
    Rule("disk-full", Kind.DISK, ("No space left on device",), r"No space left on device", ELSEWHERE),
    Rule("file-lock", Kind.FILE_LOCKING, ("unable to lock file", "No locks available"),
         r"unable to lock file, errno = (?:11|37)|No locks available",
         "set `environment_variables[HDF5_USE_FILE_LOCKING]=FALSE`, or have rank 0 alone write that file"),
    Rule("stale", Kind.DISK, ("Stale file handle",), r"Stale (?:NFS )?file handle",
         "another node replaced the file: write to a new name and rename it; submitting again may do"),
    Rule("read-only", Kind.DISK, ("Read-only file system",), r"Read-only file system",
         "that place can't be written from the node: write to outputs/ (the working directory's), or to scratch"),
    # Python, once nothing above has said more.
    Rule("import", Kind.IMPORT, ("No module named",), r"(?:ModuleNotFoundError|ImportError): No module named '?([\w.]+)",
         "install {0} in the job's Python, or use another one (`environment_definition.python`)"),
    Rule("diverged", Kind.DIVERGED, ("Inf or NaN", "Tensor had NaN", "invalid loss", "NaN loss"),
         r"CheckNumerics.*|Tensor had NaN|Inf or NaN values|NanLossDuringTrainingError|"
         r"invalid loss, terminating|NaN loss during",
         "nothing of the cluster: use a lower learning rate, clip gradients, look at the data"),
    # Crashes, which leave no traceback.
    Rule("illegal-instruction", Kind.CPU, ("llegal instruction",), r"[Ii]llegal instruction",
         "the program was built for a newer CPU (AVX, AVX2, FMA): ask for such nodes (`constraint`), or use another build"),
    Rule("bus-error", Kind.CRASH, ("Bus error",), r"\bBus error\b",
         "often /dev/shm is too small (in a container), or a file that was mapped was cut or is over a quota"),
    Rule("segmentation", Kind.CRASH, ("egmentation fault",), r"[Ss]egmentation fault",
         "set `environment_variables[PYTHONFAULTHANDLER]=1`: the log then shows where it was"),
    # Weak: healthy logs have them, too.
    Rule("horovod-stall", Kind.STALL, ("subset of ranks", "missing ranks"),
         r"submitted to be reduced, gathered or broadcasted by subset of ranks|\[missing ranks: [\d, ]+\]",
         "the missing ranks are where to look; often they had fewer batches than the others", weak=True),
    Rule("no-gpu", Kind.GPU_MISSING, ("CUDA_ERROR_NO_DEVICE", "no CUDA-capable device"),
         r"CUDA_ERROR_NO_DEVICE|no CUDA-capable device is detected",
         "ask for GPUs (`use_gpu=true`, `gpus_per_node`), for a role that computes", weak=True),
    Rule("gpu-libraries", Kind.GPU_SOFTWARE, ("Cannot dlopen some GPU libraries",), r"Cannot dlopen some GPU libraries",
         "TensorFlow runs on the CPU: install tensorflow[and-cuda], or load the CUDA modules", weak=True),
    Rule("nan", Kind.DIVERGED, ("loss: nan", "loss=nan", "loss = nan"), r"\bloss(?: = |: |=)nan\b",
         "nothing of the cluster: use a lower learning rate, clip gradients, look at the data", weak=True),
    Rule("bash-killed", Kind.KILLED, ("Killed",), r"line \d+:\s+\d+ Killed\b",
         "often the node's memory is used up: ask for more (`memory`)", weak=True),
    # What others say who lost a process.
    Rule("horovod-peer", Kind.PEER, ("Horovod has been shut down", "HorovodInternalError"),
         r"Horovod has been shut down|HorovodInternalError", "look at the task that ended first", cascade=True),
    Rule("collective-peer", Kind.PEER, ("Collective ops is aborted", "Socket closed", "Connection reset by peer"),
         r"Collective ops is aborted by|Socket closed|Connection reset by peer|failed to connect to all addresses",
         "look at the task that ended first", cascade=True),
    Rule("jax-peer", Kind.PEER, ("coordination service", "JAX distributed service"),
         r"coordination service.*(?:heartbeat|unavailable|shut ?down)|Terminating process because the JAX distributed service",
         "look at the task that ended first", cascade=True),
)  # fmt: skip
