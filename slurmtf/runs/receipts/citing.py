"""Describe a run for a paper: a methods paragraph, and BibTeX entries for the software that it used. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from slurmtf.findings import Finding, build_warning
from slurmtf.job.contract.interchange import JsonView
from slurmtf.runs.receipts.receipt import Account
from slurmtf.runs.states.state import RunStatus
from slurmtf.spelling import format_count


class Citation(NamedTuple):
    """The methods paragraph, and a BibTeX entry for each work that it cites."""

    methods: str
    bibtex: tuple[str, ...]


class Work(NamedTuple):
    """A piece of software: its name in a text, and the citation that its authors ask for."""

    key: str
    name: str
    entry: str


WORKS = {
    "tensorflow": Work("tensorflow", "TensorFlow", """@inproceedings{tensorflow,
  title = {{TensorFlow}: A System for Large-Scale Machine Learning},
  author = {Abadi, Mart{\\'i}n and Barham, Paul and Chen, Jianmin and Chen, Zhifeng and Davis, Andy and others},
  booktitle = {12th USENIX Symposium on Operating Systems Design and Implementation (OSDI 16)},
  pages = {265--283},
  year = {2016}
}"""),
    "keras": Work("keras", "Keras", """@misc{keras,
  title = {Keras},
  author = {Chollet, Fran\\c{c}ois and others},
  year = {2015},
  howpublished = {\\url{https://keras.io}}
}"""),
    "horovod": Work("horovod", "Horovod", """@article{horovod,
  title = {Horovod: fast and easy distributed deep learning in {TensorFlow}},
  author = {Sergeev, Alexander and Del Balso, Mike},
  journal = {arXiv preprint arXiv:1802.05799},
  year = {2018}
}"""),
    "mpi4py": Work("mpi4py", "mpi4py", """@article{mpi4py,
  title = {mpi4py: Status Update After 12 Years of Development},
  author = {Dalcin, Lisandro and Fang, Yao-Lung L.},
  journal = {Computing in Science \\& Engineering},
  volume = {23},
  number = {4},
  pages = {47--54},
  year = {2021}
}"""),
    "jax": Work("jax", "JAX", """@software{jax,
  title = {{JAX}: composable transformations of {Python}+{NumPy} programs},
  author = {Bradbury, James and Frostig, Roy and Hawkins, Peter and Johnson, Matthew James and Leary, Chris and others},
  url = {http://github.com/jax-ml/jax},
  year = {2018}
}"""),
    "numpy": Work("numpy", "NumPy", """@article{numpy,
  title = {Array programming with {NumPy}},
  author = {Harris, Charles R. and Millman, K. Jarrod and van der Walt, St{\\'e}fan J. and Gommers, Ralf and others},
  journal = {Nature},
  volume = {585},
  pages = {357--362},
  year = {2020}
}"""),
    "sklearn": Work("sklearn", "scikit-learn", """@article{sklearn,
  title = {Scikit-learn: Machine Learning in {Python}},
  author = {Pedregosa, F. and Varoquaux, G. and Gramfort, A. and Michel, V. and Thirion, B. and others},
  journal = {Journal of Machine Learning Research},
  volume = {12},
  pages = {2825--2830},
  year = {2011}
}"""),
}  # fmt: skip
SLURM = Work("slurm", "Slurm", """@inproceedings{slurm,
  title = {{SLURM}: Simple {Linux} Utility for Resource Management},
  author = {Yoo, Andy B. and Jette, Morris A. and Grondona, Mark},
  booktitle = {Job Scheduling Strategies for Parallel Processing (JSSPP 2003)},
  pages = {44--60},
  year = {2003}
}""")  # fmt: skip
SAME = {"tf_keras": "keras", "scikit_learn": "sklearn"}
BACKENDS = {
    "mpi": "data-parallel training over MPI ranks",
    "ps": "asynchronous training with parameter servers",
    "multiworker": "synchronous multi-worker training",
    "jax": "multi-process training on JAX",
}


def cite(account: Account) -> Citation:
    """Describe a run, using only known facts."""
    used = _find_used(account)
    slurm = str(account.last_attempt.get("slurm") or "")
    works = [*used, *([SLURM] if slurm else [])]
    sentences = (
        _describe_training(account, used),
        _describe_resources(account),
        _describe_scheduler(slurm),
        _describe_version(account),
    )
    own = _format_slurmtf_entry(str(account.receipt.get("slurmtf") or ""))
    return Citation(" ".join(filter(None, sentences)), (*(work.entry for work in works), own))


def check_citable(account: Account) -> list[Finding]:
    """Return warnings before a run is cited: that it has not trained, or not to its end."""
    status = account.state.status
    if account.state.started is None:
        return [
            Finding("not-trained", account.run_id, f"is {status.value}, and has never started", "cite a run that has trained")
        ]
    if status is RunStatus.COMPLETED:
        return []
    return [build_warning("not-completed", f"is {status.value}: it has not trained to its end", account.run_id)]


def _find_used(account: Account) -> list[Work]:
    """Return the works that the script loaded; if unknown, those that were installed, except for NumPy, a mere tool."""
    loaded = account.receipt.get("loaded")
    known = loaded.get("packages") if isinstance(loaded, Mapping) else None
    names = known if isinstance(known, Mapping) else {name for name in account.packages if name != "numpy"}
    found = [SAME.get(name, name) for name in names]
    return [work for name, work in WORKS.items() if name in found]


def _format_work(account: Account, work: Work) -> str:
    names = [work.key, *(name for name, same in SAME.items() if same == work.key)]
    version = next((account.packages[name] for name in names if name in account.packages), "")
    return f"{work.name} {version}".strip() + f" \\cite{{{work.key}}}"


def _describe_training(account: Account, used: list[Work]) -> str:
    size = account.plan.get("resources")
    size = size if isinstance(size, Mapping) else {}
    tasks, nodes = int(size.get("tasks") or 1), int(size.get("nodes") or 1)
    backend = BACKENDS.get(str(_get_distribution(account).get("backend")), "")
    software = _join([_format_work(account, work) for work in used])
    how = f" with {software}" if software else ""
    many = f" as {backend}" if backend and tasks > 1 else ""
    processes = f", in {tasks} processes on {format_count(nodes, 'node')}" if tasks > 1 else ""
    return f"The model was trained{how}{many}{processes}."


def _get_distribution(account: Account) -> Mapping[str, object]:
    job = account.plan.get("job")
    found = job.get("distribution") if isinstance(job, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _describe_resources(account: Account) -> str:
    resources, last = account.plan.get("resources"), account.last_attempt
    resources = resources if isinstance(resources, Mapping) else {}
    gpus = int(resources.get("gpus_per_node") or 0)
    names = {str(gpu.get("name")) for gpu in last.get("gpus") or [] if isinstance(gpu, Mapping)}
    driver = next((str(gpu["driver"]) for gpu in last.get("gpus") or [] if gpu.get("driver")), "")
    per_node = f"{format_count(gpus, ' and '.join(sorted(names)) + ' GPU' if names else 'GPU')} per node" if gpus else ""
    parts = [per_node, f"driver {driver}" if driver else "", _format_cpus(resources), _describe_build(account)]
    hardware = ", ".join(filter(None, parts))
    took = _format_duration(account)
    return " ".join(filter(None, (f"It used {hardware}." if hardware else "", f"The training took {took}." if took else "")))


def _format_cpus(resources: JsonView) -> str:
    cpus = resources.get("cpus_per_task")
    return f"{format_count(int(cpus), 'CPU')} per process" if cpus else ""


def _describe_build(account: Account) -> str:
    """Return the known versions of CUDA, cuDNN, NCCL and MPI."""
    tensorflow, horovod = account.builds.get("tensorflow"), account.builds.get("horovod")
    tensorflow = tensorflow if isinstance(tensorflow, Mapping) else {}
    nccl = horovod.get("nccl_built") if isinstance(horovod, Mapping) else 0
    mpi = str(account.builds.get("mpi") or "").partition(",")[0]
    parts = [f"CUDA {tensorflow['cuda_version']}" if tensorflow.get("cuda_version") else "",
             f"cuDNN {tensorflow['cudnn_version']}" if tensorflow.get("cudnn_version") else "",
             f"NCCL {format_nccl_version(nccl)}" if isinstance(nccl, int) and nccl > 1 else "", mpi]  # fmt: skip
    return ", ".join(filter(None, parts))


def format_nccl_version(number: int) -> str:
    """Return NCCL's version from its number: 21805 is 2.18.5, 2708 is 2.7.8 (nccl.h, NCCL_VERSION)."""
    scale = 10000 if number >= 10000 else 1000
    return f"{number // scale}.{number % scale // 100}.{number % 100}"


def _format_duration(account: Account) -> str:
    seconds = account.training
    if not (seconds and account.state.ended):
        return ""
    return (
        f"{seconds / 3600:.1f} hours"
        if seconds >= 3600
        else f"{seconds / 60:.0f} minutes"
        if seconds >= 120
        else f"{seconds:.0f} s"
    )


def _describe_scheduler(slurm: str) -> str:
    return (
        f"Jobs were scheduled by Slurm {slurm} \\cite{{slurm}} and launched by slurmtf \\cite{{slurmtf}}."
        if slurm
        else ("It was launched by slurmtf \\cite{slurmtf}.")
    )


def _describe_version(account: Account) -> str:
    source = account.receipt.get("source")
    source = source if isinstance(source, Mapping) else {}
    git = source.get("git")
    commit = str(git.get("commit") or "")[:12] if isinstance(git, Mapping) else ""
    dirty = git.get("dirty") if isinstance(git, Mapping) else None
    snapshot = str(source.get("snapshot") or "")[:12]
    if commit and dirty is False:
        return f"The code is that of git commit {commit}."
    based = f" (git commit {commit}{', with changes' if dirty else ''})" if commit else ""
    return f"The code is that of snapshot {snapshot}{based}." if snapshot else ""


def _format_slurmtf_entry(version: str) -> str:
    line = f"\n  version = {{{version}}}," if re.fullmatch(r"[\w.+-]+", version) else ""
    return f"@software{{slurmtf,\n  title = {{slurmtf: TensorFlow training on Slurm clusters}},{line}\n}}"


def _join(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""
