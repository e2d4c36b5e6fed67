"""Ends of logs written before any rule was read, each with the cause that a person would name: the class, the text, the exit
code or the signal.

At first the rules were right on 18 of FIRST's 76; after being improved on those, on 16 of SECOND's 32.
"""
# ruff: noqa: E501 - texts as their programs write them

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind

from .unforeseen_later import FIFTH, FOURTH, SIXTH, THIRD

TRACEBACK = 'Traceback (most recent call last):\n  File "/r/work/train.py", line 41, in <module>\n    main()\n'
TF = "tensorflow.python.framework.errors_impl."
HOROVOD = TRACEBACK + "horovod.common.exceptions.HorovodInternalError: "
Sample = tuple[Kind, str, "int | None", "int | None"]

FIRST: dict[str, Sample] = {
    # TensorFlow and CUDA
    "eager op out of memory": (Kind.GPU_MEMORY, TRACEBACK + TF + "ResourceExhaustedError: {{function_node __wrapped__Mul_device_/job:localhost/replica:0/task:0/device:GPU:0}} failed to allocate memory [Op:Mul]", 1, None),
    "dst tensor": (Kind.GPU_MEMORY, "W tensorflow/tsl/framework/bfc_allocator.cc:485] Allocator (GPU_0_bfc) ran out of memory trying to allocate 11.72GiB (rounded to 12582912000)requested by op _EagerConst\n" + TRACEBACK + TF + "InternalError: Failed copying input tensor from /job:localhost/replica:0/task:0/device:CPU:0 to /job:localhost/replica:0/task:0/device:GPU:0 in order to run _EagerConst: Dst tensor is not initialized.", 1, None),
    "cublas": (Kind.GPU_SOFTWARE, "E tensorflow/stream_executor/cuda/cuda_blas.cc:226] failed to create cublas handle: CUBLAS_STATUS_NOT_INITIALIZED\n" + TRACEBACK + TF + "InternalError: Attempting to perform BLAS operation using StreamExecutor without BLAS support [Op:MatMul]", 1, None),
    "cudnn handle": (Kind.GPU_SOFTWARE, "E tensorflow/stream_executor/cuda/cuda_dnn.cc:329] Could not create cudnn handle: CUDNN_STATUS_INTERNAL_ERROR\n" + TRACEBACK + TF + "UnknownError: Failed to get convolution algorithm. This is probably because cuDNN failed to initialize, so try looking to see if a warning log message was printed above. [Op:Conv2D]", 1, None),
    "illegal address": (Kind.CRASH, "E tensorflow/stream_executor/cuda/cuda_event.cc:29] Error polling for event status: failed to query event: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered\nF tensorflow/core/common_runtime/gpu/gpu_event_mgr.cc:273] Unexpected Event status: 1\n", None, 6),
    "launch failed": (Kind.CRASH, TRACEBACK + TF + "InternalError: GPU sync failed\nE tensorflow/stream_executor/cuda/cuda_driver.cc:1018] could not synchronize on CUDA context: CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure :: *** Begin stack trace ***", 1, None),
    "no gpu device": (Kind.GPU_MISSING, TRACEBACK + TF + "InvalidArgumentError: Cannot assign a device for operation MatMul: {{node MatMul}} was explicitly assigned to /device:GPU:0 but available devices are [ /job:localhost/replica:0/task:0/device:CPU:0 ]. Make sure the device specification refers to a valid device.", 1, None),
    "forward compatibility": (Kind.GPU_SOFTWARE, "E tensorflow/compiler/xla/stream_executor/cuda/cuda_driver.cc:268] failed call to cuInit: CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE: forward compatibility was attempted on non supported HW\nno GPU: giving up", 1, None),
    "no driver": (Kind.GPU_HARDWARE, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.\n", 9, None),
    "gpu is lost": (Kind.GPU_HARDWARE, "Unable to determine the device handle for GPU 0000:3B:00.0: GPU is lost.  Reboot the system to recover this GPU\n", 1, None),
    "gpu is held": (Kind.GPU_MISSING, TRACEBACK + TF + "InternalError: cudaGetDevice() failed. Status: all CUDA-capable devices are busy or unavailable", 1, None),
    "no kernel image": (Kind.GPU_SOFTWARE, TRACEBACK + TF + "InternalError: 'cuLaunchKernel(function, gridX, gridY, gridZ)' failed with 'CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available for execution on the device' [Op:Cast]", 1, None),
    "ptxas": (Kind.GPU_SOFTWARE, TRACEBACK + TF + "InternalError: Failed to launch ptxas [Op:__inference_train_function_1234]", 1, None),
    "no avx": (Kind.CPU, "F tensorflow/core/platform/cpu_feature_guard.cc:37] The TensorFlow library was compiled to use AVX2 instructions, but these aren't available on your machine.\n", None, 6),
    "keras invalid loss": (Kind.DIVERGED, "12/500 [..............................] - ETA: 8:03 - loss: inf\nBatch 12: Invalid loss, terminating training\nstopped early\n", 1, None),
    "peer heartbeat": (Kind.PEER, TRACEBACK + TF + "UnavailableError: {{function_node __inference_train_function_9}} Collective ops is aborted by: /job:worker/replica:0/task:1 heartbeat timeout. This indicates that the remote task has failed, got preempted, or crashed unexpectedly.", 1, None),
    "worker is away": (Kind.PEER, TRACEBACK + TF + 'UnavailableError: failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.3:34001: Failed to connect to remote host: Connection refused', 1, None),
    "grpc address": (Kind.PORT, 'E0117 10:00:00.123456789 811 server_chttp2.cc:40] {"created":"@1700000000.1","description":"No address added out of total 1 resolved","file":"external/com_github_grpc_grpc/src/core/ext/transport/chttp2/server/chttp2_server.cc","file_line":395}\n' + TRACEBACK + TF + "UnknownError: Could not start gRPC server", 1, None),
    "corrupted record": (Kind.SCRIPT, TRACEBACK + TF + "DataLossError: {{function_node __wrapped__IteratorGetNext}} corrupted record at 12345 [Op:IteratorGetNext]", 1, None),
    "tensorflow 1 script": (Kind.SCRIPT, TRACEBACK + "AttributeError: module 'tensorflow' has no attribute 'placeholder'. Did you mean: 'raw_ops'?", 1, None),
    "in user code": (Kind.SCRIPT, TRACEBACK + 'ValueError: in user code:\n\n    File "/r/work/train.py", line 12, in train_step  *\n        loss = model(x)\n\n    ValueError: Input 0 of layer "dense" is incompatible with the layer: expected axis -1 of input shape to have value 784\n', 1, None),
    # libraries that don't go together
    "undefined symbol": (Kind.LIBRARY, TRACEBACK + TF + "NotFoundError: /e/lib/python3.9/site-packages/horovod/tensorflow/mpi_lib.cpython-39-x86_64-linux-gnu.so: undefined symbol: _ZN10tensorflow8OpKernel11TraceStringERKNS_15OpKernelContextEb", 1, None),
    "name of another version": (Kind.LIBRARY, TRACEBACK + "ImportError: cannot import name 'dtensor' from 'tensorflow.compat.v2.experimental' (/e/lib/python3.10/site-packages/tensorflow/_api/v2/compat/v2/experimental/__init__.py)", 1, None),
    "name of one's own": (Kind.SCRIPT, TRACEBACK + "ImportError: cannot import name 'load' from 'utils' (/r/work/utils.py)", 1, None),
    "numpy api": (Kind.LIBRARY, "RuntimeError: module compiled against API version 0x10 but this version of numpy is 0xf\n" + TRACEBACK + "ImportError: numpy.core.multiarray failed to import", 1, None),
    "numpy alias": (Kind.LIBRARY, TRACEBACK + "AttributeError: module 'numpy' has no attribute 'bool'.\n`np.bool` was a deprecated alias for the builtin `bool`.", 1, None),
    "pybind and numpy": (Kind.LIBRARY, TRACEBACK + "TypeError: Unable to convert function return value to a Python type! The signature was\n\t() -> handle", 1, None),
    "cuda runtime": (Kind.LIBRARY, TRACEBACK + "ImportError: libcudart.so.11.0: cannot open shared object file: No such file or directory", 1, None),
    "pythonhome": (Kind.LIBRARY, "Python path configuration:\n  PYTHONHOME = '/apps/python/3.9'\nFatal Python error: init_fs_encoding: failed to get the Python codec of the filesystem encoding\nPython runtime state: core initialized\nModuleNotFoundError: No module named 'encodings'\n\nCurrent thread 0x00007f0 (most recent call first):\n<no Python frame>\n", 1, None),
    # Python
    "syntax": (Kind.SCRIPT, '  File "/r/work/train.py", line 5\n    print "epoch", epoch\n    ^^^^^^^^^^^^^^^^^^^^\nSyntaxError: Missing parentheses in call to \'print\'. Did you mean print(...)?\n', 1, None),
    "indentation": (Kind.SCRIPT, '  File "/r/work/train.py", line 9\n    x = 1\nIndentationError: unexpected indent\n', 1, None),
    "argparse": (Kind.SCRIPT, "usage: train.py [-h] [--lr LR] [--epochs EPOCHS]\ntrain.py: error: unrecognized arguments: --batch-size 32\n", 2, None),
    "absl": (Kind.SCRIPT, "FATAL Flags parsing error:\n  Unknown command line flag 'job_name'. Did you mean: job_names ?\nPass --helpshort or --helpfull to see help on flags.\n", 1, None),
    "click": (Kind.SCRIPT, "Usage: train.py [OPTIONS]\nTry 'train.py --help' for help.\n\nError: No such option: --lr\n", 2, None),
    "run as a module": (Kind.IMPORT, "/usr/bin/python3: No module named mypackage.train\n", 1, None),
    "no data": (Kind.SCRIPT, TRACEBACK + "FileNotFoundError: [Errno 2] No such file or directory: 'data/train.csv'", 1, None),
    "assertion": (Kind.SCRIPT, TRACEBACK + "AssertionError", 1, None),
    "pool": (Kind.SCRIPT, 'multiprocessing.pool.RemoteTraceback: \n"""\n' + TRACEBACK + 'ValueError: bad row\n"""\n\nThe above exception was the direct cause of the following exception:\n\n' + TRACEBACK + "ValueError: bad row", 1, None),
    "threads": (Kind.LIMIT, "OpenBLAS blas_thread_init: pthread_create failed for thread 42 of 64: Resource temporarily unavailable\nOpenBLAS blas_thread_init: RLIMIT_NPROC 100 current, 100 max\n", None, 11),
    "thread in python": (Kind.LIMIT, TRACEBACK + "RuntimeError: can't start new thread", 1, None),
    "open files": (Kind.LIMIT, TRACEBACK + "OSError: [Errno 24] Too many open files: '/s/shard-1021.tfrecord'", 1, None),
    # Slurm and the kernel
    "old memory limit": (Kind.HOST_MEMORY, "slurmstepd: error: Exceeded job memory limit at some point.\n", None, 9),
    "kernel": (Kind.HOST_MEMORY, "[12345.678901] Memory cgroup out of memory: Killed process 4711 (python) total-vm:98304000kB, anon-rss:65536000kB\n", 1, None),
    "launch on a node": (Kind.LAUNCH, "srun: error: Task launch for StepId=512.0 failed on node n3: Communication connection failure\nsrun: error: Application launch failed: Communication connection failure\n", 1, None),
    "interconnect": (Kind.LAUNCH, "srun: error: task 3 launch failed: Error configuring interconnect\n", 1, None),
    "not executable": (Kind.COMMAND, "slurmstepd: error: execve(): /home/u/bin/start.sh: Permission denied\n", 13, None),
    "moved environment": (Kind.COMMAND, "bash: /home/u/env/bin/horovodrun: /old/home/u/env/bin/python: bad interpreter: No such file or directory\n", 126, None),
    "no python": (Kind.COMMAND, "bash: line 1: python: command not found\n", 127, None),
    # MPI
    "pmix plugin": (Kind.MPI, "srun: error: Couldn't find the specified plugin name for mpi/pmix looking at all files\nsrun: error: cannot find mpi plugin for mpi/pmix\n", 1, None),
    "pmix library": (Kind.MPI, "slurmstepd: error: mpi/pmix_v4: pmixp_lib_init: PMIx_server_init failed with error -2\n", 1, None),
    "pml": (Kind.MPI, 'It looks like MPI_INIT failed for some reason; your parallel process is\nlikely to abort.\n  PML add procs failed\n  --> Returned "Not found" (-13) instead of "Success" (0)\n', 1, None),
    "mpich": (Kind.MPI, "Fatal error in PMPI_Init_thread: Other MPI error, error stack:\nMPIR_Init_thread(138).......: \nMPID_Init(1169).............: \nMPIDI_OFI_mpi_init_hook(1419): OFI get address vector map failed\n", 15, None),
    "mpirun finds no program": (Kind.COMMAND, "mpirun was unable to launch the specified application as it could not access\nor execute an executable:\n\nExecutable: python3.12\nNode: n1\n", 134, None),
    "orte daemon": (Kind.LAUNCH, "An ORTE daemon has unexpectedly failed after launch and before\ncommunicating back to mpirun. This could be caused by a number\nof factors, including an inability to create a connection back\nto mpirun due to a lack of common network interfaces\n", 1, None),
    # NCCL
    "infiniband": (Kind.NETWORK, "n1:811:902 [0] NCCL WARN NET/IB : Got completion from peer 10.1.1.2<43210> with error 12, opcode 0, len 0, vendor err 129\n" + HOROVOD + "ncclAllReduce failed: unhandled system error", 1, None),
    "nccl connect": (Kind.NETWORK, "n1:811:902 [0] misc/socket.cc:484 NCCL WARN socketStartConnect: Connect to 10.0.0.1<41234> failed : Software caused connection abort\n" + HOROVOD + "ncclCommInitRank failed: unhandled system error (run with NCCL_DEBUG=INFO for details)", 1, None),
    "nccl out of memory": (Kind.GPU_MEMORY, "n1:811:902 [0] include/alloc.h:187 NCCL WARN Cuda failure 'out of memory'\n" + HOROVOD + "ncclCommInitRank failed: unhandled cuda error", 1, None),
    "nccl and shm": (Kind.DISK, "n1:811:902 [0] misc/shmutils.cc:72 NCCL WARN Error while creating shared memory segment /dev/shm/nccl-x2Yd3f (size 9637888)\n" + HOROVOD + "ncclCommInitRank failed: unhandled system error", 1, None),
    "same gpu": (Kind.SCRIPT, "n1:811:902 [0] init.cc:521 NCCL WARN Duplicate GPU detected : rank 1 and rank 0 both on CUDA device 3b000\n" + HOROVOD + "ncclCommInitRank failed: invalid usage", 1, None),
    # networks and disks
    "time-out": (Kind.NETWORK, TRACEBACK + "urllib.error.URLError: <urlopen error [Errno 110] Connection timed out>", 1, None),
    "keras data set": (Kind.NETWORK, TRACEBACK + "Exception: URL fetch failure on https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz: None -- [Errno -3] Temporary failure in name resolution", 1, None),
    "hugging face": (Kind.NETWORK, TRACEBACK + "huggingface_hub.errors.LocalEntryNotFoundError: An error happened while trying to locate the file on the Hub and we cannot find the requested files in the local cache. Please check your connection and try again or make sure your Internet connection is on.", 1, None),
    "input/output": (Kind.DISK, TRACEBACK + "OSError: [Errno 5] Input/output error: '/lustre/u/ckpt-3.index'", 1, None),
    "lustre": (Kind.DISK, TRACEBACK + "OSError: [Errno 108] Cannot send after transport endpoint shutdown: '/lustre/u/x'", 1, None),
    "beegfs": (Kind.DISK, TRACEBACK + "OSError: [Errno 107] Transport endpoint is not connected: '/beegfs/u/x'", 1, None),
    "flock on lustre": (Kind.FILE_LOCKING, TRACEBACK + "OSError: [Errno 38] Unable to synchronously create file (unable to lock file, errno = 38, error message = 'Function not implemented')", 1, None),
    "sqlite": (Kind.FILE_LOCKING, TRACEBACK + "sqlite3.OperationalError: database is locked", 1, None),
    "home quota": (Kind.QUOTA, "cp: error writing '/home/u/model.keras': Disk quota exceeded\n", 1, None),
    # modules and containers
    "lmod conflict": (Kind.MODULE, 'Lmod has detected the following error: Cannot load module "cuda/11.8" because these module(s) are loaded:\n   cuda/12.2\n', 1, None),
    "lmod hierarchy": (Kind.MODULE, 'Lmod has detected the following error: These module(s) or extension(s) exist but cannot be loaded as requested: "cudnn/8.6"\n   Try: "module spider cudnn/8.6" to see how to load the module(s).\n', 1, None),
    "no module command": (Kind.MODULE, "/var/spool/slurmd/job512/slurm_script: line 12: module: command not found\n", 127, None),
    "squashfuse": (Kind.IMAGE, "FATAL:   container creation failed: mount /proc/self/fd/3->/var/lib/apptainer/mnt/session/rootfs error: while mounting image /proc/self/fd/3: squashfuse_ll exited with status 255: Something went wrong trying to read the squashfs image.\n", 255, None),
    "user namespaces": (Kind.IMAGE, "ERROR  : Failed to create user namespace: user namespace disabled\n", 1, None),
    # crashes
    "heap": (Kind.CRASH, "free(): invalid pointer\n", None, 6),
    "c++ exception": (Kind.CRASH, "terminate called after throwing an instance of 'std::runtime_error'\n  what():  bad state\n", None, 6),
    "heap of old glibc": (Kind.CRASH, "*** Error in `python': double free or corruption (!prev): 0x000055d0c0 ***\n/bin/sh: line 1: 811 Aborted                 (core dumped) python train.py\n", 134, None),
}  # fmt: skip

SECOND: dict[str, Sample] = {
    "implicit initialization": (Kind.GPU_MEMORY, TRACEBACK + TF + "InternalError: CUDA runtime implicit initialization on GPU:0 failed. Status: out of memory", 1, None),
    "torch beside it": (Kind.GPU_MEMORY, TRACEBACK + "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 15.78 GiB total capacity; 14.21 GiB already allocated)", 1, None),
    "device ordinal": (Kind.GPU_MISSING, TRACEBACK + TF + "InternalError: CUDA_ERROR_INVALID_DEVICE: invalid device ordinal", 1, None),
    "no cudnn": (Kind.GPU_SOFTWARE, "W tensorflow/stream_executor/platform/default/dso_loader.cc:64] Could not load dynamic library 'libcudnn.so.8'; dlerror: libcudnn.so.8: cannot open shared object file: No such file or directory\nno GPU, giving up\n", 1, None),
    "nvml": (Kind.GPU_HARDWARE, "Failed to initialize NVML: Driver/library version mismatch\n", 1, None),
    "summary of nan": (Kind.DIVERGED, TRACEBACK + TF + "InvalidArgumentError: Nan in summary histogram for: dense/kernel_0", 1, None),
    "old glibc": (Kind.LIBRARY, TRACEBACK + "ImportError: /lib64/libm.so.6: version `GLIBC_2.29' not found (required by /e/x.so)", 1, None),
    "not an hdf5 file": (Kind.SCRIPT, TRACEBACK + "OSError: Unable to synchronously open file (file signature not found)", 1, None),
    "not json": (Kind.SCRIPT, TRACEBACK + "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)", 1, None),
    "not ascii": (Kind.SCRIPT, TRACEBACK + "UnicodeDecodeError: 'ascii' codec can't decode byte 0xc3 in position 10: ordinal not in range(128)", 1, None),
    "no display": (Kind.SCRIPT, TRACEBACK + "_tkinter.TclError: no display name and no $DISPLAY environment variable", 1, None),
    "permission": (Kind.SCRIPT, TRACEBACK + TF + "PermissionDeniedError: /scratch/other/x; Permission denied", 1, None),
    "chdir": (Kind.SCRIPT, "slurmstepd: error: couldn't chdir to `/scratch/u': No such file or directory: going to /tmp instead\n" + TRACEBACK + "FileNotFoundError: [Errno 2] No such file or directory: 'train.csv'", 1, None),
    "allocation is gone": (Kind.LAUNCH, "srun: error: Unable to confirm allocation for job 512: Invalid job id specified\nsrun: Check SLURM_JOB_ID environment variable. Expired or invalid job 512\n", 1, None),
    "srun tells of a crash": (Kind.CRASH, "srun: error: n3: task 5: Segmentation fault (core dumped)\nsrun: Terminating StepId=512.0\n", 139, None),
    "mpirun tells of a kill": (Kind.KILLED, "--------------------------------------------------------------------------\nmpirun noticed that process rank 3 with PID 811 on node n3 exited on signal 9 (Killed).\n", 137, None),
    "hydra tells of a kill": (Kind.KILLED, "=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES\n=   RANK 3 PID 811 RUNNING AT n3\n=   KILLED BY SIGNAL: 9 (Killed)\n", 9, None),
    "killed by someone": (Kind.KILLED, "epoch 3\nTerminated\n", 143, None),
    "pmix client": (Kind.MPI, "[n1:00811] PMIX ERROR: UNREACHABLE in file client/pmix_client.c at line 1111\n", 1, None),
    "lost daemon": (Kind.NODE, "ORTE has lost communication with a remote daemon.\n\n  HNP daemon   : [[811,0],0] on node n1\n  Remote daemon: [[811,0],1] on node n3\n", 1, None),
    "daemons": (Kind.LAUNCH, "ORTE was unable to reliably start one or more daemons.\nThis usually is caused by:\n", 1, None),
    "fork and mpi": (Kind.SCRIPT, "A process has executed an operation involving a call to the\n\"fork()\" system call to create a child process. Open MPI is currently\noperating in a condition that could result in memory corruption or\nother system errors\n" + TRACEBACK + "KeyError: 'label'", 1, None),
    "openfabrics": (Kind.SCRIPT, "WARNING: There was an error initializing an OpenFabrics device.\n\n  Local host:   n1\n  Local device: mlx5_0\n" + TRACEBACK + "ValueError: math domain error", 1, None),
    "object store": (Kind.NETWORK, TRACEBACK + 'botocore.exceptions.EndpointConnectionError: Could not connect to the endpoint URL: "https://b.s3.amazonaws.com/x"', 1, None),
    "registry": (Kind.IMAGE, "FATAL:   Unable to handle docker://tensorflow/tensorflow:latest uri: failed to get checksum for docker://tensorflow/tensorflow:latest: pinging container registry registry-1.docker.io: Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host\n", 255, None),
    "image of another machine": (Kind.IMAGE, "FATAL:   While checking image: could not open image /i/tf.sif: image format not recognized\n", 255, None),
    "architecture": (Kind.IMAGE, "FATAL:   exec /usr/bin/python failed: exec format error\n", 255, None),
    "rpc": (Kind.PEER, TRACEBACK + 'grpc._channel._InactiveRpcError: <_InactiveRpcError of RPC that terminated with:\n\tstatus = StatusCode.UNAVAILABLE\n\tdetails = "Connection reset by peer"\n', 1, None),
    "gloo peer": (Kind.PEER, HOROVOD + "[/tmp/gloo/transport/tcp/pair.cc:598] Connection closed by peer [10.0.0.3]:43210", 1, None),
    "old memory error": (Kind.HOST_MEMORY, TRACEBACK + "OSError: [Errno 12] Cannot allocate memory", 1, None),
    "python 2": (Kind.SCRIPT, TRACEBACK + '  File "/r/work/data.py", line 3\n    except IOError, e:\n                  ^\nSyntaxError: invalid syntax\n', 1, None),
    "keyboard": (Kind.KILLED, TRACEBACK + "KeyboardInterrupt", 130, None),
}  # fmt: skip
SAMPLES = {**FIRST, **SECOND, **THIRD, **FOURTH, **FIFTH, **SIXTH}
