# shellcheck shell=sh
# The release: which commit, its source in a versioned folder, its environment. Sourced by desplegar_agent.sh.

find_source() { # sets COMMIT and BRANCH, and FROM_GIT
    BRANCH='' FROM_GIT=no
    if [ -e "$ROOT/.git" ] && command -v git >/dev/null 2>&1; then
        FROM_GIT=yes
        COMMIT=$(in_checkout rev-parse HEAD) || COMMIT=
        BRANCH=$(in_checkout symbolic-ref --short -q HEAD) || BRANCH=
        if [ -n "$(in_checkout status --porcelain --untracked-files=no)" ]; then
            warn 'Uncommitted changes of this checkout are left out: the release is commit %s.' \
                'Los cambios sin commit de esta copia se quedan fuera: la versión es el commit %s.' "$COMMIT"
        fi
    else
        COMMIT=$(sed -n '/^[0-9a-f]\{40\}$/{p;q;}' "$ROOT/COMMIT" 2>/dev/null) || COMMIT=
    fi
    case $COMMIT in
        *[!0-9a-f]* | '') COMMIT= ;;
    esac
    [ "${#COMMIT}" -eq 40 ] || stop_with 4 'The commit of %s is not known: neither a git checkout (with git) nor an archive with its file COMMIT.
Make one: git archive --output=d8.tar.gz HEAD' 'No se sabe qué commit es %s: ni es una copia de git (con git) ni un archivo con su fichero COMMIT.
Haga uno: git archive --output=d8.tar.gz HEAD' "$ROOT"
    RELEASE=$OPT/releases/$COMMIT
    LAUNCHER=$RELEASE/d8-activate
}

in_checkout() { # as its owner and without writing to it: its settings name programs, and its index stays the owner's
    owner=$(stat -L -c %u "$ROOT/.git") && group=$(stat -L -c %g "$ROOT/.git") || return 1
    set -- env -i "PATH=$PATH" HOME=/nonexistent GIT_OPTIONAL_LOCKS=0 git -c "safe.directory=$ROOT" \
        -c core.fsmonitor=false -c core.hooksPath=/dev/null -C "$ROOT" "$@"
    [ "$(id -u)" -ne 0 ] || [ "$owner" -eq 0 ] || set -- setpriv --reuid "$owner" --regid "$group" --clear-groups "$@"
    "$@" 9>&-
}

check_room() { # of the folder that will hold the release
    folder=/opt
    [ -d "$folder" ] || folder=/
    free=$(df -Pk "$folder" | awk 'NR == 2 {print $4}')
    [ "$free" -ge 256000 ] || stop_with 1 '%s has %s MB left, and the agent needs 250 MB. Nothing was done.' \
        'En %s quedan %s MB, y el agente necesita 250 MB. No se ha hecho nada.' "$folder" "$((free / 1024))"
}

make_release() { # unpacked and with its own environment, beside whatever runs
    step 'Making the release %s' 'Creando la versión %s' "$RELEASE"
    if [ "$COMMIT" = "$PREVIOUS" ] && [ -x "$RELEASE/agent" ]; then
        say 'It is here already: the release before the present one.' 'Ya está aquí: es la versión anterior a la actual.'
        return 0
    fi
    unpack || return 1
    "$PYTHON" -I -c '
import json, sys
commit, branch, python, wheels = sys.argv[1:]
print(json.dumps({"commit": commit, "branch": branch or None, "python": python, "wheels": wheels or None}))' \
        "$COMMIT" "$BRANCH" "$PYTHON" "${WHEELS:+$(CDPATH='' cd -- "$WHEELS" && pwd)}" >"$WORK/preparation"
    say 'Installing its locked packages, hash for hash' 'Instalando sus paquetes fijados, hash a hash'
    verb "$LAUNCHER" prepare <"$WORK/preparation"
}

unpack() {
    PROBLEM=$(say 'The source could not be unpacked to %s.' 'No se ha podido desempaquetar el código en %s.' "$RELEASE")
    HINT=
    rm -rf "$RELEASE" "$RELEASE.new" || return 1
    (
        umask 022
        mkdir -p "$RELEASE.new"
    ) || return 1
    if [ "$FROM_GIT" = yes ]; then
        in_checkout archive --format=tar "$COMMIT" slave_agent >"$WORK/source.tar" || return 1
    else
        tar -cf "$WORK/source.tar" -C "$ROOT" --exclude=__pycache__ slave_agent || return 1
    fi
    (
        umask 022
        tar -xf "$WORK/source.tar" -C "$RELEASE.new" --no-same-owner --no-same-permissions &&
            cp "$RELEASE.new/slave_agent/activation/d8-activate" "$RELEASE.new/d8-activate" &&
            chmod 755 "$RELEASE.new/d8-activate"
    ) 2>"$WORK/said" || {
        HINT=$(tail -n 1 "$WORK/said")
        rm -rf "$RELEASE.new"
        return 1
    }
    mv "$RELEASE.new" "$RELEASE"
}
