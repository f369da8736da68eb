from .errors import (
    InputError as InputError,
    UnsupportedError as UnsupportedError,
    WorkbenchError as WorkbenchError,
    brief as brief,
    brief_list as brief_list,
    check_number as check_number,
    refuse_unknown as refuse_unknown,
)
from .addresses import (
    check_database as check_database,
    shown_address as shown_address,
    sqlite_address as sqlite_address,
    store_file as store_file,
    without_secrets as without_secrets,
)
from .settings import (
    ModelSettings as ModelSettings,
    Settings as Settings,
    load_settings as load_settings,
)
from .records import (
    RECORD_MIME as RECORD_MIME,
    Record as Record,
    dumps as dumps,
    to_jsonable as to_jsonable,
)
from .hashing import (
    MANIFEST as MANIFEST,
    hash_files as hash_files,
    read_files as read_files,
    read_manifest as read_manifest,
    sha256_file as sha256_file,
    sha256_folder as sha256_folder,
    sha256_of as sha256_of,
    unchecked_manifest as unchecked_manifest,
)
from .processes import (
    has_ended as has_ended,
    process_mark as process_mark,
)
from .files import (
    atomic_folder as atomic_folder,
    atomic_write as atomic_write,
    cannot_write as cannot_write,
    check_writable as check_writable,
    drop_scratch as drop_scratch,
    is_disk_trouble as is_disk_trouble,
    scratch_folder as scratch_folder,
    slug as slug,
    sweep as sweep,
)
from .fingerprints import (
    code_hash as code_hash,
    modules_used as modules_used,
    parse as parse,
)
from .locks import (
    locked as locked,
)
from .machine import (
    CPU_FLAGS as CPU_FLAGS,
    cpu_facts as cpu_facts,
    has_bf16 as has_bf16,
    resolve_device as resolve_device,
    set_threads as set_threads,
    usable_cores as usable_cores,
)
from .provenance import (
    Provenance as Provenance,
    current_provenance as current_provenance,
    package_versions as package_versions,
)
from .mlflow_store import (
    connect as connect,
)
from .tracking import (
    Run as Run,
    attach as attach,
    track as track,
)
from .streams import (
    portions as portions,
)
from .interrupts import (
    ended_by_interrupt as ended_by_interrupt,
    leave as leave,
)
