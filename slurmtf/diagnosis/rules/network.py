"""Messages about network and ports."""

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules.rule import Rule

OTHER_PORT = "another process of the node has that port: use that of TF_CONFIG or $SLURMTF_ADDRESS, or submit again"

NETWORK: tuple[Rule, ...] = (
    Rule("same-gpu", Kind.SCRIPT, ("Duplicate GPU detected",), r"Duplicate GPU detected : rank \d+ and rank \d+",
         "let each rank use its own GPU: tf.config.set_visible_devices(gpus[hvd.local_rank()], 'GPU')", anywhere=True),
    Rule("nccl-shm", Kind.DISK, ("NCCL WARN",), r"NCCL WARN .*(?:creating shared memory segment|fallocate failed).*",
         "the node's /dev/shm is full or too small: use a larger one in the container, or set "
         "`environment_variables[NCCL_SHM_DISABLE]=1`",
         anywhere=True),
    Rule("nccl-versions", Kind.LIBRARY, ("Mismatched NCCL version",),
         r"NCCL WARN Mismatched NCCL version detected.*",
         "the ranks load different builds of NCCL: give all the same environment, and no module that brings another one",
         anywhere=True),
    Rule("nccl", Kind.NETWORK, ("NCCL", "nccl", "socketPollConnect", "Bootstrap :"),
         r"socketPollConnect: .* returned \d+\(|ncclCommInitRank failed(?!: unhandled cuda error)|"
         r"NCCL WARN Error: network \w+ not found|Bootstrap : no socket interface found|"
         r"NCCL error.*(?:unhandled system error|remote process exited|ncclSystemError)|"
         r"NCCL WARN NET/IB : .*with (?:error|status)|"
         r"NCCL WARN Call to (?:ibv_\w+|connect|bind|getaddrinfo)\b.* failed|"
         r"NCCL WARN Proxy Call to rank \d+ failed \(Connect\)",
         "set the interface by which nodes reach each other: `environment_variables[NCCL_SOCKET_IFNAME]=...` (ip -br addr); "
         "`environment_variables[NCCL_DEBUG]=INFO` says more", anywhere=True),
    Rule("ucx", Kind.NETWORK, ("UCX  ERROR", "pml_ucx", "complete a TCP"),
         r"UCX  ERROR .*(?:no active messages transport|no usable transports|[Uu]nreachable|[Tt]imed? ?out)|"
         r"pml_ucx\.c:\d+ +Error: .*[Uu]nreachable|unable to complete a TCP\s+connection",
         "MPI finds no network between the nodes: leave out what picks one (`environment_variables[UCX_NET_DEVICES]`), or name "
         "one that all nodes have (ip -br addr)"),
    Rule("gloo", Kind.NETWORK, ("gloo", "Gloo", "Unable to find address for"),
         r"[Gg]loo\S* (?:connectFullMesh failed|.*[Cc]onnect timeout)|Unable to find address for",
         "set network.interface in the site's profile to the one by which nodes reach each other (ip -br addr)"),
    Rule("port", Kind.PORT, ("ddress already in use", "EADDRINUSE"),
         r"(?:Errno 98\] |: |\":\")[Aa]ddress already in use|EADDRINUSE", OTHER_PORT),
    Rule("grpc-server", Kind.PORT, ("Could not start gRPC server", "No address added out of total"),
         r"Could not start gRPC server|No address added out of total", OTHER_PORT, vague=True),
    Rule("not-joined", Kind.NETWORK, ("can't join its supervisor",), r"slurmtf: task \S+ can't join its supervisor: ",
         "set network.host_suffix in the site's profile to what follows a node's name in the one by which the others reach it; "
         "or a firewall stands between them"),
    Rule("unresolved", Kind.NETWORK, ("Name or service not known", "Temporary failure in name resolution", " resolve host"),
         r"Name or service not known|Temporary failure in name resolution|"
         r"(?:[Cc]ould not|[Cc]ouldn't|[Uu]nable to|[Ff]ailed to) resolve host",
         "the node can't find that host: compute nodes often have no internet; fetch data before, on the login node"),
    Rule("no-internet", Kind.NETWORK, ("Network is unreachable", "Max retries exceeded", "No route to host",
         "Connection timed out", "nternet connection", "connect to the endpoint URL", "connect to 'http", "Read timed out",
         "urlopen error", "initialization has timed out"),
         r"Network is unreachable|Max retries exceeded with url|No route to host|Errno 110\] Connection timed out|"
         r"(?:make sure your|[Cc]heck(?:out)? your) [Ii]nternet connection|Could not connect to the endpoint URL|"
         r"couldn't connect to 'https?:|HTTPS?ConnectionPool\(.*Read timed out|Run initialization has timed out|"
         r"urlopen error (?:\[Errno 111\]|timed out|_ssl\.c.*timed out)",
         "compute nodes often have no internet: fetch data and models before, on the login node"),
)  # fmt: skip
