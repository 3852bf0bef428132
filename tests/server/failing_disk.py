"""A disk that refuses what a process writes, or does not confirm it: a library before the system's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* The error of a call on a file of $FAILING_FILE, as the file $FAILING_DISK says: "fsync 5". */
static int refusal(const char *call, int file) {
    const char *faults = getenv("FAILING_DISK"), *name = getenv("FAILING_FILE");
    char link[64], path[4096], wanted[32];
    int number = 0;
    if (!faults || !name || access(faults, R_OK)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (!strstr(path, name)) return 0;
    FILE *told = fopen(faults, "r");
    if (!told) return 0;
    if (fscanf(told, "%31s %d", wanted, &number) != 2 || strcmp(wanted, call)) number = 0;
    fclose(told);
    return number;
}

#define FAILING(result, name, kind, parameters, arguments) \\
    result name parameters { \\
        int number = refusal(kind, file); \\
        if (number) { errno = number; return -1; } \\
        return ((result (*) parameters) dlsym(RTLD_NEXT, #name)) arguments; \\
    }

FAILING(int, fsync, "fsync", (int file), (file))
FAILING(int, fdatasync, "fsync", (int file), (file))
FAILING(ssize_t, write, "write", (int file, const void *data, size_t size), (file, data, size))
FAILING(ssize_t, pwrite, "write", (int file, const void *data, size_t size, off_t at), (file, data, size, at))
FAILING(ssize_t, pwrite64, "write",
        (int file, const void *data, size_t size, off64_t at), (file, data, size, at))
"""


def failing_disk(folder: Path, name: str) -> dict[str, str]:
    """The environment of a process for which calls on files with `name` in their path fail as the file
    `$FAILING_DISK` says ("write 122" or "fsync 5"), as long as it is there.

    Skips where nothing compiles it."""
    compiler = shutil.which("cc")
    if compiler is None or not Path("/proc/self/fd").is_dir():
        pytest.skip("no C compiler on this machine, or no /proc")
    (folder / "disk.c").write_text(_SOURCE)
    library = folder / "disk.so"
    command = [compiler, "-shared", "-fPIC", "-o", str(library), str(folder / "disk.c"), "-ldl"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    faults = str(folder / "faults")
    return {**os.environ, "LD_PRELOAD": str(library), "FAILING_DISK": faults, "FAILING_FILE": name}
