"""A registry for Docker with one image, standard library only: tests run it on a host's loopback, which Docker trusts.

`python3 image_registry.py PORT FOLDER`: FOLDER/layer.tar.gz is the image's only layer.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest(content: bytes) -> str:
    """The name that registries give to a content."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Image:
    """One image of one layer. Given its compressed layer and the architecture as Docker names it."""

    def __init__(self, layer: bytes, architecture: str) -> None:
        rootfs = {"type": "layers", "diff_ids": [digest(gzip.decompress(layer))]}
        config = json.dumps({"architecture": architecture, "os": "linux", "config": {}, "rootfs": rootfs}).encode()
        parts = {CONFIG: config, LAYER: layer}
        described = {
            kind: {"mediaType": kind, "size": len(part), "digest": digest(part)} for kind, part in parts.items()
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described[CONFIG],
            "layers": [described[LAYER]],
        }
        self.manifest = json.dumps(manifest).encode()
        self.blobs = {digest(part): part for part in parts.values()}


def handler(image: Image) -> type[BaseHTTPRequestHandler]:
    """Given the image, return what answers for it, under any name and tag."""

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, content = "application/json", b"{}"
            if "/manifests/" in self.path:
                kind, content = MANIFEST, image.manifest
            elif "/blobs/" in self.path:
                kind, content = "application/octet-stream", image.blobs[self.path.rpartition("/")[2]]
            self.send_response(200)
            self.send_header("Docker-Distribution-API-Version", "registry/2.0")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Docker-Content-Digest", digest(content))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_HEAD = do_GET

        def log_message(self, *words: object) -> None:
            """Stay quiet."""

    return Registry


if __name__ == "__main__":
    served = Image((Path(sys.argv[2]) / "layer.tar.gz").read_bytes(), sys.argv[3])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), handler(served)).serve_forever()
