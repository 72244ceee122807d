"""schemathesis: random requests made from the OpenAPI that an agent serves, about an app that it has."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SEED = 20261122
_ENDS_THE_AGENT_OR_ITS_TOKEN = "bootstrap|uninstall|rollback|releases/switch|enroll|confirm|revoke"
LEFT_OUT = f"^/api/(execute|agent/({_ENDS_THE_AGENT_OR_ITS_TOKEN}))$"
APP = "shop"
WEBHOOK = {"secret": "a-secret-for-the-webhook", "plain": True}
Document = dict[str, Any]


def about_the_app(document: Document) -> Document:
    """Given an agent's OpenAPI, return it with the app's name in every path but DELETE's, and in the webhook's orders
    with its secret, which stays: a name made at random would meet nothing but 404. No app is asked to prove itself for
    long.
    """
    narrowed = copy.deepcopy(document)
    for path, operations in narrowed["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                is_name = (parameter["in"], parameter["name"]) == ("path", "name")
                if is_name and path.startswith("/api/apps/") and method != "delete":
                    parameter["schema"] = {"type": "string", "enum": [APP]}
    schemas = narrowed["components"]["schemas"]
    order = schemas["Command"]
    order["properties"]["app_name"] = {"type": "string", "enum": [APP]}
    order["properties"]["secret"] = {"type": "string", "enum": [WEBHOOK["secret"]]}
    order["required"] = ["action", "app_name", "secret"]
    schemas["Webhook"]["properties"]["secret"] = {"type": "string", "enum": [WEBHOOK["secret"]]}
    schemas["Webhook"]["required"] = ["secret"]
    for schema in schemas.values():
        if "stabilisation_seconds" in schema.get("properties", {}):
            schema["properties"]["stabilisation_seconds"] = {"type": "number", "minimum": 0, "maximum": 1}
    return narrowed


def run_schemathesis(
    document: Document, base: str, token: str, authority: Path, folder: Path, examples: int
) -> subprocess.CompletedProcess[str]:
    """Given the OpenAPI of an agent that has the app and whose webhook is on, its address, token and CA, send so many
    requests to each route; exit code 0 says that no answer was an error of the server.
    """
    settings, schema = folder / "schemathesis.toml", folder / "openapi.json"
    settings.write_text(f'[headers]\nAuthorization = "Bearer {token}"\n')
    schema.write_text(json.dumps(about_the_app(document)))
    words = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(settings), "--no-color",
        "run", str(schema), "--url", base, "--tls-verify", str(authority), "--checks", "not_a_server_error",
        "--max-examples", str(examples), "--seed", str(SEED), "--workers", "1",
        "--exclude-path-regex", LEFT_OUT, "--request-timeout", "60", "--generation-database", "none",
    ]  # fmt: skip
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=1200, check=False)
