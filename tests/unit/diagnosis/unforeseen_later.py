"""More of them. Each set was measured before a rule was changed for it: right, unknown, wrong.

THIRD, from knowledge of the libraries, before any rule was looked at: 31, 1, 8 of 40. FOURTH, as public issues and notes quote
them, once mended on those: 9, 12, 4 of 25 (by the rules from before THIRD 9, 6, 10). FIFTH, other libraries and what looks like
a cause and is none, once mended on these too: 16, 2, 4 of 22. So of what nobody foresaw a half to three quarters is known, and
one in six was named wrongly, most often as the script's own error.
"""
# ruff: noqa: E501 - texts as their programs write them

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind

TRACEBACK = 'Traceback (most recent call last):\n  File "/r/work/train.py", line 57, in <module>\n    main(args)\n'
TF = "tensorflow.python.framework.errors_impl."
Sample = tuple[Kind, str, "int | None", "int | None"]

THIRD: dict[str, Sample] = {
    "bad_alloc": (
        Kind.HOST_MEMORY,
        "Epoch 1/20\nterminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n",
        None,
        6,
    ),
    "fork_without_memory": (
        Kind.HOST_MEMORY,
        TRACEBACK
        + '  File "/usr/lib/python3.9/multiprocessing/popen_fork.py", line 66, in _launch\n    self.pid = os.fork()\nOSError: [Errno 12] Cannot allocate memory\n',
        1,
        None,
    ),
    "pandas_without_memory": (
        Kind.HOST_MEMORY,
        TRACEBACK
        + '  File "pandas/_libs/parsers.pyx", line 2058, in pandas._libs.parsers.raise_parser_error\npandas.errors.ParserError: Error tokenizing data. C error: out of memory\n',
        1,
        None,
    ),
    "cpu_tensor_too_large": (
        Kind.HOST_MEMORY,
        TRACEBACK
        + TF
        + "ResourceExhaustedError: {{function_node __wrapped__AddV2_device_/job:localhost/replica:0/task:0/device:CPU:0}} OOM when allocating tensor with shape[262144,65536] and type float on /job:localhost/replica:0/task:0/device:CPU:0 by allocator cpu [Op:AddV2] name: \n",
        1,
        None,
    ),
    "cuda_init_without_memory": (
        Kind.GPU_MEMORY,
        "2021-05-11 10:02:11.332716: E tensorflow/core/common_runtime/session.cc:91] Failed to create session: Internal: CUDA runtime implicit initialization on GPU:0 failed. Status: out of memory\n"
        + TRACEBACK
        + TF
        + "InternalError: CUDA runtime implicit initialization on GPU:0 failed. Status: out of memory\n",
        1,
        None,
    ),
    "jax_gpu_memory": (
        Kind.GPU_MEMORY,
        TRACEBACK
        + "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8589934592 bytes.\n",
        1,
        None,
    ),
    "cudnn_handle_without_memory": (
        Kind.GPU_MEMORY,
        "2022-01-17 12:11:02.122: E tensorflow/stream_executor/cuda/cuda_dnn.cc:374] Could not create cudnn handle: CUDNN_STATUS_ALLOC_FAILED\n"
        + TRACEBACK
        + TF
        + "UnknownError: Failed to get convolution algorithm. This is probably because cuDNN failed to initialize, so try looking to see if a warning log message was printed above. [Op:Conv2D]\n",
        1,
        None,
    ),
    "cudnn_too_old": (
        Kind.GPU_SOFTWARE,
        "2020-03-02 09:11:43.211: E tensorflow/stream_executor/cuda/cuda_dnn.cc:319] Loaded runtime CuDNN library: 7.1.4 but source was compiled with: 7.6.0.  CuDNN library major and minor version needs to match or have higher minor version in case of CuDNN 7.0 or later version.\n"
        + TRACEBACK
        + TF
        + "UnknownError: 2 root error(s) found.\n  (0) Unknown: Failed to get convolution algorithm. This is probably because cuDNN failed to initialize\n",
        1,
        None,
    ),
    "protobuf_too_new": (
        Kind.LIBRARY,
        'Traceback (most recent call last):\n  File "/r/work/train.py", line 1, in <module>\n    import tensorflow as tf\n  File "/e/lib/python3.8/site-packages/tensorflow/core/framework/graph_pb2.py", line 16, in <module>\nTypeError: Descriptors cannot not be created directly.\nIf this call came from a _pb2.py file, your generated code is out of date and must be regenerated with protoc >= 3.19.0.\nIf you cannot immediately regenerate your protos, some other possible workarounds are:\n 1. Downgrade the protobuf package to 3.20.x or lower.\n 2. Set PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python (but this will use pure-Python parsing and will be much slower).\n',
        1,
        None,
    ),
    "numpy_bool_in_a_library": (
        Kind.LIBRARY,
        "Traceback (most recent call last):\n  File \"/r/work/train.py\", line 3, in <module>\n    import tensorflow as tf\n  File \"/e/lib/python3.8/site-packages/tensorflow/python/framework/dtypes.py\", line 513, in <module>\n    np.object,\nAttributeError: module 'numpy' has no attribute 'object'.\n`np.object` was a deprecated alias for the builtin `object`.\n",
        1,
        None,
    ),
    "keras_beside_another_tensorflow": (
        Kind.LIBRARY,
        "Traceback (most recent call last):\n  File \"/r/work/train.py\", line 2, in <module>\n    from tensorflow import keras\n  File \"/e/lib/python3.9/site-packages/keras/dtensor/__init__.py\", line 22, in <module>\n    from tensorflow.compat.v2.experimental import dtensor as dtensor_api\nImportError: cannot import name 'dtensor' from 'tensorflow.compat.v2.experimental' (/e/lib/python3.9/site-packages/tensorflow/_api/v2/compat/v2/experimental/__init__.py)\n",
        1,
        None,
    ),
    "hdf5_versions": (
        Kind.LIBRARY,
        "Warning! ***HDF5 library version mismatched error***\nThe HDF5 header files used to compile this application do not match\nthe version used by the HDF5 library to which this application is linked.\nData corruption or segmentation faults may occur if the application continues.\nHeaders are 1.10.4, library is 1.10.6\nBye...\n",
        None,
        6,
    ),
    "tf1_script_on_tf2": (
        Kind.SCRIPT,
        TRACEBACK
        + "    x = tf.placeholder(tf.float32, [None, 784])\nAttributeError: module 'tensorflow' has no attribute 'placeholder'\n",
        1,
        None,
    ),
    "h5py_lock": (
        Kind.FILE_LOCKING,
        TRACEBACK
        + "  File \"h5py/h5f.pyx\", line 102, in h5py.h5f.open\nBlockingIOError: [Errno 11] Unable to synchronously open file (unable to lock file, errno = 11, error message = 'Resource temporarily unavailable')\n",
        1,
        None,
    ),
    "h5_truncated": (
        Kind.SCRIPT,
        TRACEBACK
        + '  File "h5py/h5f.pyx", line 102, in h5py.h5f.open\nOSError: Unable to synchronously open file (truncated file: eof = 2097152, sblock->base_addr = 0, stored_eof = 94876320)\n',
        1,
        None,
    ),
    "optuna_sqlite_on_nfs": (
        Kind.FILE_LOCKING,
        TRACEBACK
        + "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked\n[SQL: INSERT INTO trials (number, study_id, state) VALUES (?, ?, ?)]\n(Background on this error at: https://sqlalche.me/e/14/e3q8)\n",
        1,
        None,
    ),
    "avx": (
        Kind.CPU,
        "2019-11-04 11:00:02.883: F tensorflow/core/platform/cpu_feature_guard.cc:37] The TensorFlow library was compiled to use AVX2 instructions, but these aren't available on your machine.\n/var/spool/slurmd/job77/slurm_script: line 22: 12431 Aborted                 (core dumped) python train.py\n",
        134,
        None,
    ),
    "openmpi_without_pmi": (
        Kind.MPI,
        '[della-r1c1n3:21711] OPAL ERROR: Unreachable in file ext3x_client.c at line 112\n--------------------------------------------------------------------------\nThe application appears to have been direct launched using "srun",\nbut OMPI was not built with SLURM\'s PMI support and therefore cannot\nexecute. There are several options for building PMI support under\nSLURM, depending upon the SLURM version you are using:\n--------------------------------------------------------------------------\n*** An error occurred in MPI_Init\n*** on a NULL communicator\n*** MPI_ERRORS_ARE_FATAL (processes in this communicator will now abort,\n***    and potentially your MPI job)\n[della-r1c1n3:21711] Local abort before MPI_INIT completed completed successfully, but am not able to aggregate error messages, and not able to guarantee that all other processes were killed!\n',
        1,
        None,
    ),
    "intel_mpi_without_pmi": (
        Kind.MPI,
        "MPI startup(): PMI server not found. Please set I_MPI_PMI_LIBRARY variable if it is not a singleton case.\nAbort(1091215) on node 0 (rank 0 in comm 0): Fatal error in PMPI_Init_thread: Other MPI error, error stack:\nMPIR_Init_thread(136): \nMPID_Init(904).......: \nMPIR_pmi_init(116)...: PMI_Get_appnum returned -1\n",
        15,
        None,
    ),
    "ucx_no_transport": (
        Kind.NETWORK,
        "[1637922123.554432] [gpu03:18223:0]    ucp_context.c:735  UCX  WARN  network device 'ib0' is not available, please use one or more of: 'eno1'(tcp), 'lo'(tcp)\n[1637922123.561122] [gpu03:18223:0]     select.c:434  UCX  ERROR no active messages transport to <no debug data>: self/memory - Destination is unreachable, posix/memory - Destination is unreachable\n[gpu03:18223] pml_ucx.c:383  Error: ucp_ep_create(proc=1) failed: Destination is unreachable\n[gpu03:18223] *** An error occurred in MPI_Allreduce\n[gpu03:18223] *** MPI_ERRORS_ARE_FATAL (processes in this communicator will now abort,\n",
        1,
        None,
    ),
    "nccl_ib_completion": (
        Kind.NETWORK,
        "gpu11:9912:10041 [2] transport/net_ib.cc:74 NCCL WARN NET/IB : Got async event : port error\ngpu11:9912:10040 [2] transport/net_ib.cc:1295 NCCL WARN NET/IB : Got completion from peer 10.3.0.4<41234> with error 12, opcode 0, len 0, vendor err 129\n"
        + TRACEBACK
        + "horovod.common.exceptions.HorovodInternalError: ncclAllReduce failed: unhandled system error\n",
        1,
        None,
    ),
    "nccl_shm_full": (
        Kind.DISK,
        "gpu02:301:352 [0] include/shm.h:28 NCCL WARN Call to posix_fallocate failed : No space left on device\ngpu02:301:352 [0] include/shm.h:49 NCCL WARN Error while creating shared memory segment nccl-shm-recv-7a2f-0-1-0 (size 9637888)\n"
        + TRACEBACK
        + TF
        + "InternalError: NCCL: unhandled system error. Set NCCL_DEBUG=WARN for detail. [Op:NcclAllReduce]\n",
        1,
        None,
    ),
    "gloo_closed": (
        Kind.PEER,
        TRACEBACK
        + "horovod.common.exceptions.HorovodInternalError: [/tmp/pip-install-x/horovod/third_party/compatible17_gloo/gloo/gloo/transport/tcp/pair.cc:589] Read error [10.1.4.7]:38201: Connection reset by peer\n",
        1,
        None,
    ),
    "heartbeat": (
        Kind.PEER,
        "2024-02-01 13:22:41.112: E tensorflow/core/distributed_runtime/coordination/coordination_service_agent.cc:492] Failed to disconnect from coordination service with status: UNAVAILABLE: failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.5:34111: Failed to connect to remote host: Connection refused\n"
        + TRACEBACK
        + TF
        + "UnavailableError: Graph execution error:\n\nThe following tasks are unhealthy (stopped sending heartbeats):\n/job:worker/replica:0/task:1\nThe tasks have crashed. Check the task logs for an earlier error to debug further.\n",
        1,
        None,
    ),
    "grpc_port": (
        Kind.PORT,
        'E0312 10:11:12.131 4411 server_chttp2.cc:40] {"created":"@1583999472.131","description":"No address added out of total 1 resolved","file":"external/grpc/src/core/ext/transport/chttp2/server/chttp2_server.cc","file_line":394,"referenced_errors":[{"created":"@1583999472.131","description":"Unable to configure socket","fd":9,"referenced_errors":[{"description":"Address already in use","errno":98,"os_error":"Address already in use","syscall":"bind"}]}]}\n'
        + TRACEBACK
        + TF
        + "UnknownError: Could not start gRPC server\n",
        1,
        None,
    ),
    "no_internet": (
        Kind.NETWORK,
        "Downloading data from https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz\n"
        + TRACEBACK
        + "Exception: URL fetch failure on https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz: None -- [Errno 101] Network is unreachable\n",
        1,
        None,
    ),
    "openblas_threads": (
        Kind.LIMIT,
        "OpenBLAS blas_thread_init: pthread_create failed for thread 31 of 32: Resource temporarily unavailable\nOpenBLAS blas_thread_init: RLIMIT_NPROC 256 current, 256 max\n"
        + TRACEBACK
        + "KeyboardInterrupt\n",
        1,
        None,
    ),
    "system_error": (
        Kind.LIMIT,
        "terminate called after throwing an instance of 'std::system_error'\n  what():  Resource temporarily unavailable\n",
        None,
        6,
    ),
    "quota_through_tensorflow": (
        Kind.QUOTA,
        TRACEBACK
        + TF
        + "UnknownError: {{function_node __wrapped__SaveV2_dtypes_12_device_/job:localhost/replica:0/task:0/device:CPU:0}} /home/mk/ckpt/m_temp/part-00000-of-00001.data-00000-of-00001.tempstate91; Disk quota exceeded [Op:SaveV2]\n",
        1,
        None,
    ),
    "lustre_evicted": (
        Kind.DISK,
        TRACEBACK
        + "OSError: [Errno 108] Cannot send after transport endpoint shutdown: '/lustre/scratch/mk/data/train-00031.npz'\n",
        1,
        None,
    ),
    "nfs_stale": (Kind.DISK, TRACEBACK + "OSError: [Errno 116] Stale file handle: '/projects/lab/imagenet'\n", 1, None),
    "h5_disk_full": (
        Kind.DISK,
        TRACEBACK
        + "  File \"h5py/h5d.pyx\", line 282, in h5py.h5d.DatasetID.write\nOSError: [Errno 28] Can't synchronously write data (file write failed: time = Tue Mar  5 14:02:09 2024\n, filename = 'out/features.h5', file descriptor = 41, errno = 28, error message = 'No space left on device', buf = 0x5563, total write size = 4096)\n",
        1,
        None,
    ),
    "tcl_modules": (
        Kind.MODULE,
        "ERROR: Unable to locate a modulefile for 'cuda/11.8'\n"
        + "Traceback (most recent call last):\n  File \"/r/work/train.py\", line 1, in <module>\n    import tensorflow as tf\nModuleNotFoundError: No module named 'tensorflow'\n",
        1,
        None,
    ),
    "ptxas_old": (
        Kind.GPU_SOFTWARE,
        "2023-06-08 15:19:06.122: W tensorflow/compiler/xla/stream_executor/gpu/asm_compiler.cc:231] Falling back to the CUDA driver for PTX compilation; ptxas does not support CC 9.0\n"
        + TRACEBACK
        + TF
        + "InternalError: Graph execution error:\n\nlibdevice not found at ./libdevice.10.bc\n\t [[{{node StatefulPartitionedCall_4}}]] [Op:__inference_train_function_1163]\n",
        1,
        None,
    ),
    "wrong_architecture": (
        Kind.GPU_SOFTWARE,
        TRACEBACK
        + TF
        + "InternalError: Failed to launch fill kernel: CUDA error: no kernel image is available for execution on the device [Op:Fill]\n",
        1,
        None,
    ),
    "ecc": (
        Kind.GPU_HARDWARE,
        "2022-08-01 03:11:59.123: E tensorflow/stream_executor/cuda/cuda_event.cc:29] Error polling for event status: failed to query event: CUDA_ERROR_ECC_UNCORRECTABLE: uncorrectable ECC error encountered\n2022-08-01 03:11:59.124: F tensorflow/core/common_runtime/gpu/gpu_event_mgr.cc:273] Unexpected Event status: 1\n",
        None,
        6,
    ),
    "explicit_gpu": (
        Kind.GPU_MISSING,
        "2020-10-01 12:00:01.1: E tensorflow/stream_executor/cuda/cuda_driver.cc:314] failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected\n"
        + TRACEBACK
        + TF
        + "InvalidArgumentError: Cannot assign a device for operation MatMul: Could not satisfy explicit device specification '/device:GPU:0' because no supported kernel for GPU devices is available. [Op:MatMul]\n",
        1,
        None,
    ),
    "check_numerics": (
        Kind.DIVERGED,
        TRACEBACK
        + TF
        + "InvalidArgumentError: Graph execution error:\n\nDetected at node 'CheckNumerics' defined at (most recent call last):\nNode: 'CheckNumerics'\nloss is inf or nan : Tensor had NaN values\n\t [[{{node CheckNumerics}}]] [Op:__inference_train_function_973]\n",
        1,
        None,
    ),
    "benign_gpu_hint_then_key": (
        Kind.SCRIPT,
        "2019-12-02 10:00:01.9: W tensorflow/core/common_runtime/bfc_allocator.cc:243] Allocator (GPU_0_bfc) ran out of memory trying to allocate 2.20GiB with freed_by_count=0. The caller indicates that this is not a failure, but may mean that there could be performance gains if more memory were available.\nTensorBoard could not bind to port 6006, it was already in use, trying 6007\n"
        + TRACEBACK
        + "    print(history.history['val_acc'][-1])\nKeyError: 'val_acc'\n",
        1,
        None,
    ),
    "an_odd_solver": (
        Kind.UNKNOWN,
        "solver: iteration 4100 res 3.2e-4\nFATAL 1042: scheduler token rejected by coordinator\n",
        3,
        None,
    ),
}

INIT = "Fatal error in PMPI_Init_thread: Other MPI error, error stack:\n"
FOURTH: dict[str, Sample] = {
    # tensorflow/tensorflow issues 51760, 20090, 39033, 13347
    "ibv_create_qp": (
        Kind.NETWORK,
        "n3:377:388 [3] ibvwrap.c:130 NCCL WARN Call to ibv_create_qp failed\n"
        + TRACEBACK
        + TF
        + "InternalError: NCCL: unhandled system error. Set NCCL_DEBUG=WARN for detail.\n\t [[node NcclAllReduce (defined at train.py:57) ]] [Op:__inference_train_function_9]\n",
        1,
        None,
    ),
    "checkpoint_input_output": (
        Kind.DISK,
        TRACEBACK + TF + "UnknownError: /s/train/checkpoint.tmpb97208e81436466b80430829067e21d8; Input/output error\n",
        1,
        None,
    ),
    "sstable": (
        Kind.SCRIPT,
        TRACEBACK
        + TF
        + "DataLossError: Unable to open table file /s/ckpt-9: Data loss: file is too short to be an sstable: perhaps your file is in a different file format and you need to use a different restore operator?\n",
        1,
        None,
    ),
    "vdso": (
        Kind.LIBRARY,
        "python: error while loading shared libraries: __vdso_time: invalid mode for dlopen(): Invalid argument\n",
        127,
        None,
    ),
    # open-mpi/ompi 8090, 12475; pmix/pmix-standard 363; pmodels/mpich 6924
    "ompi_runtime_init": (
        Kind.MPI,
        '-----\nIt looks like MPI runtime init failed for some reason; your parallel process is\nlikely to abort.  There are many reasons that a parallel process can\nfail during RTE init; some of which are due to configuration or environment\nproblems.\n\n  node rank\n  --> Returned "Not found" (-13) instead of "Success" (0)\n-----\n',
        1,
        None,
    ),
    "pmix_munge": (
        Kind.MPI,
        "A requested component was not found, or was unable to be opened.\nHost: n9\nFramework: psec\nComponent: munge\n-----\nIt looks like pmix_init failed for some reason; your parallel process is\nlikely to abort.\n\n  pmix_psec_base_open failed\n  --> Returned value -46 instead of PMIX_SUCCESS\n",
        213,
        None,
    ),
    "singleton_init": (
        Kind.MPI,
        "PMII_singinit: execv failed: No such file or directory\n[unset]:   This singleton init program attempted to access some feature\n[unset]:   for which process manager support was required, e.g. spawn or universe_size.\n[unset]:   But the necessary mpiexec is not in your path.\n[unset]: write_line error; fd=-1 buf=:cmd=get kvsname=singinit_kvs_943014_0\n:\nsystem msg for write_line failure : Bad file descriptor\n",
        1,
        None,
    ),
    "other_pml": (Kind.MPI, "[n10:89501] [[4419,0],1] selected pml ob1, but peer [[4419,0],0] on n09 selected pml \n", 1, None),
    # google-research/t5x 452
    "tensorstore_lock": (
        Kind.FILE_LOCKING,
        TRACEBACK
        + 'ValueError: Error opening "zarr" driver: Error writing local file "/gpfs/u/ckpt/.zarray": Failed to acquire lock on file: /gpfs/u/ckpt/.zarray.__lock [OS error: Invalid argument]\n',
        1,
        None,
    ),
    # quoted in notes of public repositories; what a failed GEMM came from, its text does not tell
    "session": (Kind.UNKNOWN, TRACEBACK + TF + "InternalError: Failed to create session.\n", 1, None),
    "gemm": (
        Kind.UNKNOWN,
        TRACEBACK
        + TF
        + "InternalError: Blas GEMM launch failed : a.shape=(100, 784), b.shape=(784, 100), m=100, n=100, k=784\n\t [[node dense_1/MatMul]]\n",
        1,
        None,
    ),
    "cubin": (
        Kind.GPU_MEMORY,
        TRACEBACK + TF + "InternalError: Failed to load in-memory CUBIN: CUDA_ERROR_OUT_OF_MEMORY: out of memory\n",
        1,
        None,
    ),
    "device_busy": (
        Kind.GPU_MISSING,
        TRACEBACK
        + TF
        + "InternalError: cudaSetDevice() on GPU:0 failed. Status: CUDA-capable device(s) is/are busy or unavailable\n",
        1,
        None,
    ),
    "in_py_function": (
        Kind.SCRIPT,
        TRACEBACK
        + TF
        + "UnknownError: {{function_node __wrapped__IteratorGetNext_output_types_3_device_/job:localhost/replica:0/task:0/device:CPU:0}} AttributeError: module 'pydicom' has no attribute 'read_file'\n"
        + "Traceback (most recent call last):\n\n  File \"/e/lib/python3.11/site-packages/tensorflow/python/ops/script_ops.py\", line 270, in __call__\n    ret = func(*args)\n\n  File \"/r/work/data.py\", line 31, in load\n    x = pydicom.read_file(path)\n\nAttributeError: module 'pydicom' has no attribute 'read_file'\n\n\n\t [[{{node PyFunc}}]] [Op:IteratorGetNext]\n",
        1,
        None,
    ),
    "in_py_function_of_tf1": (
        Kind.SCRIPT,
        TRACEBACK
        + TF
        + "UnknownError: exceptions.OverflowError: signed integer is less than minimum\n\t [[Node: fast_rcnn_loss/PyFunc_1 = PyFunc[Tin=[DT_FLOAT, DT_FLOAT, DT_INT32]]]\n",
        1,
        None,
    ),
    "no_dnn": (
        Kind.GPU_SOFTWARE,
        TRACEBACK
        + TF
        + "UnknownError:    Fail to find the dnn implementation.\n\t [[{{node CudnnRNN}}]]\n\t [[sequential/lstm/PartitionedCall]] [Op:__inference_train_function_5]\n",
        1,
        None,
    ),
    "jit": (
        Kind.GPU_SOFTWARE,
        TRACEBACK
        + TF
        + "UnknownError: Graph execution error:\nJIT compilation failed.\n\t [[{{node Adam/StatefulPartitionedCall}}]]\n",
        1,
        None,
    ),
    "cray_ofi": (
        Kind.MPI,
        "MPICH ERROR [Rank 0] [job id 77.0] [x1] - Abort(2139535) (rank 0 in comm 0): "
        + INIT
        + "MPIR_Init_thread(170)......: \nopen_fabric(1559)..........: OFI fi_getinfo() failed (ofi_init.c:1559:open_fabric:No data available)\n",
        255,
        None,
    ),
    "pmi_fd": (
        Kind.MPI,
        "[cli_0]: write_line error; fd=9 buf=:cmd=init pmi_version=1 pmi_subversion=1\n:\nsystem msg for write_line failure : Broken pipe\n[cli_0]: Unable to write to PMI_fd\n",
        1,
        None,
    ),
    "cray_nic": (
        Kind.MPI,
        "MPICH ERROR: Unable to use a NIC_POLICY of 'NUMA'. Rank 4 is not confined to a single NUMA node.  There are 4 numa_nodes detected (rc=0).\n",
        255,
        None,
    ),
    "ucx_buffer": (
        Kind.NETWORK,
        "[1613401128.440773] [nid1192:11838:0]  ucp_request.c:269  UCX  ERROR failed to register user buffer datatype 0x8 address 0xabcf12c0 len 26400: Input/output error\nMPICH ERROR [Rank 1534] [job id 114930.0] - Abort(672797967) (rank 1534 in comm 0): Fatal error in PMPI_Isend: Other MPI error, error stack:\n",
        255,
        None,
    ),
    "check_failed": (
        Kind.CRASH,
        "2019-06-01 10:00:00.1: F tensorflow/core/framework/tensor_shape.cc:36] Check failed: NDIMS == dims() (2 vs. 1)Asking for tensor of 2 dimensions from a tensor of 1 dimensions\n",
        None,
        6,
    ),
    "srun_killed": (
        Kind.KILLED,
        "srun: error: compute-0-3: tasks 120-159: Killed\nsrun: error: Timed out waiting for job step to complete\n",
        137,
        None,
    ),
    "before_init": (
        Kind.UNKNOWN,
        "Attempting to use an MPI routine before initializing MPICH\nsrun: error: nid1394: tasks 0-3: Exited with exit code 1\n",
        1,
        None,
    ),
    "musl_gomp": (
        Kind.LIBRARY,
        TRACEBACK
        + "ImportError: Error loading shared library libgomp.so.1: No such file or directory (needed by /e/sklearn/x.so)\n",
        1,
        None,
    ),
}

FIFTH: dict[str, Sample] = {
    "mkl_cannot_load": (
        Kind.LIBRARY,
        "INTEL MKL ERROR: /e/lib/libmkl_avx512.so.2: undefined symbol: mkl_sparse_optimize_bsr_trsm_i8.\nIntel MKL FATAL ERROR: Cannot load libmkl_avx512.so.2 or libmkl_def.so.2.\n",
        2,
        None,
    ),
    "mkl_not_found": (Kind.LIBRARY, "Intel MKL FATAL ERROR: Cannot load libmkl_core.so.\n", 2, None),
    "static_tls": (
        Kind.LIBRARY,
        TRACEBACK
        + "ImportError: /e/lib/python3.8/site-packages/scikit_learn.libs/libgomp-d22c30c5.so.1.0.0: cannot allocate memory in static TLS block\n",
        1,
        None,
    ),
    "omp_twice": (
        Kind.LIBRARY,
        "OMP: Error #15: Initializing libiomp5.so, but found libomp.so already initialized.\nOMP: Hint This means that multiple copies of the OpenMP runtime have been linked into the program.\n",
        None,
        6,
    ),
    "llvm_memory": (Kind.HOST_MEMORY, "LLVM ERROR: out of memory\n", None, 6),
    "mpi4py_finds_no_mpi": (
        Kind.LIBRARY,
        TRACEBACK
        + "    from mpi4py import MPI\nRuntimeError: cannot load MPI library\nlibmpi.so.12: cannot open shared object file: No such file or directory\n",
        1,
        None,
    ),
    "script_aborts_mpi": (
        Kind.SCRIPT,
        TRACEBACK
        + "ValueError: could not convert string to float: 'NA'\n--------------------------------------------------------------------------\nMPI_ABORT was invoked on rank 3 in communicator MPI_COMM_WORLD\nwith errorcode 1.\n",
        1,
        None,
    ),
    "primary_job_terminated": (
        Kind.UNKNOWN,
        "-------------------------------------------------------\nPrimary job  terminated normally, but 1 process returned\na non-zero exit code. Per user-direction, the job has been aborted.\n-------------------------------------------------------\nmpirun detected that one or more processes exited with non-zero status, thus causing\nthe job to be terminated. The first process to do so was:\n\n  Process name: [[5311,1],2]\n  Exit code:    7\n",
        7,
        None,
    ),
    "bash_line_endings": (
        Kind.COMMAND,
        "./run.sh: line 2: $'\\r': command not found\n: No such file or directory\n/usr/bin/env: 'python3\\r': No such file or directory\n",
        127,
        None,
    ),
    "wandb_offline_node": (
        Kind.NETWORK,
        TRACEBACK
        + "wandb.errors.CommError: Run initialization has timed out after 90.0 sec.\nrequests.exceptions.ConnectTimeout: HTTPSConnectionPool(host='api.wandb.ai', port=443): Max retries exceeded with url: /graphql\n",
        1,
        None,
    ),
    "keras_deserialize": (
        Kind.SCRIPT,
        TRACEBACK
        + "TypeError: <class '__main__.Attention'> could not be deserialized properly. Please ensure that components that are Python object instances (layers, models, etc.) returned by `get_config()` are explicitly deserialized in the model's `from_config()` method.\n",
        1,
        None,
    ),
    "lr_argument": (Kind.SCRIPT, TRACEBACK + "ValueError: Argument(s) not recognized: {'lr': 0.001}\n", 1, None),
    "no_saved_model": (
        Kind.SCRIPT,
        TRACEBACK + "OSError: SavedModel file does not exist at: out/model/{saved_model.pbtxt|saved_model.pb}\n",
        1,
        None,
    ),
    "parser_oom_word": (Kind.SCRIPT, TRACEBACK + "RuntimeError: config key 'gpu_memory' must be positive, got -1\n", 1, None),
    "retry_then_key": (
        Kind.SCRIPT,
        "WARNING: download failed: [Errno 110] Connection timed out, using the cached copy\nW tensorflow/core/distributed_runtime/x.cc:1] heartbeat timeout once, retrying\n"
        + TRACEBACK
        + "IndexError: list index out of range\n",
        1,
        None,
    ),
    "cuda_init_unknown": (
        Kind.GPU_HARDWARE,
        "E tensorflow/compiler/xla/stream_executor/cuda/cuda_driver.cc:266] failed call to cuInit: CUDA_ERROR_UNKNOWN: unknown error\nassert tf.config.list_physical_devices('GPU')\n"
        + TRACEBACK
        + '    assert tf.config.list_physical_devices("GPU"), "no GPU"\nAssertionError: no GPU\n',
        1,
        None,
    ),
    "mig_invalid": (Kind.GPU_MISSING, "RuntimeError: No GPU visible\nNo devices were found\n", 6, None),
    "tensor_with_nan_weights": (
        Kind.DIVERGED,
        "Epoch 4/50\n 120/500 - loss: nan - lr: 1.0000e-03\n"
        + TRACEBACK
        + "FloatingPointError: loss is nan at step 1620, stopping\n",
        1,
        None,
    ),
    "nfs_busy": (
        Kind.UNKNOWN,
        TRACEBACK + "OSError: [Errno 16] Device or resource busy: '.nfs000000002a1b3c4d00000a1f'\n",
        1,
        None,
    ),
    "name_too_long": (
        Kind.UNKNOWN,
        TRACEBACK + "OSError: [Errno 36] File name too long: 'events.out.tfevents.1700000000.lr0.001...'\n",
        1,
        None,
    ),
    "queue_runner_coordinator": (
        Kind.SCRIPT,
        "INFO:tensorflow:Error reported to Coordinator: <class 'tensorflow.python.framework.errors_impl.InvalidArgumentError'>, Expected image (JPEG, PNG, or GIF), got unknown format starting with 'RIFF'\n"
        + TRACEBACK
        + TF
        + "InvalidArgumentError: Expected image (JPEG, PNG, or GIF), got unknown format starting with 'RIFF'\n\t [[{{node DecodeJpeg}}]]\n",
        1,
        None,
    ),
    "psana_license": (Kind.UNKNOWN, "License checkout failed: -15 cannot connect to license server\n", 9, None),
}
