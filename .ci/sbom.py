"""Prints the pins of a constraints file as a CycloneDX bill of materials: `make sbom`."""

import json
import re
import sys
import uuid
from pathlib import Path

PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)((?:.*\\\n)*.*)", re.MULTILINE)
HASH = re.compile(r"sha256:([0-9a-f]{64})")
INIT = Path(__file__).parents[1] / "pipeline" / "prodmatch" / "__init__.py"


def bill_of_materials(pins: str, version: str) -> dict[str, object]:
    """CycloneDX 1.6; the same pins give the same bytes. Hashes are those of every archive."""
    components = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{name.lower()}@{number}",
            "name": name.lower(),
            "version": number,
            "purl": f"pkg:pypi/{name.lower()}@{number}",
            "hashes": [{"alg": "SHA-256", "content": digest} for digest in HASH.findall(rest)],
        }
        for name, number, rest in PIN.findall(pins)
    ]
    program = {"type": "application", "bom-ref": "prodmatch", "name": "prodmatch"}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, version + pins)}",
        "version": 1,
        "metadata": {"component": {**program, "version": version}},
        "components": components,
        "dependencies": [
            {"ref": "prodmatch", "dependsOn": [component["bom-ref"] for component in components]}
        ],
    }


def main() -> None:
    """Runs as sbom.py CONSTRAINTS."""
    (version,) = re.findall(r'^__version__ = "(.*)"', INIT.read_text(), re.MULTILINE)
    bill = bill_of_materials(Path(sys.argv[1]).read_text(), version)
    sys.stdout.write(json.dumps(bill, indent=2) + "\n")


if __name__ == "__main__":
    main()
