"""Fetching one commit on the slave, with a token that stands in no URL, argv, environment or .git/config."""

from __future__ import annotations

import shlex
from urllib.parse import urlsplit

from d8.shell import ShellCommand, script

# The token arrives on standard input and lies in a 0600 file for as long as git may ask for it; the next run would
# also clear what a killed one left. The commit's id is the check of what was fetched. A redirect is not followed, and
# whoever else asks for the token (an insteadOf of the slave's user, for instance) does not get it.
FETCH = """set -e; umask 077
rm -rf "$work/git-askpass" "$work/source"; mkdir -p "$work/git-askpass"
trap 'rm -rf "$work/git-askpass" "$work/source"' EXIT
trap 'exit 143' HUP INT TERM
cat > "$work/git-askpass/token"
cat > "$work/git-askpass/ask" <<'ASK'
#!/bin/sh
case "$1" in
*"'$scheme://$place'"*) echo x-access-token ;;
*"'$scheme://x-access-token@$place'"*) cat "${0%/*}/token" ;;
*) echo "GIT_TOKEN is for $scheme://$place alone, and somebody else asks: $1" >&2; exit 1 ;;
esac
ASK
chmod 700 "$work/git-askpass/ask"
export scheme place GIT_TERMINAL_PROMPT=0 GIT_CONFIG_NOSYSTEM=1
if [ -s "$work/git-askpass/token" ]; then export GIT_ASKPASS="$work/git-askpass/ask"; fi
git init -q "$work/source"; cd "$work/source"
fetch() {
  git -c credential.helper= -c credential.useHttpPath=false -c http.followRedirects=false \\
    -c http.lowSpeedLimit=1 -c http.lowSpeedTime=60 fetch -q "$@"
}
fetch --depth 1 "$url" "$commit" || fetch "$url" '+refs/heads/*:refs/remotes/origin/*'
git cat-file -e "$commit^{commit}" || { echo "the repository does not hold commit $commit" >&2; exit 3; }
git archive --format=tar.gz -o "$work/$archive" "$commit" $paths
"""


def fetch(url: str, commit: str, work: str, archive: str, paths: tuple[str, ...]) -> ShellCommand:
    """Given the repository, the commit, the work folder and the archive's name in it, return the command that makes
    that archive of the commit's paths. GIT_TOKEN (or nothing) goes to its standard input."""
    parts = urlsplit(url)
    values = {"url": url, "commit": commit, "work": work, "archive": archive, "paths": " ".join(paths)}
    values |= {"scheme": parts.scheme, "place": parts.netloc}
    return script("\n".join(f"{name}={shlex.quote(value)}" for name, value in values.items()) + "\n" + FETCH)
