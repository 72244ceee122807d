# shellcheck shell=sh
# Calls d8-activate, root's program that makes a release the running agent and takes it back. Sourced.

LOCK=/run/d8-deploy.lock

open_work_folder() { # who changes something is alone, and his folder lies in memory: it holds secrets, and may be left
    find_python || PYTHON=python3
    case $ACTION in
        status | dry-run) WORK=$(mktemp -d) ;;
        *)
            exec 9>"$LOCK"
            flock -n 9 || stop_with 1 'Another deployment runs on this host.' 'En este equipo ya hay otro despliegue en marcha.'
            WORK=/run/d8-deploy # one that was killed has left it here
            rm -rf "$WORK"
            mkdir "$WORK"
            ;;
    esac
    trap close_work_folder EXIT
}

close_work_folder() {
    rm -rf "$WORK"
    [ "$ACTION" = status ] || [ "$ACTION" = dry-run ] || [ -d "$OPT" ] || rm -f "$LOCK"
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

find_installed() { # sets INSTALLED (yes or no), and what the record says; one that can't be read can be uninstalled
    INSTALLED=no PHASE='' CONFIRMED='' PREVIOUS='' HAS_BOOTSTRAP=false
    [ "$(id -u)" -eq 0 ] && [ -e "$OPT/control/d8-activate" ] || return 0
    if ! verb "$OPT/control/d8-activate" status </dev/null; then
        [ "$ACTION" = uninstall ] || stop_with 1 'An agent is installed here, but what it is cannot be read: %s
--uninstall removes it; then it can be installed again.' 'Aquí hay un agente instalado, pero no se puede leer cuál: %s
--uninstall lo quita; después se puede instalar de nuevo.' "${PROBLEM:-}"
        INSTALLED=yes
        return 0
    fi
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

take_back_interrupted() { # what a deployment began that was killed: whatever was there before it is there again
    case $PHASE in '' | confirmed) return 0 ;; esac
    [ "$HAS_BOOTSTRAP" = false ] || return 0 # its master sees to that
    say 'An earlier deployment was interrupted: it is taken back first.' \
        'Un despliegue anterior se quedó a medias: primero se deshace.'
    if [ -n "$CONFIRMED" ]; then
        verb "$OPT/control/d8-activate" rollback --wait </dev/null || return 1
    else
        remove_everything || return 1
    fi
    find_installed
}

undo() { # what was begun is taken back: to the release before, or to nothing
    trap '' INT TERM HUP
    step 'Going back' 'Volviendo atrás'
    if [ -z "$CONFIRMED" ]; then
        [ -z "$TOKEN_FILE" ] || rm -f "$TOKEN_FILE" "$TOKEN_FILE.new"
        if remove_everything; then
            say 'Nothing is left of it.' 'No queda nada de él.'
        else
            warn 'It could not be removed: %s. Repeat it with --uninstall.' 'No se ha podido quitar: %s. Repítalo con --uninstall.' \
                "${PROBLEM:-}"
        fi
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
}
