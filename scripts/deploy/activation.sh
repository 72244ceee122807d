# shellcheck shell=sh
# Calls d8-activate, root's program that makes a release the running agent and takes it back. Sourced.

open_work_folder() {
    WORK=$(mktemp -d)
    trap 'rm -rf "$WORK"' EXIT
    find_python || PYTHON=python3
    if [ "$(id -u)" -eq 0 ]; then
        exec 9>/run/d8-deploy.lock
        flock -n 9 || stop_with 1 'Another deployment runs on this host.' 'En este equipo ya hay otro despliegue en marcha.'
    fi
}

value() { # file, name: a value of a JSON object, empty for null
    "$PYTHON" -I -c '
import json, sys
value = json.load(open(sys.argv[1]))
for name in sys.argv[2].split("."):
    value = value.get(name) if isinstance(value, dict) else None
print("" if value is None else str(value).lower() if isinstance(value, bool) else value)' "$1" "$2"
}

verb() { # program, verb, options; standard input is passed on; the answer is in $WORK/answer
    # It keeps the lock for as long as it works, also when this script is killed meanwhile.
    program=$1
    shift
    if "$PYTHON" -I "$program" "$@" >"$WORK/answer" 2>"$WORK/said"; then
        return 0
    fi
    PROBLEM=$(value "$WORK/answer" error 2>/dev/null) || PROBLEM=$(tail -n 1 "$WORK/said")
    HINT=$(value "$WORK/answer" hint 2>/dev/null) || HINT=
    return 1
}

find_installed() { # sets INSTALLED (yes or no), and what the record says
    INSTALLED=no PHASE='' CONFIRMED='' PREVIOUS='' HAS_BOOTSTRAP=false
    [ "$(id -u)" -eq 0 ] && [ -e "$OPT/control/d8-activate" ] || return 0
    verb "$OPT/control/d8-activate" status </dev/null || return 0
    [ "$(value "$WORK/answer" installed)" = true ] || return 0
    INSTALLED=yes
    cp "$WORK/answer" "$WORK/installed"
    PHASE=$(value "$WORK/installed" phase)
    CONFIRMED=$(value "$WORK/installed" confirmed_commit)
    PREVIOUS=$(value "$WORK/installed" previous_commit)
    HAS_BOOTSTRAP=$(value "$WORK/installed" has_bootstrap)
}

wait_for_handover() { # until the swap has ended; fails with PROBLEM when the agent did not get the port
    waited=0
    while verb "$LAUNCHER" status </dev/null; do
        PROBLEM=$(value "$WORK/answer" reason)
        HINT='journalctl -u d8-agent'
        case $(value "$WORK/answer" phase) in
            handed_over) return 0 ;;
            handing_over) ;;
            *) return 1 ;;
        esac
        [ "$waited" -lt "$CONFIRM_SECONDS" ] || return 1
        waited=$((waited + 1))
        sleep 1
    done
    return 1
}

undo() { # what was begun is taken back: to the release before, or to nothing
    trap '' INT TERM HUP
    step 'Going back' 'Volviendo atrás'
    if [ -z "$CONFIRMED" ]; then
        remove_everything || warn '%s' '%s' "${PROBLEM:-}"
        [ -z "$TOKEN_FILE" ] || rm -f "$TOKEN_FILE"
        say 'Nothing is left of it.' 'No queda nada de él.'
        return 0
    fi
    launcher=$OPT/control/d8-activate
    verb "$launcher" status </dev/null || :
    if [ "$(value "$WORK/answer" phase)" != confirmed ]; then
        verb "$launcher" rollback --wait </dev/null || :
    fi
    verb "$launcher" status </dev/null || :
    if [ "$(value "$WORK/answer" answering.commit)" = "$CONFIRMED" ]; then
        say 'The former release answers: %s' 'Contesta la versión anterior: %s' "$CONFIRMED"
    else
        warn 'The former release does not answer: %s' 'La versión anterior no contesta: %s' \
            "$(value "$WORK/answer" reason) $(value "$WORK/answer" answering.problem)"
    fi
    [ "$COMMIT" = "$PREVIOUS" ] || [ "$COMMIT" = "$CONFIRMED" ] || rm -rf "$RELEASE" "$RELEASE.new"
}

remove_everything() {
    launcher=$OPT/control/d8-activate
    [ -e "$launcher" ] || launcher=${LAUNCHER:-$launcher}
    if [ -e "$launcher" ]; then
        verb "$launcher" uninstall --wait </dev/null || return 1
    fi
    rm -rf "${RELEASE:-$OPT/none}" "${RELEASE:-$OPT/none}.new"
    rmdir "$OPT/releases" "$OPT" 2>/dev/null || :
    rm -f /run/d8-deploy.lock
}
