"""All environment variables that slurmtf sets, reads or hides, each name once, so that the names set are the names scrubbed.

``job/script`` and ``models/tool`` run on their own in other Pythons and define the few names that they read; a test compares
them.
"""

# --- given to the script (docs/running.md, docs/distributed.md)

SLURMTF_RUN_ID = "SLURMTF_RUN_ID"
"""The run."""
SLURMTF_EXPERIMENT = "SLURMTF_EXPERIMENT"
"""Its experiment."""
SLURMTF_RUN_FOLDER = "SLURMTF_RUN_FOLDER"
"""Its folder."""
SLURMTF_LAUNCH_FOLDER = "SLURMTF_LAUNCH_FOLDER"
"""Where this launch has logs and outputs: the run folder, or one of its own in it."""
SLURMTF_ATTEMPT = "SLURMTF_ATTEMPT"
"""The number of this attempt of the run or trial, from 1."""
SLURMTF_RESUME_FROM = "SLURMTF_RESUME_FROM"
"""The folder to resume from: the outputs of earlier attempts; in the first attempt, the folder that the user names."""
SLURMTF_NOTICE = "SLURMTF_NOTICE"
"""The file that exists once the script has been notified that it will be ended."""
SLURMTF_TRIAL = "SLURMTF_TRIAL"
"""The number of the trial in its sweep."""
SLURMTF_ROLE = "SLURMTF_ROLE"
"""The task's role: chief, worker, ps, evaluator, rank, main."""
SLURMTF_INDEX = "SLURMTF_INDEX"
"""The task's number among those of its role."""
SLURMTF_RANK = "SLURMTF_RANK"
"""The task's number among all tasks."""
SLURMTF_LOCAL_RANK = "SLURMTF_LOCAL_RANK"
"""The task's number among those of its node."""
SLURMTF_WORLD_SIZE = "SLURMTF_WORLD_SIZE"
"""The number of tasks."""
SLURMTF_ADDRESS = "SLURMTF_ADDRESS"
"""The address of the task's TensorFlow server: host:port."""
SLURMTF_CLUSTER = "SLURMTF_CLUSTER"
"""The cluster as JSON: role to addresses."""
SLURMTF_MODEL = "SLURMTF_MODEL"
"""The model of a score script (set by models/tool, which defines the name itself)."""

SLURMTF_INPUT = "SLURMTF_INPUT_"
"""The prefix of the variables with the paths of inputs."""

# --- between our own programs in a job

SLURMTF_RENDEZVOUS = "SLURMTF_RENDEZVOUS"
"""The address of the supervisor."""
SLURMTF_RENDEZVOUS_KEY = "SLURMTF_RENDEZVOUS_KEY"
"""The key with which tasks prove that they belong to the job."""
SLURMTF_ALLOCATION = "SLURMTF_ALLOCATION"
"""The unique name of this start of the job, shared by all its launches."""
SLURMTF_LAUNCH_TASKS = "SLURMTF_LAUNCH_TASKS"
"""The tasks of this launch, if they are not the plan's (JSON: the tasks of a LaunchOrder)."""
SLURMTF_TASK = "SLURMTF_TASK"
"""The rank, set by our own launcher for several tasks on one machine."""
SLURMTF_EXPECTED_WORLD = "SLURMTF_EXPECTED_WORLD"
"""The number of processes that Horovod, MPI or JAX must see (read by job/script)."""
SLURMTF_TF_CONFIG_FILE = "SLURMTF_TF_CONFIG_FILE"
"""The file with a TF_CONFIG that is too long for a variable (read by job/script)."""
SLURMTF_JAX_PROCESS = "SLURMTF_JAX_PROCESS"
"""The number of this process among JAX's processes (read by job/script)."""
SLURMTF_INTERFACE = "SLURMTF_INTERFACE"
"""The network interface by which JAX's processes on CPUs reach each other (read by job/script)."""
SLURMTF_AUTOLOG = "SLURMTF_AUTOLOG"
"""The library whose metrics are logged for the script (read by job/script)."""
SLURMTF_STACKS = "SLURMTF_STACKS"
"""The file for the stacks of a script that has stalled (read by job/script)."""
SLURMTF_UNCAUGHT = "SLURMTF_UNCAUGHT"
"""The file for the error that ends a script, given only to its first Python (read by job/script)."""
SLURMTF_STOP = "SLURMTF_STOP"
"""Where Keras's fit saves the model before it stops, once the script has been notified (read by job/script)."""
SLURMTF_AZUREML = "SLURMTF_AZUREML"
"""Whether Azure ML's Run is served to the script."""

# --- set by the user for slurmtf

SLURMTF_SITE = "SLURMTF_SITE"
"""The default site."""
SLURMTF_SITE_PATH = "SLURMTF_SITE_PATH"
"""Folders with site profiles."""
SLURMTF_TEMPLATE_PATH = "SLURMTF_TEMPLATE_PATH"
"""Folders with templates."""
SLURMTF_WORKSPACE = "SLURMTF_WORKSPACE"
"""The folder of runs."""
SLURMTF_ENVIRONMENTS = "SLURMTF_ENVIRONMENTS"
"""The folder of environments."""
SLURMTF_MODELS = "SLURMTF_MODELS"
"""The folder of registered models."""
SLURMTF_SNAPSHOT_MAX_FILES = "SLURMTF_SNAPSHOT_MAX_FILES"
"""The most files that a source may have."""
SLURMTF_SNAPSHOT_MAX_MB = "SLURMTF_SNAPSHOT_MAX_MB"
"""The most megabytes that a source may have."""

# --- given to the script under TensorFlow's, Keras's, JAX's and Horovod's names

TF_CONFIG = "TF_CONFIG"
"""The cluster, and the task's place in it."""
TF_GRPC_REUSE_PORT = "TF_GRPC_REUSE_PORT"
"""Lets TensorFlow bind to the port that the agent holds (from TensorFlow 2.3 on)."""
TF_NUM_INTRAOP_THREADS = "TF_NUM_INTRAOP_THREADS"
TF_NUM_INTEROP_THREADS = "TF_NUM_INTEROP_THREADS"
OMP_NUM_THREADS = "OMP_NUM_THREADS"
TF_USE_LEGACY_KERAS = "TF_USE_LEGACY_KERAS"
"""Makes tf.keras Keras 2."""
KERAS_BACKEND = "KERAS_BACKEND"
"""Keras 3's backend."""
JAX_COORDINATOR_ADDRESS = "JAX_COORDINATOR_ADDRESS"
KERAS_DISTRIBUTION_JOB_ADDRESSES = "KERAS_DISTRIBUTION_JOB_ADDRESSES"
KERAS_DISTRIBUTION_NUM_PROCESSES = "KERAS_DISTRIBUTION_NUM_PROCESSES"
KERAS_DISTRIBUTION_PROCESS_ID = "KERAS_DISTRIBUTION_PROCESS_ID"
HOROVOD_RANK = "HOROVOD_RANK"
HOROVOD_SIZE = "HOROVOD_SIZE"
HOROVOD_LOCAL_RANK = "HOROVOD_LOCAL_RANK"
HOROVOD_LOCAL_SIZE = "HOROVOD_LOCAL_SIZE"
HOROVOD_CROSS_RANK = "HOROVOD_CROSS_RANK"
HOROVOD_CROSS_SIZE = "HOROVOD_CROSS_SIZE"
HOROVOD_HOSTNAME = "HOROVOD_HOSTNAME"
HOROVOD_CONTROLLER = "HOROVOD_CONTROLLER"
HOROVOD_CPU_OPERATIONS = "HOROVOD_CPU_OPERATIONS"
HOROVOD_GLOO_RENDEZVOUS_ADDR = "HOROVOD_GLOO_RENDEZVOUS_ADDR"
HOROVOD_GLOO_RENDEZVOUS_PORT = "HOROVOD_GLOO_RENDEZVOUS_PORT"
HOROVOD_GLOO_TIMEOUT_SECONDS = "HOROVOD_GLOO_TIMEOUT_SECONDS"
HOROVOD_GLOO_IFACE = "HOROVOD_GLOO_IFACE"
WANDB_RUN_GROUP = "WANDB_RUN_GROUP"
WANDB_NAME = "WANDB_NAME"
WANDB_JOB_TYPE = "WANDB_JOB_TYPE"
COMET_START_EXPERIMENT_NAME = "COMET_START_EXPERIMENT_NAME"
COMET_START_EXPERIMENT_TAGS = "COMET_START_EXPERIMENT_TAGS"
TENSORBOARD_LOGGING_DIR = "TENSORBOARD_LOGGING_DIR"
MLFLOW_EXPERIMENT_NAME = "MLFLOW_EXPERIMENT_NAME"
MLFLOW_EXPERIMENT_ID = "MLFLOW_EXPERIMENT_ID"
"""Set by the user; the experiment's name is then not set."""
MLFLOW_TRACKING_URI = "MLFLOW_TRACKING_URI"
MLFLOW_REGISTRY_URI = "MLFLOW_REGISTRY_URI"
"""Set by the user, like the one before: where MLflow keeps runs, and models."""
MLFLOW_HTTP_REQUEST_MAX_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
"""How often MLflow repeats an unanswered request."""
MLFLOW_HTTP_REQUEST_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
"""How many seconds MLflow waits for each answer."""
MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT = "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"
"""Keeps MLflow from printing each run's URL into the output of our commands."""
NCCL_SOCKET_IFNAME = "NCCL_SOCKET_IFNAME"
"""NCCL's network interface, from the site profile."""
CUDA_VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"
"""The GPUs that a task may use."""
ROCR_VISIBLE_DEVICES = "ROCR_VISIBLE_DEVICES"
"""The same for AMD's GPUs."""

# --- set or unset around Python and its packages

PYTHONPATH = "PYTHONPATH"
PYTHONHOME = "PYTHONHOME"
PYTHONUNBUFFERED = "PYTHONUNBUFFERED"
PYTHONDONTWRITEBYTECODE = "PYTHONDONTWRITEBYTECODE"
PYTHONNOUSERSITE = "PYTHONNOUSERSITE"
VIRTUAL_ENV = "VIRTUAL_ENV"
CONDA_PREFIX = "CONDA_PREFIX"
CONDA_DEFAULT_ENV = "CONDA_DEFAULT_ENV"
CONDA_SHLVL = "CONDA_SHLVL"
CONDARC = "CONDARC"
MAMBA_EXE = "MAMBA_EXE"
CXX = "CXX"
CONDA_EXE = "CONDA_EXE"
CONDA_ROOT = "CONDA_ROOT"
CONDA_ENVS_PATH = "CONDA_ENVS_PATH"
CONDA_PKGS_DIRS = "CONDA_PKGS_DIRS"
NO_PROXY = "NO_PROXY"
"""Hosts that are reached without a proxy: the job's nodes."""
no_proxy = "no_proxy"
PATH = "PATH"
TERM = "TERM"
TMPDIR = "TMPDIR"
"""The node's disk, if nothing better is named."""
XDG_CACHE_HOME = "XDG_CACHE_HOME"
XDG_CONFIG_HOME = "XDG_CONFIG_HOME"
"""The folder of the user's configuration."""
XDG_DATA_HOME = "XDG_DATA_HOME"
"""The folder of the data of the user's programs, such as micromamba's environments."""
XDG_RUNTIME_DIR = "XDG_RUNTIME_DIR"
"""The folder of the user's sockets and locks on this machine."""

# --- set by Slurm and MPI's launchers, read by slurmtf

SLURM_JOB_ID = "SLURM_JOB_ID"
SLURM_CLUSTER_NAME = "SLURM_CLUSTER_NAME"
SLURM_ARRAY_JOB_ID = "SLURM_ARRAY_JOB_ID"
SLURM_ARRAY_TASK_ID = "SLURM_ARRAY_TASK_ID"
SLURM_RESTART_COUNT = "SLURM_RESTART_COUNT"
SLURM_PROCID = "SLURM_PROCID"
SLURM_STEP_ID = "SLURM_STEP_ID"
SLURM_JOB_NODELIST = "SLURM_JOB_NODELIST"
SLURM_JOB_START_TIME = "SLURM_JOB_START_TIME"
SLURM_JOB_END_TIME = "SLURM_JOB_END_TIME"
SLURM_GPUS_ON_NODE = "SLURM_GPUS_ON_NODE"
SLURM_GPUS_PER_TASK = "SLURM_GPUS_PER_TASK"
SLURM_GPU_BIND = "SLURM_GPU_BIND"
SLURM_STEP_GPUS = "SLURM_STEP_GPUS"
"""The numbers of the step's GPUs among those of the node."""
SLURM_CPUS_ON_NODE = "SLURM_CPUS_ON_NODE"
SLURMD_NODENAME = "SLURMD_NODENAME"
SLURM_TMPDIR = "SLURM_TMPDIR"
SLURM_NTASKS_PER_NODE = "SLURM_NTASKS_PER_NODE"
SLURM_DISTRIBUTION = "SLURM_DISTRIBUTION"
SLURM_CONF = "SLURM_CONF"
OMPI_COMM_WORLD_RANK = "OMPI_COMM_WORLD_RANK"
MV2_COMM_WORLD_RANK = "MV2_COMM_WORLD_RANK"
PMIX_RANK = "PMIX_RANK"
PMI_RANK = "PMI_RANK"

# --- set for Slurm's commands, or hidden from them

SLURM_BITSTR_LEN = "SLURM_BITSTR_LEN"
SLURM_TIME_FORMAT = "SLURM_TIME_FORMAT"
SLURM_CLUSTERS = "SLURM_CLUSTERS"
SLURM_HINT = "SLURM_HINT"
SBATCH_CLUSTERS = "SBATCH_CLUSTERS"
SBATCH_HINT = "SBATCH_HINT"
SBATCH_TIMELIMIT = "SBATCH_TIMELIMIT"
SBATCH_MEM_PER_NODE = "SBATCH_MEM_PER_NODE"
SBATCH_ARRAY_INX = "SBATCH_ARRAY_INX"
SBATCH_WAIT = "SBATCH_WAIT"
SBATCH_OUTPUT = "SBATCH_OUTPUT"
SBATCH_ERROR = "SBATCH_ERROR"
SBATCH_INPUT = "SBATCH_INPUT"
SBATCH_NO_REQUEUE = "SBATCH_NO_REQUEUE"

# --- set for Horovod's build (horovod.readthedocs.io, Installation)

HOROVOD_GPU_OPERATIONS = "HOROVOD_GPU_OPERATIONS"
HOROVOD_LOCAL_VERSION = "HOROVOD_LOCAL_VERSION"
HOROVOD_WITHOUT_MPI = "HOROVOD_WITHOUT_MPI"
HOROVOD_WITHOUT_MXNET = "HOROVOD_WITHOUT_MXNET"
HOROVOD_WITHOUT_PYTORCH = "HOROVOD_WITHOUT_PYTORCH"
HOROVOD_WITH_GLOO = "HOROVOD_WITH_GLOO"
HOROVOD_WITH_MPI = "HOROVOD_WITH_MPI"
HOROVOD_WITH_TENSORFLOW = "HOROVOD_WITH_TENSORFLOW"

SCRIPT_VARIABLES = (
    SLURMTF_RUN_ID,
    SLURMTF_EXPERIMENT,
    SLURMTF_RUN_FOLDER,
    SLURMTF_LAUNCH_FOLDER,
    SLURMTF_ATTEMPT,
    SLURMTF_RESUME_FROM,
    SLURMTF_NOTICE,
    SLURMTF_TRIAL,
    SLURMTF_ROLE,
    SLURMTF_INDEX,
    SLURMTF_RANK,
    SLURMTF_LOCAL_RANK,
    SLURMTF_WORLD_SIZE,
    SLURMTF_ADDRESS,
    SLURMTF_CLUSTER,
    SLURMTF_MODEL,
)
"""Variables of ours for the script, in addition to SLURMTF_INPUT_<NAME> and SLURMTF_<ROLE>_HOSTS."""
AGENT_VARIABLES = (
    SLURMTF_RENDEZVOUS,
    SLURMTF_RENDEZVOUS_KEY,
    SLURMTF_ALLOCATION,
    SLURMTF_LAUNCH_TASKS,
    SLURMTF_TASK,
    SLURMTF_EXPECTED_WORLD,
    SLURMTF_TF_CONFIG_FILE,
    SLURMTF_JAX_PROCESS,
    SLURMTF_INTERFACE,
    SLURMTF_AUTOLOG,
    SLURMTF_STOP,
    SLURMTF_STACKS,
    SLURMTF_UNCAUGHT,
    SLURMTF_AZUREML,
)
"""Variables that no script needs."""
LIBRARY_VARIABLES = (
    TF_CONFIG,
    TF_GRPC_REUSE_PORT,
    TF_NUM_INTRAOP_THREADS,
    TF_NUM_INTEROP_THREADS,
    OMP_NUM_THREADS,
    JAX_COORDINATOR_ADDRESS,
    KERAS_DISTRIBUTION_JOB_ADDRESSES,
    KERAS_DISTRIBUTION_NUM_PROCESSES,
    KERAS_DISTRIBUTION_PROCESS_ID,
    HOROVOD_CONTROLLER,
    HOROVOD_CPU_OPERATIONS,
    HOROVOD_CROSS_RANK,
    HOROVOD_CROSS_SIZE,
    HOROVOD_GLOO_IFACE,
    HOROVOD_GLOO_RENDEZVOUS_ADDR,
    HOROVOD_GLOO_RENDEZVOUS_PORT,
    HOROVOD_GLOO_TIMEOUT_SECONDS,
    HOROVOD_HOSTNAME,
    HOROVOD_LOCAL_RANK,
    HOROVOD_LOCAL_SIZE,
    HOROVOD_RANK,
    HOROVOD_SIZE,
    WANDB_RUN_GROUP,
    WANDB_NAME,
    WANDB_JOB_TYPE,
    COMET_START_EXPERIMENT_NAME,
    COMET_START_EXPERIMENT_TAGS,
    MLFLOW_EXPERIMENT_NAME,
    TENSORBOARD_LOGGING_DIR,
)
"""Variables for the script under its libraries' names: the other tasks, and a share of the node. Outside of a run they are the
user's."""
USER_VARIABLES = (
    SLURMTF_SITE,
    SLURMTF_SITE_PATH,
    SLURMTF_TEMPLATE_PATH,
    SLURMTF_WORKSPACE,
    SLURMTF_ENVIRONMENTS,
    SLURMTF_MODELS,
    SLURMTF_SNAPSHOT_MAX_FILES,
    SLURMTF_SNAPSHOT_MAX_MB,
)
"""Variables that the user sets."""

AZUREML_DATAREFERENCE_MODEL_LOCATION = "AZUREML_DATAREFERENCE_MODEL_LOCATION"
"""Azure ML's name for the folder to resume from."""
GPUS = {"nvidia": CUDA_VISIBLE_DEVICES, "amd": ROCR_VISIBLE_DEVICES}
"""The variable that names a task's GPUs, by vendor."""

LONGEST_VARIABLE = 128 * 1024 - 1
"""The most bytes of one environment string, with its name and closing NUL (Linux, MAX_ARG_STRLEN: execve(2))."""


def does_fit(name: str, value: str) -> bool:
    """Return whether Linux accepts an environment variable of this length."""
    return len(name) + 1 + len(value.encode("utf-8")) <= LONGEST_VARIABLE
