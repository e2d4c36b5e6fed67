"""A text for each rule, as the library or program writes it."""
# ruff: noqa: E501 - texts as their programs write them

from __future__ import annotations

TRACEBACK = 'Traceback (most recent call last):\n  File "/r/work/train.py", line 7, in main\n    model.fit(x)\n'

SAMPLES: list[tuple[str, str]] = [
    # NVIDIA/pyxis/issues/61, hpcugent/vsc_user_docs/issues/198, UCX, glibc's ld.so, mpi4py, xgboost, torch
    ("pyxis-start", "slurmstepd: error: pyxis: container start failed with error code: 1\nslurmstepd: error: pyxis: printing "
     "contents of log file ...\nslurmstepd: error: pyxis:     enroot-switchroot: failed to execute: /bin/bash: No such file"),
    ("other-machine", "bash: line 1: ./infer: cannot execute binary file: Exec format error"),
    ("lmod", "Lmod has detected the following error:  A different version of the 'intel' module is already loaded."),
    ("locked-memory", "UCX  ERROR mlx5_0: ibv_create_cq() failed: Cannot allocate memory. Please set max locked memory (ulimit -l) "
     "to 'unlimited' (current: 64 kbytes)"),
    ("no-library", TRACEBACK + "OSError: ./custom_ops.so: invalid ELF header"),
    ("no-library", "ImportError: /opt/lib/libx.so.1: file too short"),
    ("compiled-part", TRACEBACK + "ModuleNotFoundError: No module named 'numpy.core._multiarray_umath'"),
    ("import-optional", TRACEBACK + "ImportError: Missing optional dependency 'openpyxl'. Use pip or conda to install openpyxl."),
    ("import-optional", TRACEBACK + "importlib.metadata.PackageNotFoundError: No package metadata was found for horovod"),
    ("interpreter", TRACEBACK + "RuntimeError: dictionary changed size during iteration"),
    ("no-script", "python3: can't open file '/r/work/trian.py': [Errno 2] No such file or directory"),
    ("shell-script", "run.sh: line 7: syntax error near unexpected token `done'\nrun.sh: line 7: `done'"),
    ("mpi-call", TRACEBACK + "mpi4py.MPI.Exception: MPI_ERR_TRUNCATE: message truncated"),
    ("library-check", TRACEBACK + "xgboost.core.XGBoostError: [07:04:42] multiclass_obj.cu:64: Check failed: valid: label must be "
     "in [0, num_class)."),
    ("torch-store", TRACEBACK + "torch.distributed.DistStoreError: Timed out after 4 seconds waiting for clients. 1/2 clients "
     "joined."),
    # slurmstepd and srun: 22.05 (task_cgroup_memory.c:349), 23.02 on, step_launch.c, req.c
    ("slurm-oom", "slurmstepd: error: Detected 2 oom-kill event(s) in StepId=5.0. Some of your processes may have been killed by "
     "the cgroup out-of-memory handler."),
    ("slurm-oom", "slurmstepd: error: Detected 1 oom_kill event in StepId=9.0. Some of the step tasks have been OOM Killed."),
    ("srun-oom", "srun: error: node7: task 3: Out Of Memory"),
    ("slurm-over-memory", "slurmstepd: error: Step 8.0 exceeded memory limit (20480 > 10240), being killed"),
    ("time-limit", "slurmstepd: error: *** STEP 7.0 ON n1 CANCELLED AT 2026-11-01T10:00:00 DUE TO TIME LIMIT ***"),
    ("preempted", "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-01T10:00:00 DUE TO PREEMPTION ***"),
    ("node-failure", "srun: error: Node failure on n2"),
    ("unkillable", "slurmstepd: error: *** STEPD TERMINATED ON n2 AT 2026-11-01T10:00:00 DUE TO JOB NOT ENDING WITH SIGNALS ***"),
    ("step-refused", "srun: error: Unable to create step for job 12: More processors requested than permitted"),
    # containers
    ("runtime-missing", "slurmstepd-n1: error: execve(): singularity: No such file or directory"),
    ("not-in-image", 'FATAL:   "python4": executable file not found in $PATH'),
    ("image-missing", "FATAL: While checking container encryption: could not open image /i/tf.sif: failed"),
    ("bind-missing", "mount /data->/data error: mount source /data doesn't exist"),
    ("image-format", "pyxis:     [ERROR] Invalid image format: /i/tf.sif"),
    ("image-fetch", "pyxis: failed to import docker image"),
    ("no-pyxis", "srun: unrecognized option '--container-image=a/b'"),
    ("old-pyxis", "srun: unrecognized option '--container-env=A'"),
    ("device-assert", TRACEBACK + "RuntimeError: CUDA error: device-side assert triggered"),
    ("runtime-gave-up", "ERROR  : Failed to set securebits: Invalid argument"),
    ("task-command", "slurmtf: can't start /e/bin/python: Permission denied"),
    ("command-missing", "slurmstepd: error: execve(): python4: No such file or directory"),
    # Lmod, environment-modules, conda
    ("module-unknown", 'Lmod has detected the following error: The following module(s) are unknown: "cuda/99"'),
    ("module-tcl", "ERROR: Unable to locate a modulefile for 'cuda/99'"),
    ("conda-init", "CommandNotFoundError: Your shell has not been properly configured to use 'conda activate'."),
    # TensorFlow, XLA, CUDA
    ("tf-host-memory", TRACEBACK + "tensorflow.python.framework.errors_impl.ResourceExhaustedError: {{function_node}} OOM when "
     "allocating tensor with shape[100000,100000] and type float on /job:localhost/replica:0/task:0/device:CPU:0 by allocator cpu"),
    ("tf-host-memory", "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc"),
    ("tf-host-memory", TRACEBACK + "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8.00 TiB for an array with shape (1099511627776,)"),
    ("tf-gpu-memory", TRACEBACK + "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor with "
     "shape[512,224,224,64] and type float on /job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc"),
    ("xla-memory", TRACEBACK + "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate "
     "17179869184 bytes."),
    ("xla-host-memory", TRACEBACK + "jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 360000000000 bytes."),
    ("cuda-memory", "E tensorflow/stream_executor/cuda/cuda_driver.cc:328] failed to alloc: CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
    ("cudnn", "Loaded runtime CuDNN library: 8.0.5 but source was compiled with: 8.6.0."),
    ("libdevice", "libdevice not found at ./libdevice.10.bc"),
    ("dnn-init", TRACEBACK + "tensorflow.python.framework.errors_impl.UnimplementedError: DNN library is not found."),
    ("cuda-driver", "CUDA driver version is insufficient for CUDA runtime version"),
    ("xid", "NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus."),
    ("not-joined", "slurmtf: task worker-0 can't join its supervisor: node1 port 34011: Network is unreachable (the names are Slurm's, "
     "followed by network.host_suffix of the site's profile)"),
    ("not-joined", "slurmtf: task ps-1 can't join its supervisor: the name n1-ib is unknown here ([Errno -2] Name or service not known)"),
    # libraries
    ("horovod-build", TRACEBACK + "horovod.common.exceptions.HorovodVersionMismatchError: Framework tensorflow installed with "
     "version 2.15.1 but found version 2.16.1."),
    ("horovod-build", TRACEBACK + "ImportError: Extension horovod.tensorflow has not been built: /e/mpi_lib.so not found"),
    ("mpi-library", TRACEBACK + "ImportError: libmpi.so.40: cannot open shared object file: No such file or directory"),
    ("library-missing", TRACEBACK + "OSError: libGL.so.1: cannot open shared object file: No such file or directory"),
    ("glibcxx", TRACEBACK + "ImportError: /lib64/libstdc++.so.6: version `GLIBCXX_3.4.29' not found (required by x.so)"),
    ("glibc", "python: /lib64/libc.so.6: version `GLIBC_2.34' not found (required by python)"),
    ("numpy-abi", TRACEBACK + "ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 96"),
    ("numpy-abi", "A module that was compiled using NumPy 1.x cannot be run in\nNumPy 2.0.1 as it may crash."),
    ("protobuf", TRACEBACK + "TypeError: Descriptors cannot be created directly.\nIf this call came from a _pb2.py file"),
    ("keras-3", TRACEBACK + "ValueError: Keras 3 only supports V3 `.keras` and `.weights.h5` files, or legacy V1/V2 `.h5` files."),
    # MPI and launchers
    ("mpi-plugin", "srun: error: Invalid MPI type 'pmix_v9', --mpi=list for acceptable types"),
    ("built-without-pmi", "[n1:7] OPAL ERROR: Unreachable in file ext3x_client.c at line 112\nOMPI was not built with SLURM's PMI support and therefore cannot execute."),
    ("alone", "slurmtf: Horovod sees a world of 1 process(es), but 4 were started: each would train on its own."),
    ("no-slots", "There are not enough slots available in the system to satisfy the 8 slots that were requested"),
    # networks and ports
    ("nccl", TRACEBACK + "horovod.common.exceptions.HorovodInternalError: ncclCommInitRank failed: unhandled system error"),
    ("gloo", "[E gloo/transport/tcp/pair.cc] Gloo connectFullMesh failed with timeout"),
    ("grpc-server", TRACEBACK + "tensorflow.python.framework.errors_impl.UnknownError: Could not start gRPC server"),
    ("port", 'E1129 12:23:24.4 604 server_chttp2.cc:40] {"description":"Address already in use","errno":98}\n' + TRACEBACK
     + "tensorflow.python.framework.errors_impl.UnknownError: Could not start gRPC server"),
    ("no-pmi", "PMI2_Init failed to intialize.  Return code: 1"),
    ("dnn-init", TRACEBACK + "RuntimeError: cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
    ("dnn-init", "2020-04-02 09:59:41.4: E tensorflow/stream_executor/cuda/cuda_dnn.cc:329] Could not create cudnn handle: "
     "CUDNN_STATUS_INTERNAL_ERROR"),
    ("runtime-gave-up", "FATAL:   While initializing: couldn't parse configuration file etc/apptainer.conf: no such file"),
    ("import-optional", TRACEBACK + "ImportError: Could not import PIL.Image. The use of `load_img` requires PIL."),
    ("pool-broken", TRACEBACK + "RuntimeError: DataLoader worker (pid(s) 16732) exited unexpectedly"),
    ("tf-host-memory", TRACEBACK + "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor "
     'with shape[2304,384]\n\t [[Node: a/sub_1 = Sub[T=DT_FLOAT, _device="/job:localhost/replica:0/task:0/cpu:0'),
    ("port", TRACEBACK + "OSError: [Errno 98] Address already in use"),
    ("unresolved", TRACEBACK + "socket.gaierror: [Errno -2] Name or service not known"),
    ("no-internet", TRACEBACK + "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='h', port=443): Max retries exceeded "
     "with url: /x"),
    # disks
    ("quota", TRACEBACK + "OSError: [Errno 122] Disk quota exceeded: '/home/u/model.h5'"),
    ("disk-full", TRACEBACK + "tensorflow.python.framework.errors_impl.ResourceExhaustedError: /tmp/c; No space left on device"),
    ("file-lock", TRACEBACK + "BlockingIOError: [Errno 11] Unable to open file (unable to lock file, errno = 11, error message = "
     "'Resource temporarily unavailable')"),
    ("stale", TRACEBACK + "OSError: [Errno 116] Stale file handle: '/s/x'"),
    ("read-only", TRACEBACK + "OSError: [Errno 30] Read-only file system: '/app/x'"),
    # Python and training
    ("import", TRACEBACK + "ModuleNotFoundError: No module named 'sktime.datasets'"),
    ("diverged", TRACEBACK + "tensorflow.python.framework.errors_impl.InvalidArgumentError: Gradient is NaN : Tensor had NaN values"),
    # crashes
    ("illegal-instruction", "/bin/sh: line 1: 812 Illegal instruction     (core dumped) python train.py"),
    ("bus-error", "Fatal Python error: Bus error"),
    ("segmentation", "/bin/sh: line 1: 812 Segmentation fault      (core dumped) python train.py"),
    ("python-crash", "Fatal Python error: Segmentation fault"),
    ("python-crash", 'Fatal Python error: Aborted\n\nCurrent thread 0x00007f (most recent call first):\n  File "/r/work/train.py", line 6 in f'),
    ("child-killed", TRACEBACK + "RuntimeError: DataLoader worker (pid 3) is killed by signal: Killed. "),
    ("loader-shm", TRACEBACK + "RuntimeError: DataLoader worker (pid 3) is killed by signal: Bus error. Details are lost due to "
     "multiprocessing."),
    ("tensors", TRACEBACK + "RuntimeError: mat1 and mat2 shapes cannot be multiplied (32x512 and 256x10)"),
    # weak, cascades
    ("horovod-stall", "[W horovod/common/stall_inspector.cc:107] One or more tensors were submitted to be reduced, gathered or "
     "broadcasted by subset of ranks and are waiting for remainder of ranks for more than 60 seconds."),
    ("no-gpu", "failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected"),
    ("gpu-libraries", "W tensorflow/core/common_runtime/gpu/gpu_device.cc:2251] Cannot dlopen some GPU libraries.\n"
     "error: GPU training wanted, and there is none"),
    ("xla-rendezvous", "F external/xla/xla/service/rendezvous.cc:43] Termination timeout exceeded. Expected 8 threads to join the "
     "rendezvous, but not all of them arrived on time."),
    ("nccl-timeout", "[rank1]:[E ProcessGroupNCCL.cpp:607] [Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1)\n"
     "terminate called after throwing an instance of 'c10::DistBackendError'"),
    ("nan", "Epoch 3/9\n10/10 - 1s - loss: nan - accuracy: 0.1"),
    ("bash-killed", "/var/spool/slurmd/job5/slurm_script: line 9:  4711 Killed                  python train.py"),
    ("horovod-peer", TRACEBACK + "horovod.common.exceptions.HorovodInternalError: Horovod has been shut down."),
    ("collective-peer", TRACEBACK + "tensorflow.python.framework.errors_impl.UnavailableError: Collective ops is aborted by: Socket "
     "closed"),
    ("unhealthy-peer", TRACEBACK + "tensorflow.python.framework.errors_impl.UnavailableError: Graph execution error:\n\nThe following "
     "tasks are unhealthy (stopped sending heartbeats):\n/job:worker/replica:0/task:1"),
    ("jax-peer", "F1128 client.h:80] Terminating process because the JAX distributed service detected fatal errors."),
    # half b of fresh, and similar texts: envmodules, Apptainer, Shifter, Charliecloud, enroot, dash and bash, ld.so, NCCL
    ("image-extract", "FATAL:   while extracting /i/tf.sif: root filesystem extraction failed: extract command failed: ERROR  : Failed to create container process: Operation not permitted"),
    ("image-missing", "FAILED to find requested image\nFAILED to find any image"),
    ("image-missing", "ch-run[51]: error: can't find image: tf: No such file or directory"),
    ("image-format", "FATAL:   could not open image /i/tf.sif: image format not recognized!"),
    ("image-fetch", "FATAL:   While making image from oci registry: error fetching image to cache: failed to get checksum for docker://a/b"),
    ("image-fetch", "[ERROR] URL https://registry-1.docker.io/v2/a/b/manifests/1 returned error code: 401 Unauthorized"),
    ("bind-missing", "ch-run[51]: error: can't bind: source not found: /data"),
    ("not-in-image", "FATAL:   stat /usr/bin/python4: no such file or directory"),
    ("command-missing", "ch-run[51]: error: can't execve(2): python4: No such file or directory"),
    ("user-namespaces", "ERROR  : Error while waiting event for user namespace mappings: no event received"),
    ("module-needs", "  ERROR: cudnn/8.6 cannot be loaded due to missing prereq.\n    HINT: the following module must be loaded first: cuda/11.8"),
    ("module-needs", "ERROR: Module 'gcc/9.3' conflicts with the currently loaded module(s) 'gcc/8.2'"),
    ("module-file", "ModuleCmd_Load.c(244):ERROR:50: Unable to open file '/m/cuda/11'"),
    ("module-file", "ERROR: Magic cookie '#%Module' missing in '/m/cuda/11'"),
    ("no-modules", "/tmp/slurm_script: 4: module: not found"),
    ("no-modules", "environment: line 17: /usr/share/lmod/lmod/libexec/lmod: No such file or directory"),
    ("threads", "bash: fork: retry: Resource temporarily unavailable\nbash: fork: Interrupted system call"),
    ("threads", "runtime: failed to create new OS thread (have 12 already; errno=11)"),
    ("processes", TRACEBACK + '  File "/usr/lib/python3.11/subprocess.py", line 1837, in _execute_child\n    self.pid = _fork_exec(\nBlockingIOError: [Errno 11] Resource temporarily unavailable'),
    ("open-files", TRACEBACK + "RuntimeError: received 0 items of ancdata"),
    ("file-size", TRACEBACK + "OSError: [Errno 27] File too large"),
    ("cpu-time", "bash: line 1: 77 CPU time limit exceeded (core dumped) python train.py"),
    ("symbol-version", "./convert: ./libhdf.so: version `HDFX_1.14' not found (required by ./convert)"),
    ("glibcxx", "ImportError: /lib64/libstdc++.so.6: version `CXXABI_1.3.13' not found (required by /e/x.so)"),
    ("loader", TRACEBACK + "OSError: /e/libgomp.so.1: cannot allocate memory in static TLS block"),
    ("numpy-abi", TRACEBACK + "ImportError: numpy.core.umath failed to import"),
    ("versions", TRACEBACK + "ImportError: tokenizers>=0.11.1,!=0.11.3,<0.14 is required for a normal functioning of this module, but found tokenizers==0.15.0."),
    ("versions", TRACEBACK + "RuntimeError: jaxlib is version 0.3.0, but this version of jax requires version >= 0.4.1."),
    ("stub-driver", "n1:77:77 [0] init.cc:255 NCCL WARN Cuda failure 'CUDA driver is a stub library'"),
    ("cuda-driver", TRACEBACK + "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 803: system has unsupported display driver / cuda driver combination"),
    ("cpu-build", TRACEBACK + "AssertionError: Torch not compiled with CUDA enabled"),
    ("no-device", TRACEBACK + "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU"),
    ("no-device", TRACEBACK + "RuntimeError: No CUDA GPUs are available"),
    ("no-device", "nvidia-container-cli: initialization error: nvml error: driver not loaded"),
    ("gpu-unknown", TRACEBACK + "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized"),
    ("gpu-kernel", TRACEBACK + "RuntimeError: CUDA error: an illegal instruction was encountered"),
    ("xid", "Unable to determine the device handle for GPU0000:03:00.0: Unknown Error"),
    ("no-slots", "All nodes which are allocated for this job are already filled."),
    ("nccl-versions", "n1:77:77 [0] NCCL WARN Mismatched NCCL version detected : rank 0 version 21003 rank 1 version 21803"),
    ("locked", TRACEBACK + '    fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)\n    ^^^^^^^\nBlockingIOError: [Errno 11] Resource temporarily unavailable'),
    ("mpi-shm", "It appears as if there is not enough space for /tmp/ompi.n1/shm (the shared-memory backing\nfile). It is likely that your MPI job will now either abort"),
    ("file-system", TRACEBACK + "OSError: [Errno 70] Communication error on send: '/beegfs/x'"),
    ("diverged", TRACEBACK + "ValueError: The loss returned in `training_step` is nan."),
    ("diverged", TRACEBACK + "FloatingPointError: invalid value (nan) encountered in sqrt"),
    ("diverged", TRACEBACK + "RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output."),
    ("diverged", TRACEBACK + "RuntimeError: The total norm of order 2.0 for gradients from `parameters` is non-finite, so it cannot be clipped."),
    ("child-killed", TRACEBACK + "joblib.externals.loky.process_executor.TerminatedWorkerError: A worker process managed by the executor was unexpectedly terminated.\n\nThe exit codes of the workers are {SIGKILL(-9)}"),
    ("child-crashed", TRACEBACK + "joblib.externals.loky.process_executor.TerminatedWorkerError: A worker process managed by the executor was unexpectedly terminated.\n\nThe exit codes of the workers are {SIGSEGV(-11)}"),
    ("pool-broken", TRACEBACK + "concurrent.futures.process.BrokenProcessPool: A process in the process pool was terminated abruptly while the future was running or pending."),
    ("not-registered", TRACEBACK + "jax.errors.JaxRuntimeError: DEADLINE_EXCEEDED: Deadline Exceeded\n\nRPC: /xla.coordination.CoordinationService/RegisterTask"),
    ("collective-timeout", TRACEBACK + "RuntimeError: [/x/gloo/transport/tcp/unbound_buffer.cc:78] Timed out waiting 8000ms for recv operation to complete"),
]  # fmt: skip
