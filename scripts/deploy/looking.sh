# shellcheck shell=sh
# What only looks: the plan of --dry-run, and --status. Sourced by desplegar_agent.sh.

tell_plan() {
    check_python
    find_source
    check_names
    if [ "$HAS_BOOTSTRAP" = true ]; then
        say 'Nothing: this slave belongs to a master, which updates it.' 'Nada: este slave es de un maestro, que lo actualiza.'
        return 0
    fi
    if [ "$CONFIRMED" = "$COMMIT" ]; then
        say 'Nothing new: commit %s is installed already.' 'Nada nuevo: el commit %s ya está instalado.' "$COMMIT"
        return 0
    fi
    [ -z "$CONFIRMED" ] || PORT=$(value "$WORK/installed" port)
    say 'Nothing is done; this would be:' 'No se hace nada; sería esto:'
    [ -z "$CONFIRMED" ] || say '  an upgrade of commit %s, which comes back if anything fails' \
        '  una actualización del commit %s, que vuelve si algo falla' "$CONFIRMED"
    [ "$INSTALLED" = yes ] || [ ! -d "$OPT" ] || say '  (something of D8 is here already: root is told what)' \
        '  (aquí ya hay algo de D8: a root se le dice qué)'
    has_venv || say '  install python3-venv' '  instalar python3-venv'
    say '  make the release %s with its own environment, packages locked by hash' \
        '  crear la versión %s con su propio entorno, con los paquetes fijados por hash' "$RELEASE"
    say '  the user d8-agent; the root helper d8-helper.socket; d8-agent.socket and d8-agent.service on port %s' \
        '  el usuario d8-agent; el ayudante de root d8-helper.socket; d8-agent.socket y d8-agent.service en el puerto %s' \
        "${PORT:-7600}"
    say '  try it on a loopback port, give it the port, prove it from outside, confirm it' \
        '  probarlo en un puerto local, darle el puerto, comprobarlo desde fuera, confirmarlo'
    say '  if anything fails: back to the release before, or to nothing' \
        '  si algo falla: de vuelta a la versión anterior, o a nada'
    look_at_sudoers
}

tell_status() {
    if [ "$INSTALLED" = no ]; then
        say 'The agent is not installed here.' 'El agente no está instalado aquí.'
        look_at_sudoers
        exit 3
    fi
    answering=$(value "$WORK/installed" answering.mode)
    say 'Answering on port %s: %s, commit %s' 'Contesta en el puerto %s: %s, commit %s' \
        "$(value "$WORK/installed" port)" "$answering" "$(value "$WORK/installed" answering.commit)"
    say 'Confirmed: %s; before it: %s; state: %s' 'Confirmado: %s; antes: %s; estado: %s' \
        "${CONFIRMED:--}" "${PREVIOUS:--}" "$PHASE"
    reason=$(value "$WORK/installed" reason)
    case $reason in
        '') ;;
        'rolled back') say 'The last upgrade was taken back: what is confirmed was there before it.' \
            'La última actualización se deshizo: lo confirmado es lo que había antes.' ;;
        *) say 'The last change: %s' 'El último cambio: %s' "$reason" ;;
    esac
    look_at_sudoers
    [ "$answering" = agent ] && [ "$PHASE" = confirmed ] || exit 1
}
