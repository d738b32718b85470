"""Files in the grammar of oned.conf: some like those of OpenNebula's packages, and random ones."""

from hypothesis import strategies as st

OLD = """\
#*******************************************************************************
# Daemon configuration attributes
#*******************************************************************************

#MANAGER_TIMER = 15

LOG = [
  SYSTEM      = "file",
  DEBUG_LEVEL = 3
]

SCRIPTS_DIR=/var/tmp/scripts

DB = [ backend = "sqlite" ]

# Sample for another one
# DB = [ backend = "mysql",
#        server  = "localhost",
#        passwd  = "secret" ]

IM_MAD = [
      NAME       = "collector",
      EXECUTABLE = "collectd",
      ARGUMENTS  = "-p 4124 -f 5" ]

VM_HOOK = [ NAME = "error", ON = "CREATE", COMMAND = "notify",
            ARGUMENTS = "\\"$TEMPLATE\\" -r" ]
"""

NEW = """\
LOG = [
  SYSTEM      = "file",
  DEBUG_LEVEL = 3,
  USE_VMS_LOCATION = "NO"
]

DISPLAY_PORTS = [
    START    = 5900,
    RESERVED = "32768:65536"
    # RESERVED = "6800, 6801, 6810:6820"
]

PEERS = [
    MODE      = "ALONE",
    SERVER_ID = -1,
    MASTER    = ""     # nobody
]

ADMIN_OPERATIONS = "migrate, delete, recover,
    backup, restore"
SAFE_DIRS = ""
EMPTY =

TM_MAD_CONF = [
    NAME = "plain", LN_TARGET = "NONE", SHARED = "YES", ALLOW_ORPHANS="FORMAT",
    MIGRATE = "YES"
]

TM_MAD_CONF = [
    NAME = "blocks", LN_TARGET = "NONE", SHARED="YES",
    # DRIVER = "qcow",
    DRIVER = "raw", MIGRATE = "NO"
]

VM_RESTRICTED_ATTR = "CONTEXT/FILES"
VM_RESTRICTED_ATTR = "NIC/MAC"
#VM_RESTRICTED_ATTR = "NIC/PRIORITY"

HELPER = [
    EXECUTABLE = "helper",
    ARGUMENTS = "-p 2101 -b 127.0.0.1"]
KEPT = [
    RETENTION = 20 ]
# the end
"""

FILES = {"old": OLD, "new": NEW}

_BLANK = st.sampled_from([" ", "  ", "\t", ""])
_GAP = st.sampled_from(["", " ", "\n", "\n   ", " # a, b = [ c ]\n  ", '\n# "\n'])
_NAME = st.sampled_from(["A", "B_ATTR", "V", "W", "a", "NAME_2"])
_KEY = st.sampled_from(["NAME", "K", "l", "M"])
_VALUE = st.sampled_from(
    ["x", "-1", "/var/x", 'in"side', '"x"', '""', '"y z"', '"a # b"', '"[ \\" ]"', '"two\nlines"']
)
_EQUALS = st.tuples(_BLANK, st.just("="), _BLANK).map("".join)
_PAIR = st.tuples(_KEY, _EQUALS, _VALUE).map("".join)


@st.composite
def _vector(draw: st.DrawFn) -> str:
    pairs = draw(st.lists(_PAIR, max_size=3))
    text = "[" + draw(_GAP)
    for index, pair in enumerate(pairs):
        text += ("," + draw(_GAP) if index else "") + pair + draw(_GAP)
    return text + "]"


@st.composite
def files(draw: st.DrawFn) -> str:
    """Return a file as a user may have written it."""
    text = draw(_GAP)
    for _ in range(draw(st.integers(0, 4))):
        value = draw(_VALUE | _vector() | st.just("\n"))
        between = draw(st.sampled_from(["\n", "\n\n", " ", "  # why\n", "\n  "]))
        text += draw(_NAME) + draw(_EQUALS) + value + between + draw(_GAP)
    return text + draw(st.sampled_from(["", "A = 1", "# the end\n", "\n"]))
