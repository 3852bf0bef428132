"""Makes the stubs in `strategos/server/grpc/v1` from the files beside this one: `python proto/generate.py`.

Needs grpcio-tools. Its plugins write imports for a package at the root of the path
(`from strategos.v1 import`); here they become those of the package, and linters are told to leave the files
alone. A test holds the result equal to what is checked in.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

PROTO = Path(__file__).resolve().parent
STUBS = PROTO.parent / "strategos" / "server" / "grpc" / "v1"
_HEAD = "# ruff: noqa\n# fmt: off\n# mypy: ignore-errors\n"
_IMPORT = re.compile(r"^from strategos\.v1 import", re.MULTILINE)


def generate(proto: Path, target: Path) -> None:
    """Write the stubs of all services in `proto` into `target`; `RuntimeError` where protoc refuses."""
    import grpc_tools
    from grpc_tools import protoc

    sources = sorted(str(path) for path in (proto / "strategos" / "v1").glob("*.proto"))
    included = Path(str(grpc_tools.__file__)).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        outputs = [f"--{plugin}_out={folder}" for plugin in ("python", "pyi", "grpc_python")]
        if protoc.main(["protoc", f"-I{proto}", f"-I{included}", *outputs, *sources]):
            raise RuntimeError("protoc refuses the files in proto/; what it says stands above")
        for made in sorted((Path(folder) / "strategos" / "v1").iterdir()):
            if made.name.endswith("_grpc.py") and "class " not in made.read_text("utf-8"):
                continue  # it has no service
            text = _IMPORT.sub("from strategos.server.grpc.v1 import", made.read_text("utf-8"))
            (target / made.name).write_text(_HEAD + text, "utf-8")


if __name__ == "__main__":
    generate(PROTO, STUBS)
    print(f"wrote the stubs in {STUBS}", file=sys.stderr)
