"""sbatch's messages when it refuses a job, and our findings."""

from __future__ import annotations

import pytest

from slurmtf.errors import RefusedError, SlurmError, UnreachableError
from slurmtf.scheduler.slurm.refusal import MEANINGS, describe_refusal

SCRIPT = """\
#!/bin/bash
#SBATCH --job-name=digits
#SBATCH --account=nosuch
#SBATCH --partition=nosuch
#SBATCH --qos=nosuch
#SBATCH --constraint=nosuch
#SBATCH --nodes=99
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=99
#SBATCH --gres=gpu:99
#SBATCH --mem=999G
#SBATCH --time=9-00:00:00
#SBATCH --mail-type=NEVER
#SBATCH --signal=B:USR2@120
#SBATCH --frobnicate=1
#SBATCH --clusters=mars
#SBATCH --reservation=nosuch
#SBATCH --licenses=foo
#SBATCH --nodelist=nosuch

RUN=/run
"""
FAILED = "sbatch: error: Batch job submission failed: "
POLICY = f"{FAILED}Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
PARTITION = "[Ii]nvalid partition|partition not available"
CLUSTER = "[Nn]o cluster|entry for --cluster"
CONFIGURATION = "node configuration is not available|More processors requested"
FLAG = "unrecognized option|Invalid option|invalid option"
VALUE = "Invalid --|Invalid numeric value|requires an argument|unrecognized --"
NOT_AVAILABLE = f"{FAILED}Requested node configuration is not available"


@pytest.mark.parametrize(
    ("errors", "line", "meaning"),
    [
        (f"sbatch: error: invalid partition specified: nosuch\n{FAILED}Invalid partition name specified", 4, PARTITION),
        (f"{FAILED}Required partition not available (inactive or drain)", 4, PARTITION),
        (f"{FAILED}Invalid account or account/partition combination specified", 3, "[Ii]nvalid account"),
        (f"{FAILED}Invalid qos specification", 5, "[Ii]nvalid qos|QOS specification"),
        (f"sbatch: error: Memory specification can not be satisfied\n{NOT_AVAILABLE}", 11, "[Mm]emory specification can"),
        (f"sbatch: error: CPU count per node can not be satisfied\n{NOT_AVAILABLE}", 9, "CPU count"),
        ("sbatch: error: Invalid generic resource (gres) specification", 10, "generic resource|[Gg]res|TRES"),
        ("sbatch: error: Invalid Trackable RESource (TRES) specification", 10, "generic resource|[Gg]res|TRES"),
        (f"{FAILED}Invalid feature specification", 6, "[Ii]nvalid feature"),
        (f"{FAILED}Requested time limit is invalid (missing or exceeds some limit)", 12, "time limit"),
        (f"{FAILED}Node count specification invalid", 7, "[Nn]ode count"),
        (NOT_AVAILABLE, 10, CONFIGURATION),
        (f"{FAILED}More processors requested than permitted", 10, CONFIGURATION),
        (f"sbatch: error: QOSMaxSubmitJobPerUserLimit\n{POLICY}", None, "AssocMaxSubmitJob|QOSMaxSubmitJob"),
        (f"sbatch: error: AssocMaxSubmitJobLimit\n{POLICY}", None, "AssocMaxSubmitJob|QOSMaxSubmitJob"),
        (f"sbatch: error: QOSMaxWallDurationPerJobLimit\n{POLICY}", 12, "MaxWallDuration"),
        (POLICY, 3, "violates accounting/QOS policy"),
        ("sbatch: error: Invalid --mail-type specification", 13, "mail-type"),
        ("sbatch: error: Invalid --time specification", 12, VALUE),
        ("sbatch: error: Invalid --mem specification", 11, VALUE),
        ("sbatch: error: Invalid --signal specification", 14, VALUE),
        ('sbatch: error: Invalid numeric value "0" for --ntasks-per-node.', 8, VALUE),
        ("sbatch: unrecognized option '--frobnicate=1'\nTry \"sbatch --help\" for more information", 15, FLAG),
        ("sbatch: option '--signal' requires an argument\nTry \"sbatch --help\" for more information", 14, VALUE),
        ("sbatch: fatal: --mem, --mem-per-cpu, and --mem-per-gpu are mutually exclusive.", 11, "mutually exclusive"),
        ("sbatch: error: --cpus-per-gpu is mutually exclusive with --cpus-per-task\n"
         "sbatch: error: Invalid generic resource (gres) specification", 9, "mutually exclusive"),
        ("sbatch: error: No cluster 'mars' known by database.\nsbatch: error: 'mars' can't be reached now, or it is an invalid "
         "entry for --cluster.  Use 'sacctmgr list clusters' to see available clusters.", 16, CLUSTER),
        (f"{FAILED}Requested reservation is invalid", 17, "[Rr]eservation"),
        (f"{FAILED}Invalid license specification", 18, "[Ll]icense"),
        (f"{FAILED}Invalid node name specified", 19, "node name"),
        (f"{FAILED}Something that nobody has seen", None, ""),
    ],
)  # fmt: skip
def test_a_refusal_keeps_slurms_words_and_names_our_line(errors: str, line: int | None, meaning: str) -> None:
    error = describe_refusal(errors + "\n", "", SCRIPT)
    assert isinstance(error, RefusedError)
    assert error.exit_code == 2
    (finding,) = error.findings
    assert finding.where == ("sbatch" if line is None else f"job.sh, line {line}: {SCRIPT.splitlines()[line - 1]}")
    remedies = {pattern: remedy for pattern, _, remedy in MEANINGS}
    assert finding.remedy == remedies.get(meaning, finding.remedy)
    assert finding.remedy
    assert (finding.remedy in remedies.values()) is bool(meaning)
    for word in ("sbatch: error: ", "sbatch: fatal: ", "sbatch: "):
        errors = errors.replace(f"\n{word}", "\n").removeprefix(word)
    assert finding.what == errors.replace("\n", "; ")


def test_a_refusal_names_no_missing_line() -> None:
    (finding,) = describe_refusal(
        "sbatch: error: Batch job submission failed: Invalid qos specification", "", "#!/bin/bash\n"
    ).findings
    assert finding.where == "sbatch"


def test_a_line_with_a_longer_flag_name_is_another() -> None:
    script = "#!/bin/bash\n#SBATCH --mem-per-cpu=1G\n#SBATCH --mem=2G\n"
    (finding,) = describe_refusal("sbatch: error: Memory specification can not be satisfied", "", script).findings
    assert finding.where == "job.sh, line 3: #SBATCH --mem=2G"


@pytest.mark.parametrize(
    "errors",
    [
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "sbatch: error: slurm_persist_conn_open_without_init: failed to open persistent connection: Connection refused",
    ],
)
def test_a_silent_slurm_is_not_a_refusal(errors: str) -> None:
    error = describe_refusal(errors, "", SCRIPT)
    assert (type(error), error.exit_code) == (SlurmError, 3)
    assert error.findings[0].what == errors.removeprefix("sbatch: error: ")
    assert "sinfo" in error.findings[0].remedy


@pytest.mark.parametrize(
    ("errors", "what"),
    [
        ("sbatch: error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host\nsbatch: error: fetch_config: DNS SRV "
         "lookup failed\nsbatch: error: _establish_config_source: failed to fetch config\nsbatch: fatal: Could not establish a "
         "configuration source", "Could not establish a configuration source"),
        ('sbatch: error: Unable to resolve "ctl": Unknown host\nsbatch: error: Unable to establish control machine address\n',
         'Unable to resolve "ctl": Unknown host'),
        ("sbatch: error: connect: No route to host\n", "connect: No route to host"),
    ],
)  # fmt: skip
def test_a_machine_without_access_to_the_controller_submits_nothing(errors: str, what: str) -> None:
    error = describe_refusal(errors, "", SCRIPT)
    assert (type(error), error.exit_code, len(error.findings)) == (UnreachableError, 3, 1)
    assert (error.findings[0].where, error.findings[0].what) == ("sbatch", what)
    assert "SLURM_CONF" in error.findings[0].remedy


FILTER = """
-----------------------------------------------------------------
          Welcome to the Lonestar6 Supercomputer
-----------------------------------------------------------------

No reservation for this job
--> Verifying valid submit host (login2)...OK
--> Verifying valid jobname...OK
--> Checking available allocation (nosuch)...FAILED

 [*] You have no active allocation named nosuch
"""


def test_a_refusal_on_standard_output_is_shown() -> None:
    (finding,) = describe_refusal("", FILTER, SCRIPT).findings
    assert finding.what == (
        "Welcome to the Lonestar6 Supercomputer; No reservation for this job; --> Checking available allocation (nosuch)"
        "...FAILED; [*] You have no active allocation named nosuch"
    )
    assert describe_refusal("", FILTER, SCRIPT).exit_code == 2
    (finding,) = describe_refusal("sbatch: error: Invalid qos specification\n", "Welcome\n", SCRIPT).findings
    assert (finding.what, finding.where) == ("Invalid qos specification; Welcome", "job.sh, line 5: #SBATCH --qos=nosuch")


def test_a_silent_failure_of_sbatch_is_reported() -> None:
    (finding,) = describe_refusal("\n", "", SCRIPT).findings
    assert (finding.code, finding.where) == ("refused", "sbatch")
    assert finding.what
