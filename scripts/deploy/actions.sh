# shellcheck shell=sh
# What the script does, one function for each of its words. Sourced by desplegar_agent.sh.

install_agent() {
    step 'What is here' 'Lo que hay aquí'
    take_back_interrupted || stop_with 1 '%s\n%s' '%s\n%s' "${PROBLEM:-}" "${HINT:-}"
    check_host
    if [ "$CONFIRMED" = "$COMMIT" ] && is_running; then
        say 'Commit %s is installed already, and answers.' 'El commit %s ya está instalado, y contesta.' "$COMMIT"
        tell_unapplied
        look_at_sudoers replace
        return 0
    fi
    check_room
    trap 'failed_by signal' INT TERM HUP
    if [ "$CONFIRMED" = "$COMMIT" ]; then
        restart_installed
        return 0
    fi
    make_release || failed_by release
    [ "$CONFIRMED" ] || make_credentials || failed_by credentials
    write_settings || failed_by settings
    activate || failed_by activation
    trap - INT TERM HUP
    finish
}

check_host() { # everything that could refuse comes before anything is changed
    check_python
    find_source
    say 'Release: commit %s' 'Versión: commit %s' "$COMMIT"
    if [ "$HAS_BOOTSTRAP" = true ]; then
        stop_with 4 'This slave belongs to a master: update it from there (start_d8.py update). Nothing was done.' \
            'Este slave es de un maestro: actualícelo desde allí (start_d8.py update). No se ha hecho nada.'
    fi
    check_venv
    check_names
    name_host
    if [ "$CONFIRMED" ]; then
        say 'Installed: commit %s' 'Instalado: commit %s' "$CONFIRMED"
        keep_settings
        find_token
    else
        PORT=${PORT:-7600} BIND=${BIND:-0.0.0.0}
        check_port
        check_credentials
    fi
    [ "$TLS" = yes ] || warn 'Without TLS the token and everything else can be read on the way: only inside a VPN.' \
        'Sin TLS el token y todo lo demás se puede leer por el camino: solo dentro de una VPN.'
}

is_running() {
    [ "$(value "$WORK/installed" answering.mode)" = agent ] &&
        [ "$(value "$WORK/installed" answering.commit)" = "$CONFIRMED" ]
}

restart_installed() { # it is the wanted release, but does not answer
    say 'Commit %s is installed, but does not answer: it is started again.' \
        'El commit %s está instalado, pero no contesta: se arranca de nuevo.' "$COMMIT"
    systemctl reset-failed d8-agent.socket d8-agent.service 2>/dev/null || :
    systemctl restart d8-agent.socket d8-agent.service 2>/dev/null || :
    LAUNCHER=$OPT/control/d8-activate
    cp "$WORK/known-token" "$WORK/token"
    prove || stop_with 1 'It does not work: %s\n%s' 'No funciona: %s\n%s' "${PROBLEM:-}" "${HINT:-}"
    tell_unapplied
    finish
}

activate() { # the way of every release: laid out, tried beside what runs, switched, proved from outside, confirmed
    step 'Laying it out: user, helper, units' 'Colocándolo: usuario, ayudante, unidades'
    verb "$LAUNCHER" install <"$WORK/settings" || return 1
    rm -f "$WORK/settings" "$WORK/key"
    [ "$CONFIRMED" ] || keep_token || return 1
    step 'Trying it on a loopback port' 'Probándolo en un puerto local'
    verb "$LAUNCHER" stage </dev/null || return 1
    step 'Giving it port %s' 'Dándole el puerto %s' "$PORT"
    verb "$LAUNCHER" handover </dev/null || return 1
    wait_for_handover || return 1
    step 'Proving it from outside: TLS, token, commit, %s s' 'Comprobándolo desde fuera: TLS, token, commit, %s s' \
        "$STABILISATION_SECONDS"
    [ "$CONFIRMED" ] && cp "$WORK/known-token" "$WORK/token"
    prove || return 1
    verb "$LAUNCHER" confirm </dev/null && return 0
    verb "$LAUNCHER" status </dev/null && [ "$(value "$WORK/answer" phase)" = confirmed ]
}

prove() {
    # It changes nothing, and may wait for an hour: when this script is killed it must not keep the lock as well.
    verb "$LAUNCHER" prove --stabilisation "$STABILISATION_SECONDS" <"$WORK/token" 9>&- || return 1
    cp "$WORK/answer" "$WORK/proof"
}

failed_by() { # what failed: release, credentials, settings, activation or signal
    case $1 in
        signal) PROBLEM=$(say 'interrupted' 'interrumpido') HINT= ;;
    esac
    reason=${PROBLEM:-} advice=${HINT:-}
    trap - INT TERM HUP
    undo
    stop_with 1 'It failed: %s
%s' 'Ha fallado: %s
%s' "$reason" "$advice"
}

finish() {
    say 'It works: commit %s, process %s' 'Funciona: commit %s, proceso %s' \
        "$(value "$WORK/proof" commit)" "$(value "$WORK/proof" pid)"
    [ "$(value "$WORK/proof" token_was_tried)" = true ] ||
        say '(no token was at hand to be tried: that calls without one are refused was)' \
            '(no había un token que probar: sí que se rechazan las llamadas sin él)'
    if [ -z "$CONFIRMED" ]; then
        tell_how_to_call
        tell_token
    fi
    look_at_sudoers replace
}

tell_how_to_call() {
    address=$(printf '%s\n' "$ADDRESSES" | cut -d ' ' -f 1)
    case $BIND in
        0.0.0.0 | ::) ;;
        *) address=$BIND ;;
    esac
    if [ "$TLS" = no ]; then
        say 'Call it: curl http://%s:%s/api/health' 'Llámelo: curl http://%s:%s/api/health' "$address" "$PORT"
        return 0
    fi
    cp "$WORK/certificate" "$ETC/certificate.pem" && chmod 644 "$ETC/certificate.pem"
    say 'Call it: curl --cacert %s https://%s:%s/api/health' 'Llámelo: curl --cacert %s https://%s:%s/api/health' \
        "$ETC/certificate.pem" "$address" "$PORT"
    say 'SHA-256 of the certificate: %s' 'SHA-256 del certificado: %s' "$(value "$WORK/proof" fingerprint)"
}

roll_back_by_hand() {
    [ "$INSTALLED" = yes ] || stop_with 3 'The agent is not installed here.' 'El agente no está instalado aquí.'
    if [ -z "$CONFIRMED" ] && [ "$HAS_BOOTSTRAP" = false ]; then
        take_back_interrupted || stop_with 1 '%s\n%s' '%s\n%s' "${PROBLEM:-}" "${HINT:-}"
        say 'Nothing is left of it.' 'No queda nada de él.'
        return 0
    fi
    verb "$OPT/control/d8-activate" rollback --wait </dev/null ||
        stop_with 1 '%s\n%s' '%s\n%s' "${PROBLEM:-}" "${HINT:-}"
    [ "$(value "$WORK/answer" rolled_back)" = true ] ||
        stop_with 1 'The former release does not answer. See: journalctl -u d8-agent' \
            'La versión anterior no contesta. Vea: journalctl -u d8-agent'
    say 'The former release answers: %s' 'Contesta la versión anterior: %s' "$(value "$WORK/answer" commit)"
}

uninstall_by_hand() {
    if [ "$INSTALLED" = no ] && [ ! -d "$OPT" ]; then
        say 'Nothing of D8 is installed here.' 'Aquí no hay nada de D8 instalado.'
        return 0
    fi
    if [ "$YES" = no ] && [ ! -t 0 ]; then
        stop_with 2 'There is no terminal to ask in: say --yes to remove the agent, its apps, settings and tokens. Nothing was done.' \
            'No hay terminal donde preguntar: diga --yes para quitar el agente, sus apps, sus ajustes y sus tokens. No se ha hecho nada.'
    fi
    if ! agrees 'Remove the agent, its apps, settings and tokens from this host?' \
        '¿Quitar de este equipo el agente, sus apps, sus ajustes y sus tokens?'; then
        stop_with 1 'Nothing was done.' 'No se ha hecho nada.'
    fi
    LAUNCHER=$(find "$OPT/releases" -maxdepth 2 -name d8-activate 2>/dev/null | head -n 1)
    remove_everything || stop_with 1 '%s\n%s' '%s\n%s' "${PROBLEM:-}" "${HINT:-}"
    [ -n "$LAUNCHER" ] || rm -rf "$OPT" "$ETC"
    say 'Everything of D8 is removed from this host.' 'Se ha quitado de este equipo todo lo de D8.'
}
